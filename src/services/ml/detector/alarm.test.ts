import { describe, expect, it } from "vitest";
import { seededRandom } from "#core/random.ts";
import { type AlarmOptions, type Crossing, createAlarm, restoreAlarm } from "./alarm.ts";
import { createDetector } from "./detector.ts";

const SECOND = 1_000;
const START = Date.UTC(2026, 10, 23, 15);

function gaussian(seed: number): () => number {
  const random = seededRandom(seed);
  return () => Math.sqrt(-2 * Math.log(1 - random.next())) * Math.cos(2 * Math.PI * random.next());
}

/** Crossings, and how they ended, of a whole series at one point a second, or a little less. */
function run(points: number, value: (i: number) => number, options: AlarmOptions = {}, stepMs = SECOND) {
  const detector = createDetector();
  const alarm = createAlarm(options);
  const crossings: Crossing[] = [];
  const clearedAt: number[] = [];
  for (let i = 0; i < points; i++) {
    const next = value(i);
    const time = START + Math.round(i * stepMs);
    const { crossing, cleared } = alarm.update(detector.update(next, time), next, time);
    if (crossing) crossings.push(crossing);
    if (cleared) clearedAt.push((cleared.clearedAtMs - START) / SECOND);
  }
  return { crossings, at: crossings.map(({ startedAtMs }) => Math.round((startedAtMs - START) / stepMs)), clearedAt };
}

const LEAK = { minimumChange: 24, accumulates: true };

describe("a leak", () => {
  const START_AT = 600;
  /** Megabytes of a process that warms up, is restarted once and is smaller then, and leaks from `START_AT` on. */
  const memory = (perS: number, from = START_AT) => {
    const noise = gaussian(3);
    return (i: number) =>
      (i < 200 ? 100 + 0.35 * i : i < 400 ? 170 : 140) + 0.5 * noise() + Math.max(0, i - from) * perS;
  };

  // Its own points taught the tails, and a restart had taught them more: gigabytes were no crossing.
  it.each([
    [20, 20],
    [5, 40],
    [1, 80],
    [0.3, 220],
  ])("of %f MB a second crosses within %i s", (perS, withinS) => {
    const { at, crossings } = run(START_AT + withinS + 1, memory(perS), LEAK);
    expect(at).toHaveLength(1);
    expect(at[0]).toBeGreaterThan(START_AT);
    // What was routine is what was before the leak, or nobody could say when it is over.
    expect(crossings[0]?.expected).toBeLessThan(175);
  });

  it("crosses again after it was mended", () => {
    const leak = memory(10);
    const { at } = run(1_500, (i) => (i < 700 ? leak(i) : i < 1_200 ? leak(500) : leak(i - 500)), LEAK);
    expect(at).toHaveLength(2);
    expect(at[1]).toBeLessThan(1_340);
  });

  it.each([
    ["that stays below the change that matters", (i: number) => Math.min(20, Math.max(0, i - START_AT))],
    ["that is over in ten points", (i: number) => (i >= START_AT && i < START_AT + 10 ? 60 : 0)],
    ["of minutes for what matters", (i: number) => Math.max(0, i - START_AT) * 0.02],
  ])("%s does not cross", (_what, extra) => {
    const usual = memory(0);
    expect(run(2_400, (i) => usual(i) + extra(i), LEAK).at).toEqual([]);
  });
});

describe("what must cross", () => {
  it.each([300, 500, 3_600, 90_000])("an unmistakable point after %i normal ones, at that very point", (before) => {
    const noise = gaussian(7);
    const { at, crossings } = run(before + 1, (i) => (i === before ? 93 : 20 + 3 * noise()));
    expect(at).toEqual([before]);
    expect(crossings[0]).toMatchObject({ value: 93, direction: "up" });
    expect(crossings[0]?.expected).toBeCloseTo(20, -1);
    expect(crossings[0]?.spread).toBeGreaterThan(2);
    expect(crossings[0]?.spread).toBeLessThan(4);
  });

  it("a constant that drops to nothing", () => {
    const { at, crossings } = run(601, (i) => (i === 600 ? 0 : 8));
    expect(at).toEqual([600]);
    expect(crossings[0]).toMatchObject({ direction: "down", expected: 8, spread: 0 });
  });

  it("a load that lasts, on a machine with short bursts", () => {
    const random = seededRandom(5);
    const noise = gaussian(5);
    let burst = 0;
    const idle = () => {
      burst = burst > 0 ? burst - 1 : random.next() < 1 / 1_800 ? Math.floor(3 + 20 * random.next()) : 0;
      return Math.max(0, 0.01 + 0.005 * noise() + (burst > 0 ? 0.1 + 0.1 * random.next() : 0));
    };
    const { at } = run(20_060, (i) => (i < 20_000 ? idle() : 0.95 + 0.03 * random.next()), { minimumChange: 0.2 });
    expect(at).toHaveLength(1);
    expect(at[0]).toBeGreaterThanOrEqual(20_000);
    expect(at[0]).toBeLessThan(20_015);
  });
});

