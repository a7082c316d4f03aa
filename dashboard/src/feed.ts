/** All that the page is told comes over one connection: of those that a browser grants a host, it has six for all its windows. */
import { type Input, type Output, pathOf } from "./api.ts";
import type { RouteName } from "./routes.ts";
import { checkSession, session } from "./session.ts";
import { tell, whyOf } from "./trouble.ts";

export interface Follower<T> {
  /** An answer as it is now, or an event of a stream. */
  readonly take: (value: T) => void;
  /** A stream begins, now or again: it has only what comes from now on. */
  readonly began?: () => void;
  /** Why there is nothing new; the page says it at its top when nobody here takes it. */
  readonly failed?: (why: string) => void;
}

interface Told {
  readonly of: number;
  readonly value?: unknown;
  readonly began?: true;
  readonly problem?: { readonly status: number; readonly detail: string };
}

/** Those of one view come and go together. */
const SETTLED_MS = 20;
const AGAIN_MS = 1_000;

const followers = new Map<string, Set<Follower<never>>>();
let stream: EventSource | undefined;
let timer: number | undefined;
document.addEventListener("visibilitychange", () => {
  open();
  if (document.visibilityState === "visible" && session.value) void checkSession();
});

/** Follows an answer or a stream for as long as the page is seen, also after the connection broke. What it returns ends that. */
export function follow<N extends RouteName>(name: N, input: Input<N>, follower: Follower<Output<N>>): () => void {
  const path = pathOf(name, input);
  const group = followers.get(path) ?? new Set();
  followers.set(path, group.add(follower));
  change(SETTLED_MS);
  return () => {
    group.delete(follower);
    if (group.size === 0 && followers.get(path) === group) followers.delete(path);
    tell(path, "");
    change(SETTLED_MS);
  };
}

function change(afterMs: number): void {
  clearTimeout(timer);
  timer = window.setTimeout(open, afterMs);
}

function open(): void {
  clearTimeout(timer);
  stream?.close();
  if (document.visibilityState !== "visible" || followers.size === 0 || session.value === null) return;
  const paths = [...followers.keys()];
  const mine = new EventSource(`/-/live?${new URLSearchParams(paths.map((path) => ["of", path]))}`);
  stream = mine;
  let hasOpened = false;
  mine.onopen = () => {
    hasOpened = true;
    tell(followers, "");
  };
  mine.onmessage = ({ data }: MessageEvent<string>) => {
    const told = JSON.parse(data) as Told;
    hear(paths[told.of] ?? "", told);
  };
  mine.onerror = () => {
    mine.close();
    if (mine !== stream) return;
    timer = window.setTimeout(open, AGAIN_MS);
    if (!hasOpened) tell(followers, whyOf(undefined));
    // Whether its session is over a browser does not say.
    void checkSession();
  };
}

function hear(path: string, { value, began, problem }: Told): void {
  if (problem?.status === 401) session.value = null;
  const group = [...(followers.get(path) ?? [])];
  const isTaken = group.some(({ failed }) => failed !== undefined);
  tell(path, isTaken ? "" : (problem?.detail ?? ""));
  for (const { take, began: begin, failed } of group) {
    if (problem !== undefined) failed?.(problem.detail);
    else if (began) begin?.();
    else take(value as never);
  }
}
