/** @module-tag smoke */
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { isDeepStrictEqual } from "node:util";
import fc from "fast-check";
import { expect, inject, test } from "vitest";
import { decodePickle } from "#runtime/ray/pickle/decode-pickle.ts";
import { encodePickle } from "#runtime/ray/pickle/encode-pickle.ts";
import { PythonError } from "#runtime/ray/pickle/python-error.ts";
import { pyValue } from "#testing/python-values.ts";

const COUNT = 10_000;
const SEED = 20_261;

interface Numbered {
  readonly seed: number;
  readonly pickle: Uint8Array;
}

/** Runs pickle_objects.py, which says what its commands do. */
function python(args: readonly (string | number)[], input: readonly Numbered[] = []): Buffer {
  const script = join(import.meta.dirname, "pickle_objects.py");
  const { stdout, stderr, status } = spawnSync(inject("ray").python, [script, ...args.map(String)], {
    input: Buffer.concat(input.flatMap(toFrame)),
    maxBuffer: 2 ** 30,
  });
  if (status !== 0) throw new Error(`pickle_objects.py ended with ${status}: ${stderr.toString()}`);
  return stdout;
}

function toFrame({ seed, pickle }: Numbered): Uint8Array[] {
  return [new Uint8Array(Uint32Array.of(seed, pickle.length).buffer), pickle];
}

function fromFrames(bytes: Buffer): Numbered[] {
  const found: Numbered[] = [];
  for (let at = 0; at < bytes.length; ) {
    const begin = at + 8;
    const end = begin + bytes.readUInt32LE(at + 4);
    found.push({ seed: bytes.readUInt32LE(at), pickle: bytes.subarray(begin, end) });
    at = end;
  }
  return found;
}

// A type that changes on the way (a float that becomes an int, a tuple a list, a shared list two) is not seen until some
// Python code depends on it. By all of Python's picklers and Ray's, protocols 2 to 5.
test("what Python pickles is the same object for Python after it went through TypeScript", () => {
  const made = fromFrames(python(["make", SEED, COUNT]));
  expect(made).toHaveLength(COUNT);
  const again = made.map(({ seed, pickle }) => ({
    seed,
    pickle: encodePickle(decodePickle(pickle, { exact: true }), { writeInert: true }),
  }));
  expect(python(["check"], again).toString()).toBe(`${COUNT} of ${COUNT} are equal\n`);
});

test("what TypeScript pickles is the same value for TypeScript after it went through Python", () => {
  const values = fc.sample(pyValue, { numRuns: COUNT, seed: SEED });
  const sent = values.map((value, seed) => ({ seed, pickle: encodePickle(value) }));
  const back = fromFrames(python(["echo"], sent));
  expect(back).toHaveLength(COUNT);
  const different = back.filter(
    ({ seed, pickle }) => !isDeepStrictEqual(decodePickle(pickle, { exact: true }), values[seed]),
  );
  expect(different.map(({ seed }) => values[seed])).toEqual([]);
});

// Ray sends what a task raised as a value: unrecognised, a failure would look like a result.
test("what a task raises arrives as an error with its cause and Python's traceback", () => {
  const errors = fromFrames(python(["raised"])).map(({ pickle }) => decodePickle(pickle));
  const shown = errors.map((error) => {
    if (!(error instanceof PythonError)) return error;
    const { type, message, cause, traceback } = error;
    return [type, message, cause?.type, cause?.message, traceback?.split("\n")[0]];
  });
  expect(shown).toMatchInlineSnapshot(`
    [
      [
        "ray.exceptions.RayTaskError",
        "ValueError: bad",
        "builtins.ValueError",
        "bad",
        "ray::work()",
      ],
      [
        "ray.exceptions.RayTaskError(ValueError)",
        "ValueError: bad",
        "builtins.ValueError",
        "bad",
        undefined,
      ],
      [
        "ray.exceptions.RayTaskError",
        "__main__.LocalError: ('local', 7)",
        "__main__.LocalError",
        "('local', 7)",
        "ray::work()",
      ],
      [
        "ray.exceptions.RayTaskError(LocalError)",
        "__main__.LocalError: ('local', 7)",
        "__main__.LocalError",
        "('local', 7)",
        undefined,
      ],
      [
        "ray.exceptions.RayTaskError",
        "pickle_shapes.JobError: ('job', 3)",
        "pickle_shapes.JobError",
        "('job', 3)",
        "ray::work()",
      ],
      [
        "ray.exceptions.RayTaskError(JobError)",
        "pickle_shapes.JobError: ('job', 3)",
        "pickle_shapes.JobError",
        "('job', 3)",
        undefined,
      ],
      [
        "ray.exceptions.RayTaskError",
        "KeyError: 'k'",
        "builtins.KeyError",
        "'k'",
        "ray::work()",
      ],
      [
        "ray.exceptions.RayTaskError(KeyError)",
        "KeyError: 'k'",
        "builtins.KeyError",
        "'k'",
        undefined,
      ],
      [
        "ray.exceptions.RayTaskError",
        "FileNotFoundError: [Errno 2] no file: 'x'",
        "builtins.FileNotFoundError",
        "[Errno 2] no file: 'x'",
        "ray::work()",
      ],
      [
        "ray.exceptions.RayTaskError(FileNotFoundError)",
        "FileNotFoundError: [Errno 2] no file: 'x'",
        "builtins.FileNotFoundError",
        "[Errno 2] no file: 'x'",
        undefined,
      ],
      [
        "builtins.SyntaxError",
        "invalid syntax (<ts:f>, line 3)",
        undefined,
        undefined,
        undefined,
      ],
    ]
  `);
});
