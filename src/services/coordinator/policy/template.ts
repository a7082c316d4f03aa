/** Texts of rules with signals in them, such as `{cause.host}`. What is filled in is never read as a template again. */
import type { z } from "zod";
import { SIGNALS, type Signals } from "./signals.ts";

type Json = z.core.util.JSONType;

const PLACE = /\{([a-z]+)\.([A-Za-z]+)\}/g;

/** What looks like a signal in a text and is none: a slip of `{cause.host}`, such as `{ cause.Hosts }`. */
const LIKE_A_PLACE = /\{\s*[A-Za-z_]\w*\.\w+\s*\}/g;

/** Placeholders of texts that name no signal. */
export function unknownPlaces(value: Json): string[] {
  return texts(value).flatMap((text) => [...text.matchAll(LIKE_A_PLACE)].map(([place]) => place).filter(isNoSignal));
}

/** The same of a target, where every brace is meant as one: a service called "{host}" is not what anybody has. */
export function unknownTargetPlaces(target: string): string[] {
  const places = target.match(/\{[^}]*\}?|\}/g) ?? [];
  return places.filter(isNoSignal);
}

function isNoSignal(place: string): boolean {
  const [whole, group = "", name = ""] = new RegExp(PLACE.source).exec(place) ?? [];
  return whole !== place || !isSignal(group, name);
}

/** @throws Error when a signal it names has no value, so that nothing is done to nobody */
export function fillTemplate<T extends Json>(value: T, signals: Signals): T {
  return fill(value, signals) as T;
}

function fill(value: Json, signals: Signals): Json {
  if (typeof value === "string") return fillText(value, signals);
  if (Array.isArray(value)) return value.map((member) => fill(member, signals));
  if (typeof value === "object" && value !== null) {
    return Object.fromEntries(Object.entries(value).map(([key, member]) => [key, fill(member as Json, signals)]));
  }
  return value;
}

function fillText(text: string, signals: Signals): string {
  return text.replace(PLACE, (place, group: string, name: string) => {
    const value = (signals as unknown as Record<string, Record<string, unknown>>)[group]?.[name];
    if (value === undefined || value === "") throw new Error(`${place} has no value`);
    return Array.isArray(value) ? value.join(", ") : String(value as string | number | boolean);
  });
}

function texts(value: Json): string[] {
  if (typeof value === "string") return [value];
  if (Array.isArray(value)) return value.flatMap(texts);
  return typeof value === "object" && value !== null
    ? Object.values(value).flatMap((member) => texts(member as Json))
    : [];
}

function isSignal(group: string, name: string): boolean {
  return Object.hasOwn(SIGNALS, group) && Object.hasOwn(SIGNALS[group as keyof typeof SIGNALS], name);
}