// The piece that was left of its first second made errors at a third of all calls look usual, and they went on unnoticed.
describe("a fault that begins within a second", () => {
  it.each([0.6, 1, 2, 3, 4])("is noticed at once after a first second with %d errors", (piece) => {
    // As it was in the shop: after four minutes without any.
    const errors = [piece, 8.02, 12, 9.98, 6.01, 9, 7, 13.98, 11.99, 8.02, 9, 9.01, 7, 8.01, 11];
    const before = 242;
    const { at } = run(before + errors.length, (i) => errors[i - before] ?? 0, { minimumChange: 0.5 });
    expect(at[0]).toBeGreaterThanOrEqual(before);
    expect(at[0]).toBeLessThanOrEqual(before + 2);
  });

  // What had begun to be learned by then must not have made it a habit.
  it("is noticed again when it comes back", () => {
    const errors = (i: number) => (i % 300 === 250 ? 1 : i % 300 > 250 && i % 300 < 280 ? 6 + ((i * 7) % 9) : 0);
    const { at } = run(1_200, errors, { minimumChange: 0.5 });
    expect(at.map((i) => Math.floor(i / 300))).toEqual([0, 1, 2, 3]);
  });
});

// A fault that comes back is worth as much as the first time; the way back to normal is not.
describe("what comes again", () => {
  const times = [600, 780, 960, 1_140];
  const isFault = (i: number) => times.some((from) => i >= from && i < from + 60);

  it.each([
    ["a latency", 20, { minimumChange: 5 }, (noise: () => number, i: number) => 20 + noise() + (isFault(i) ? 120 : 0)],
    [
      "errors where there were none",
      0,
      { minimumChange: 0.5 },
      (noise: () => number, i: number) => (isFault(i) ? 20 + noise() : 0),
    ],
    [
      "a leak",
      80,
      { minimumChange: 10 },
      (noise: () => number, i: number) => {
        const from = times.findLast((time) => i >= time && i < time + 60);
        return 80 + 0.5 * noise() + (from === undefined ? 0 : 20 * (i - from));
      },
    ],
  ])("%s is noticed each time, and no return", (_name, _level, options, value) => {
    const noise = gaussian(11);
    const { at } = run(1_400, (i) => value(noise, i), options);
    expect(at).toHaveLength(times.length);
    for (const [i, time] of times.entries()) {
      expect(at[i]).toBeGreaterThanOrEqual(time);
      expect(at[i]).toBeLessThan(time + 12);
    }
  });
});

// What crossed and is not learned from crosses for ever: a service that errs once in a quarter of an hour would never be quiet.
it("learns blips: of a day with eighty lone errors hardly any is noticed", () => {
  const random = seededRandom(2);
  const { at } = run(86_400, () => (random.next() < 1e-3 ? Math.ceil(5 * random.next()) : 0), { minimumChange: 1 });
  expect(at.length).toBeLessThanOrEqual(4);
});

// The organism mends what it has seen before within seconds: that taught the alarm that such seconds are usual.
it.each([
  [3, SECOND],
  [2, SECOND],
  // Of a clock that is slow by a little: thirty intervals are then more than half a minute.
  [3, 1_000.4],
])("does not learn a fault that was mended at once: five times %i errors are noticed five times", (points, stepMs) => {
  const random = seededRandom(8);
  const errors = (i: number) => (i >= 400 && i % 200 < points ? 10 + 5 * random.next() : 0);
  const { at } = run(1_400, errors, { minimumChange: 0.5 }, stepMs);
  expect(at).toEqual([400, 600, 800, 1_000, 1_200]);
});

// What a blip has taught of a point says nothing about a minute.
it("notices what lasts, after blips that went as far", () => {
  const blips = new Set([300, 420, 540, 700]);
  const { at } = run(900, (i) => (blips.has(i) ? 11 : i >= 800 ? 8 + (i % 3) : 0), { minimumChange: 0.5 });
  expect(at.filter((i) => i < 800)).toEqual([300]);
  expect(at.some((i) => i >= 800 && i < 820)).toBe(true);
});

