import { expect, it } from "vitest";
import { createFakeClock } from "#testing/fake-clock.ts";
import type { FromHost, ToHost } from "../../host/control.ts";
import { silentLogger } from "../../telemetry/logger.ts";
import { HostSpec } from "../host-spec.ts";
import type { HostListener, HostProcess } from "./host-process.ts";
import { Seat, SEAT_TIMING } from "./seat.ts";

/** A seat whose process says and prints what the test wants. */
async function openSeat(answersProbes = true) {
  const clock = createFakeClock();
  const printed: string[] = [];
  let forgotten = 0;
  let killed = false;
  const sent: ToHost[] = [];
  let listener: HostListener | undefined;
  const process: HostProcess = {
    pid: 1,
    alive: true,
    send: (message) => void sent.push(message),
    words: () => printed[forgotten],
    forgetWords: () => void (forgotten = printed.length),
    listen: (to) => void (listener = to),
    onceExited() {},
    kill: () => void (killed = true),
  };
  const told: unknown[] = [];
  const seat: Seat = new Seat(0, 1, HostSpec.parse({ name: "ml", services: ["ml"] }), {
    clock,
    random: { next: () => 0 },
    log: silentLogger,
    pool: { prepare() {}, take: () => process, logFile: () => "", discard() {}, close: async () => {} },
    probe: async () => answersProbes,
    timing: SEAT_TIMING,
    nextIncarnation: () => "1",
    assign: async () => ({ type: "token", token: "" }),
    changed: () => void told.push(seat.status.state),
    desiredChanged() {},
  });
  await clock.advance(0);
  return {
    clock,
    told,
    print: (line: string) => void printed.push(line),
    say: (message: FromHost) => listener?.message(message),
    state: () => seat.status.state,
    leave: () => seat.leave(),
    sent,
    killed: () => killed,
  };
}

// After a host had been ready once, what it had waited for and said when it began was told for ever.
it("tells what it waits for now and what it has said since, also of a host that was ready", async () => {
  const { clock, told, print, say, state } = await openSeat();
  say({ type: "listening", address: "http://a" });
  say({ type: "waiting", for: "ml is being created" });
  print("loading the model");
  await clock.advance(1_000);
  expect(state()).toMatchObject({ kind: "starting", reason: 'ml is being created; it said "loading the model"' });
  say({ type: "ready" });
  expect(state().kind).toBe("ready");
  told.splice(0);
  say({ type: "not-ready", reason: "the disk is full" });
  expect(told).toMatchObject([{ kind: "starting", reason: "the disk is full" }]);
  print("cannot write");
  await clock.advance(1_000);
  expect(state()).toMatchObject({ reason: 'the disk is full; it said "cannot write"' });
});

// Told oftener than the log is looked at, it must be looked at all the same.
it("looks at the log of a host that says again and again that it is not ready", async () => {
  const { clock, print, say, state } = await openSeat();
  say({ type: "listening", address: "http://a" });
  print("no licence");
  for (const _ of [1, 2, 3]) {
    say({ type: "not-ready", reason: "it has no licence" });
    await clock.advance(400);
  }
  expect(state()).toMatchObject({ reason: 'it has no licence; it said "no licence"' });
});

// Its calls were cut after ten seconds, whatever their deadlines.
it("lets a host finish what it has begun for as long as a call may take", async () => {
  const { clock, say, leave, sent, killed } = await openSeat();
  say({ type: "listening", address: "http://a" });
  say({ type: "ready" });
  leave();
  await clock.advance(100);
  expect(sent.at(-1)).toEqual({ type: "drain", drainMs: 300_000 });
  await clock.advance(300_000);
  expect(killed()).toBe(false);
  await clock.advance(1_000);
  expect(killed()).toBe(true);
});

it("waits for no calls of a host that does not answer", async () => {
  const { clock, say, leave, killed } = await openSeat(false);
  say({ type: "listening", address: "http://a" });
  say({ type: "ready" });
  await clock.advance(2_000);
  leave();
  await clock.advance(1_100);
  expect(killed()).toBe(true);
});
