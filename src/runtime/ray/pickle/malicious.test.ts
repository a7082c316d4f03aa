import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { pyValue } from "#testing/python-values.ts";
import { decodePickle } from "./decode-pickle.ts";
import { encodePickle } from "./encode-pickle.ts";
import { InertGlobal, InertObject } from "./inert.ts";
import { MALICIOUS_PICKLES } from "./malicious.ts";
import { NumpyArray, NumpyScalar } from "./numpy.ts";
import { PickleError } from "./pickle-error.ts";
import { PythonError } from "./python-error.ts";
import { RayReference } from "./ray-reference.ts";
import { PyDate, PyDateTime, PyTime, PyTimeDelta, PyTimeZone } from "./times.ts";
import { PyByteArray, PyComplex, PyDecimal, PyFloat, PyFrozenSet, PyRange, PyTuple, PyUuid } from "./values.ts";

const DATA = new Set<unknown>([
  ...[Object, Array, Map, Set, Uint8Array].map(({ prototype }) => prototype),
  ...[PyFloat, PyByteArray, PyTuple, PyFrozenSet, PyComplex, PyRange, PyDecimal, PyUuid].map(
    ({ prototype }) => prototype,
  ),
  ...[PyDateTime, PyDate, PyTime, PyTimeDelta, PyTimeZone, NumpyArray, NumpyScalar].map(({ prototype }) => prototype),
  ...[InertGlobal, InertObject, PythonError, RayReference].map(({ prototype }) => prototype),
]);

/** Every object in a value, down to its own properties; fails at one that is not of the known kinds. */
function expectOnlyData(value: unknown, seen = new Set<unknown>()): void {
  if (typeof value === "function") throw new Error("A function came out of a pickle.");
  if (typeof value !== "object" || value === null || seen.has(value)) return;
  seen.add(value);
  if (ArrayBuffer.isView(value)) return;
  if (!DATA.has(Object.getPrototypeOf(value))) throw new Error(`A ${value.constructor.name} came out of a pickle.`);
  const parts = value instanceof Map ? [...value].flat() : value instanceof Set ? [...value] : Object.values(value);
  for (const part of parts) expectOnlyData(part, seen);
}

/** What decoding does: data, or the one kind of error. Anything else that is thrown fails the test. */
function outcomeOf(bytes: Uint8Array): "refused" | "inert" {
  try {
    expectOnlyData(decodePickle(bytes));
    return "inert";
  } catch (error) {
    if (error instanceof PickleError) return "refused";
    throw error;
  }
}

describe("malicious pickles", () => {
  it("are many", () => {
    expect(MALICIOUS_PICKLES.length).toBeGreaterThanOrEqual(30);
    expect(new Set(MALICIOUS_PICKLES.map(({ name }) => name)).size).toBe(MALICIOUS_PICKLES.length);
  });

  // Ray's head is as trusted as its least careful task: whatever a result contains must stay data here.
  it.each(MALICIOUS_PICKLES)("$name: $outcome", ({ bytes, outcome }) => {
    expect(outcomeOf(bytes)).toBe(outcome);
    expect(Object.hasOwn(Object.prototype, "polluted")).toBe(false);
    expect(({} as Record<string, unknown>)["polluted"]).toBeUndefined();
  });

  // A copy by assignment, as many libraries make it, would else set the prototype of the copy.
  it("give no object with a key that copying turns into a prototype", () => {
    const bytes = encodePickle(new Map([["__proto__", { polluted: true }]]));
    expect(decodePickle(bytes)).toEqual(new Map([["__proto__", { polluted: true }]]));
  });

  it("say what they wanted", () => {
    const [system] = MALICIOUS_PICKLES;
    const wanted = decodePickle(system?.bytes ?? new Uint8Array());
    expect(wanted).toMatchObject({ module: "os", name: "system", args: ["touch /tmp/owned"], how: "call" });
    expect(() => encodePickle(wanted)).toThrow("read as inert data");
  });
});

