/** Whose page this is: a token is changed for a session once, and then forgotten. */
import { signal } from "@preact/signals";
import { Refusal, send } from "./api.ts";

export interface Session {
  readonly subject: string;
  readonly scopes: readonly string[];
}

/** Undefined while it is asked for, null where there is none. */
export const session = signal<Session | null | undefined>(undefined);
export const signInProblem = signal("");

/** Takes the token out of the address, if there is one, before anything else sees it. */
export async function beginSession(): Promise<void> {
  const token = /^#token=([\w.-]+)$/.exec(location.hash)?.[1];
  if (token === undefined) return askSession();
  // Replaces the entry in the history, too.
  location.replace("#/");
  await signIn(token);
}

export async function signIn(token: string): Promise<void> {
  try {
    session.value = (await send("POST", "/-/session", undefined, { authorization: `Bearer ${token}` })) as Session;
    signInProblem.value = "";
  } catch (error) {
    session.value = null;
    signInProblem.value = (error as Error).message;
  }
}

/** @throws Error when the gateway could not be told: the session goes on then */
export async function signOut(): Promise<void> {
  await send("DELETE", "/-/session");
  session.value = null;
}

async function askSession(): Promise<void> {
  try {
    session.value = (await send("GET", "/-/session")) as Session;
  } catch (error) {
    session.value = null;
    // Not being signed in is no problem yet.
    signInProblem.value = error instanceof Refusal && error.status === 401 ? "" : (error as Error).message;
  }
}

/** Whether there is one still, and whose: it may have ended, or somebody has signed in in another window. */
export async function checkSession(): Promise<void> {
  const known = session.peek();
  let present: Session | null;
  try {
    present = (await send("GET", "/-/session")) as Session;
  } catch (error) {
    if (!(error instanceof Refusal) || error.status !== 401) return;
    present = null;
  }
  // Signing in or out was quicker.
  if (session.peek() === known && JSON.stringify(present) !== JSON.stringify(known)) session.value = present;
}

export const may = (scope: string): boolean => {
  const scopes = session.value?.scopes ?? [];
  return scopes.includes(scope) || (scope !== "approve" && scopes.includes("admin"));
};