// Of a service whose first calls had been as slow nothing was noticed when all of its calls were.
describe("where its first points went", () => {
  const noise = gaussian(19);
  const latency = (first: readonly number[]) => (i: number) =>
    i < first.length ? (first[i] as number) : 5 + Math.abs(noise()) + (i >= 400 && i < 460 ? 198 : 0);

  it.each([
    ["for a point", [210, 6, 5, 240, 7, 5, 6]],
    ["for two points in a row", [210, 230, 6, 5, 7, 190, 205, 6]],
    ["for six", Array.from({ length: 6 }, (_, i) => 230 - 2 * i)],
  ])("%s, what stays there is noticed", (_how, first) => {
    const { at } = run(700, latency(first), { minimumChange: 20 });
    expect(at).toHaveLength(1);
    expect(at[0]).toBeGreaterThanOrEqual(400);
    expect(at[0]).toBeLessThan(400 + 17);
  });

  it("also for a minute, since a start is no habit; where it stayed for one after that is one of its ways", () => {
    const start = latency(Array.from({ length: 60 }, () => 210));
    expect(run(700, start, { minimumChange: 20 }).at).toEqual([expect.closeTo(407, -1)]);
    const later = latency(Array.from({ length: 160 }, (_, i) => (i < 100 ? 5 + (i % 2) : 210)));
    expect(run(700, later, { minimumChange: 20 }).at).toEqual([]);
  });
});

// Averages of all points until then: minutes later the spread was still that of the start, and no fault was far out.
it.each([420, 800, 1_800])("notices a fault at %i s after a first minute on a busy machine", (faultAt) => {
  for (let seed = 1; seed <= 20; seed++) {
    const noise = gaussian(seed);
    const latency = (i: number) =>
      22 + 1.5 * noise() + (i < 60 ? 60 * Math.exp(0.7 * noise()) : 0) + (i >= faultAt ? 64 : 0);
    const { at } = run(faultAt + 20, latency, { minimumChange: 5 });
    expect(at).toHaveLength(1);
    expect(at[0]).toBeGreaterThanOrEqual(faultAt);
  }
});

// Fifteen points that all had to be far out never came together where each is the mean of a few calls.
it("notices that a service with five calls a second takes five times as long, nearly always", () => {
  const FAULT_AT = 1_800;
  const noticedAfter = Array.from({ length: 30 }, (_, seed) => {
    const random = seededRandom(seed);
    const exponential = () => -Math.log(1 - random.next());
    const latency = (i: number) => {
      const calls = Array.from({ length: 5 }, () => (i < FAULT_AT ? 10 : 50) * exponential());
      return calls.reduce((sum, call) => sum + call, 0) / calls.length;
    };
    const { at } = run(FAULT_AT + 60, latency, { minimumChange: 20 });
    return (at[0] ?? Infinity) - FAULT_AT;
  });
  expect(Math.min(...noticedAfter)).toBeGreaterThanOrEqual(0);
  expect(noticedAfter.filter((points) => points < 20).length).toBeGreaterThan(22);
});

describe("what must not", () => {
  const series: Record<string, (seed: number) => (i: number) => number> = {
    "white noise": (seed) => {
      const noise = gaussian(seed);
      return () => 20 + 3 * noise();
    },
    "slow noise": (seed) => {
      const noise = gaussian(seed);
      let level = 0;
      return () => 50 + (level = 0.99 * level + noise());
    },
    "log-normal latency": (seed) => {
      const noise = gaussian(seed);
      return () => Math.exp(3 + 0.5 * noise());
    },
    "a rounded load average": (seed) => {
      const random = seededRandom(seed);
      let load = 0;
      return () => Math.round(100 * (load += ((random.next() < 0.02 ? 2 : 0) - load) / 60)) / 100;
    },
    "nothing at all": () => () => 0,
  };
  it.each(Object.entries(series))("%s, three days of it", (_, make) => {
    for (const seed of [1, 2]) expect(run(3 * 86_400, make(seed)).at).toEqual([]);
  });

  it("a few requests in an hour, with a change that matters given", () => {
    for (let seed = 1; seed <= 5; seed++) {
      const random = seededRandom(seed);
      const requests = () => (random.next() < 1e-3 ? Math.ceil(5 * random.next()) : 0);
      expect(run(86_400, requests, { minimumChange: 10 }).at).toEqual([]);
    }
  });

  it("less than the change that matters", () => {
    const noise = gaussian(7);
    const value = (i: number) => (i === 500 ? 0.15 : 0.01 + 0.001 * noise());
    expect(run(501, value).at).toEqual([500]);
    expect(run(501, value, { minimumChange: 0.2 }).at).toEqual([]);
  });

  it("the way back", () => {
    const noise = gaussian(3);
    const { at } = run(6_000, (i) => (i >= 1_000 && i < 4_000 ? 200 : 20) + 3 * noise());
    expect(at).toEqual([1_000]);
  });
});

