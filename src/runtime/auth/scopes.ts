import type { Scope } from "#core/contract.ts";
import { ServiceError } from "#core/service-error.ts";
import type { Caller } from "../call.ts";

const SCOPES: ReadonlySet<string> = new Set<Scope>(["read", "operate", "approve", "admin"]);

export function isScope(text: string): text is Scope {
  return SCOPES.has(text);
}

/** Whether the scopes cover `needed`. `admin` covers read and operate; nothing but `approve` covers approve. */
export function allows(scopes: ReadonlySet<Scope>, needed: Scope): boolean {
  return scopes.has(needed) || (scopes.has("admin") && (needed === "read" || needed === "operate"));
}

/** @throws ServiceError FORBIDDEN naming what is needed and what the token has. */
export function requireScope(caller: Caller, needed: Scope): void {
  if (allows(caller.scopes, needed)) return;
  const has = [...caller.scopes];
  throw new ServiceError(
    "FORBIDDEN",
    `This needs the scope "${needed}"; the token of "${caller.subject}" has ${has.length === 0 ? "none" : has.join(", ")}.`,
    { data: { needed, has } },
  );
}

/** Subjects of the organism's own processes begin like this: what they call is not counted as traffic. */
export function isServiceSubject(subject: string): boolean {
  return subject.startsWith("service:");
}

/** Subjects of processes, the organism's own and those of a person's services; their tokens never carry `approve`. */
export function isProcessSubject(subject: string): boolean {
  return isServiceSubject(subject) || subject.startsWith("app:");
}

/** The subject of a host's token. */
export function subjectOfHost(name: string, isOwn: boolean): string {
  return `${isOwn ? "app" : "service"}:${name}`;
}
