/** The plain policy table: the first rule that matches an incident decides what is done about it. */
import type { Incident, PolicyRule } from "#contracts/coordinator.ts";
import { globPattern } from "./glob.ts";

export type PolicySubject = Pick<Incident, "id" | "title" | "severity" | "series">;

export function decide(rules: readonly PolicyRule[], incident: PolicySubject): PolicyRule | undefined {
  return rules.find(({ when }) => {
    if (when.severity !== undefined && !when.severity.includes(incident.severity)) return false;
    if (when.series === undefined) return true;
    const pattern = globPattern(when.series);
    return incident.series.some((series) => pattern.test(series));
  });
}

type Json = PolicyRule["params"][string];

/** A rule's parameters with the incident's own words filled into their texts. */
export function fillParams(params: PolicyRule["params"], incident: PolicySubject): PolicyRule["params"] {
  const words: Readonly<Record<string, string>> = {
    id: incident.id,
    title: incident.title,
    severity: incident.severity,
    series: incident.series.join(", "),
  };
  const fill = (value: Json): Json => {
    if (typeof value === "string") {
      return value.replace(/\{incident\.(id|title|severity|series)\}/g, (_all, word: string) => words[word] ?? "");
    }
    if (Array.isArray(value)) return value.map(fill);
    if (typeof value === "object" && value !== null) {
      return Object.fromEntries(Object.entries(value).map(([key, member]) => [key, fill(member)]));
    }
    return value;
  };
  return fill(params) as PolicyRule["params"];
}