describe("a crossing", () => {
  it("is over after calm, or when the new level has become the level", () => {
    const noise = gaussian(9);
    expect(run(800, (i) => (i >= 500 && i < 510 ? 93 : 20) + 3 * noise()).clearedAt).toEqual([539]);
    const stays = run(20_000, (i) => (i >= 500 ? 93 : 20) + 3 * noise());
    expect(stays.at).toEqual([500]);
    expect(stays.clearedAt).toHaveLength(1);
  });

  it("keeps its highest score", () => {
    const alarm = createAlarm();
    const noise = gaussian(2);
    for (let i = 0; i < 400; i++) alarm.update(0, 20 + noise(), START + i * SECOND);
    expect(alarm.update(0.5, 90, START + 400 * SECOND).crossing).toMatchObject({ peakScore: 0.5 });
    alarm.update(0.8, 190, START + 401 * SECOND);
    expect(alarm.current()).toMatchObject({ peakScore: 0.8, value: 90 });
  });
});

describe("saved and restored", () => {
  it.each([{}, { minimumChange: 10, accumulates: true }])(
    "continues as if nothing had been, also within a crossing: %o",
    (options) => {
      const noise = gaussian(11);
      const values = Array.from(
        { length: 1_200 },
        (_, i) => (i > 500 && i < 700 ? 90 : 20 + Math.max(0, i - 800)) + 3 * noise(),
      );
      const detector = createDetector();
      const scores = values.map((value, i) => detector.update(value, START + i * SECOND));
      for (const cut of [0, 1, 250, 502, 560, 720, 822, 1_100]) {
        const one = createAlarm(options);
        const step = (alarm: typeof one, i: number) =>
          alarm.update(scores[i] as number, values[i] as number, START + i * SECOND);
        for (let i = 0; i < cut; i++) step(one, i);
        const other = restoreAlarm(one.save(), options);
        for (let i = cut; i < values.length; i++) expect(step(other, i)).toEqual(step(one, i));
        expect(other.save()).toEqual(one.save());
      }
    },
  );

  it("refuses foreign bytes and impossible options", () => {
    expect(() => restoreAlarm(Uint8Array.of(7))).toThrow("alarm state starts with version 7");
    expect(() => restoreAlarm(createAlarm().save().subarray(0, 50))).toThrow("alarm state ends after 50 bytes");
    expect(() => createAlarm({ falseAlarmEveryMs: 0 })).toThrow("falseAlarmEveryMs is 0; it must be above 0");
    expect(() => createAlarm({ minimumChange: -1 })).toThrow("minimumChange is -1; it must be 0 or more");
  });
});

// What a checkpoint of an older version does not have begins empty, and all else goes on.
describe.each([
  [1, 30],
  [2, 27],
  [3, 20],
  [4, 19],
  [5, 3],
])("from the state of version %i", (version, numbers) => {
  const OPTIONS = { minimumChange: 24 };
  const noise = gaussian(4);
  const alarm = createAlarm(OPTIONS);
  for (let i = 0; i < 400; i++) alarm.update(0, 500 + noise(), START + i * SECOND);
  const bytes = alarm.save();
  const after = 3 * 8 + 1;
  const older = new Uint8Array([
    version,
    ...bytes.slice(1, bytes.length - after - numbers * 8),
    ...bytes.slice(bytes.length - after),
  ]);
  // Before version 6 the newest changes were kept, not the newest values.
  new Float64Array(15).forEach((_, i) => new DataView(older.buffer).setFloat64(1 + 5 * 8 + i * 8, noise(), true));

  it("it goes on", () => {
    const next = [0.9, 593, START + 400 * SECOND] as const;
    expect(restoreAlarm(older, OPTIONS).update(...next)).toEqual(restoreAlarm(bytes, OPTIONS).update(...next));
  });

  it("what was usual is, and what lasts is noticed", () => {
    const restored = restoreAlarm(older, OPTIONS);
    const crossedAt = Array.from({ length: 400 }, (_, i) => i).find(
      (i) => restored.update(0, (i < 350 ? 500 : 600) + noise(), START + (400 + i) * SECOND).crossing !== undefined,
    );
    expect(crossedAt).toBeGreaterThanOrEqual(350);
    expect(crossedAt).toBeLessThan(366);
  });
});
