import type { IncomingMessage } from "node:http";
import { expect, it } from "vitest";
import { createFakeClock } from "#testing/fake-clock.ts";
import { Sessions } from "./sessions.ts";

const HOUR_MS = 3_600_000;

function request(headers: Record<string, string> = {}): IncomingMessage {
  return { headers: { ...headers }, socket: { localPort: 7700 } } as unknown as IncomingMessage;
}

const cookieOf = (header: string): string => header.split(";")[0] ?? "";

function known(sessions: Sessions, cookie: string): string | undefined {
  const asked = request({ cookie });
  sessions.recognise(asked);
  return asked.headers.authorization;
}

// Whoever worked all day was signed out in the middle; whoever left the browser open was signed in for ever.
it("lasts while it is used, and ends after twelve hours without", async () => {
  const clock = createFakeClock();
  const sessions = new Sessions(clock);
  const cookie = cookieOf(sessions.open(request(), "Bearer a"));
  for (let i = 0; i < 4; i++) {
    await clock.advance(11 * HOUR_MS);
    expect(known(sessions, cookie)).toBe("Bearer a");
  }
  await clock.advance(13 * HOUR_MS);
  expect(known(sessions, cookie)).toBeUndefined();
});

it("makes room for a new one by ending the one that was used least recently", () => {
  const sessions = new Sessions(createFakeClock());
  const first = cookieOf(sessions.open(request(), "Bearer 0"));
  const second = cookieOf(sessions.open(request(), "Bearer 1"));
  for (let i = 2; i < 1_000; i++) sessions.open(request(), `Bearer ${i}`);
  expect(known(sessions, first)).toBe("Bearer 0");
  sessions.open(request(), "Bearer new");
  expect(known(sessions, first)).toBe("Bearer 0");
  expect(known(sessions, second)).toBeUndefined();
});

// Behind a proxy that speaks TLS the cookie must not go over a plain connection.
it("is for TLS only where the page came over TLS", () => {
  const sessions = new Sessions(createFakeClock());
  expect(sessions.open(request(), "Bearer a")).not.toContain("Secure");
  expect(sessions.open(request({ "x-forwarded-proto": "https" }), "Bearer a")).toMatch(/; Secure$/);
});

it("of one organism says nothing to another on the same machine", () => {
  const sessions = new Sessions(createFakeClock());
  const cookie = cookieOf(sessions.open(request(), "Bearer a"));
  expect(known(sessions, cookie.replace("7700", "7800"))).toBeUndefined();
  expect(known(sessions, `other=1; ${cookie}; more=2`)).toBe("Bearer a");
});