describe("limits", () => {
  const bytes = encodePickle([[["text"]], 2n ** 80n]);

  it.each([
    ["maxInputBytes", bytes.length],
    ["maxOperations", 15],
    ["maxMemoEntries", 3],
    ["maxDepth", 3],
    ["maxIntegerBytes", 11],
    ["maxExpandedBytes", 5 * 16 + 4],
  ] as const)("%s holds to the unit", (limit, exactly) => {
    expect(decodePickle(bytes, { limits: { [limit]: exactly } })).toEqual([[["text"]], 2n ** 80n]);
    expect(() => decodePickle(bytes, { limits: { [limit]: exactly - 1 } })).toThrow(
      expect.objectContaining({ name: "PickleError", fault: "limit" }),
    );
  });
});

describe("a fuzzer", () => {
  // Each run is bounded by what it reads, so that a hang would be a test that never ends.
  const limits = { maxOperations: 100_000, maxExpandedBytes: 10_000_000 };
  const decodes = (bytes: Uint8Array): boolean => {
    try {
      expectOnlyData(decodePickle(bytes, { limits }));
    } catch (error) {
      expect(error).toBeInstanceOf(PickleError);
    }
    return true;
  };

  it("finds nothing in random bytes", () => {
    const bytes = fc.uint8Array({ maxLength: 200 }).map((tail) => Uint8Array.of(0x80, 4, ...tail));
    fc.assert(fc.property(bytes, decodes), { numRuns: 5_000 });
  });

  // Random bytes rarely get past the third opcode; a good pickle with a few bytes changed goes deep.
  it("finds nothing in good pickles and malicious ones with bytes changed, left out, doubled", () => {
    const hostile = fc.constantFrom(
      ...MALICIOUS_PICKLES.map(({ bytes }) => bytes).filter(({ length }) => length < 2_000),
    );
    const change = fc.tuple(fc.nat(), fc.nat(255), fc.constantFrom("set", "drop", "double", "cut"));
    const mutated = fc
      .tuple(
        fc.oneof(
          pyValue.map((value) => encodePickle(value)),
          hostile,
        ),
        fc.array(change, { minLength: 1, maxLength: 4 }),
      )
      .map(([bytes, changes]) => changes.reduce(mutate, bytes));
    fc.assert(fc.property(mutated, decodes), { numRuns: 1_500 });
  });

  // An opcode that is legal where it stands leads further than one that is merely random.
  it("finds nothing in random programs of real opcodes", () => {
    const part = fc.constantFrom(
      ..."N\x88\x89]}\x8f)(aestu\x90\x91\x85\x86\x87012R\x81\x92b\x93\x94Q".split(""),
      "K\x07",
      "h\0",
      "h\x01",
      "h\x02",
      "q\0",
      "G?\xf8\0\0\0\0\0\0",
      "C\x02ab",
      "\x8c\x01x",
      "\x8a\x01\xff",
      "}\x8c\x05causeh\x01sb",
      "ca\nb\n",
      "cuuid\nUUID\n",
      "cbuiltins\nset\n",
      "cbuiltins\nValueError\n",
      "cdatetime\ndate\n",
      "cdecimal\nDecimal\n",
      "cray.exceptions\nRayTaskError\n",
      "cnumpy\ndtype\n",
      "cnumpy._core.multiarray\nscalar\n",
    );
    const program = fc
      .array(part, { maxLength: 60 })
      .map((parts) => Buffer.from(`\x80\x04${parts.join("")}.`, "latin1"));
    fc.assert(fc.property(program, decodes), { numRuns: 10_000 });
  });
});

function mutate(bytes: Uint8Array, [where, what, how]: [number, number, string]): Uint8Array {
  const at = 2 + (where % Math.max(1, bytes.length - 2));
  if (how === "set") return Uint8Array.from(bytes, (byte, index) => (index === at ? what : byte));
  if (how === "drop") return Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + 1)]);
  if (how === "double") return Buffer.concat([bytes.subarray(0, at), bytes.subarray(at - (what % at))]);
  return bytes.subarray(0, at);
}
