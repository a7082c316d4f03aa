/** Reading and writing Python's pickles: speed on plain data, beside JSON, and the cost of each malicious pickle. */
import { decodePickle } from "#runtime/ray/pickle/decode-pickle.ts";
import { encodePickle } from "#runtime/ray/pickle/encode-pickle.ts";
import { MALICIOUS_PICKLES } from "#runtime/ray/pickle/malicious.ts";
import { NumpyArray } from "#runtime/ray/pickle/numpy.ts";
import type { PyValue } from "#runtime/ray/pickle/values.ts";

const rows = Array.from({ length: 10_000 }, (_, id) => ({ id, name: `row ${id}`, value: id / 7, tags: ["a", "b"] }));
const json = JSON.stringify(rows);

console.log("median of 15 runs              write ms   read ms   KiB");
report(
  "10,000 rows as JSON",
  () => JSON.stringify(rows),
  () => JSON.parse(json),
  json.length,
);
reportPickle("10,000 rows as pickle", rows);
reportPickle(
  "1,000,000 float64 of numpy",
  new NumpyArray("float64", [1_000_000], new Float64Array(1_000_000).fill(0.5)),
);
reportPickle("100 bytes", { body: new Uint8Array(100) });

const costs = MALICIOUS_PICKLES.map(({ name, bytes }) => ({ name, ms: medianMs(() => attempt(bytes)) }));
const [slowest] = costs.toSorted((a, b) => b.ms - a.ms);
console.log(`\n${costs.length} malicious pickles: ${costs.filter(({ ms }) => ms < 1).length} take less than 1 ms;`);
console.log(`slowest "${slowest?.name}" ${slowest?.ms.toFixed(3)} ms`);

function attempt(bytes: Uint8Array): unknown {
  try {
    return decodePickle(bytes);
  } catch (error) {
    return error;
  }
}

function reportPickle(name: string, value: PyValue): void {
  const bytes = encodePickle(value);
  report(
    name,
    () => encodePickle(value),
    () => decodePickle(bytes),
    bytes.length,
  );
}

function report(name: string, write: () => unknown, read: () => unknown, sizeBytes: number): void {
  const columns = [medianMs(write).toFixed(3).padStart(9), medianMs(read).toFixed(3).padStart(9)];
  console.log(`${name.padEnd(30)} ${columns.join(" ")} ${(sizeBytes / 1024).toFixed(1).padStart(7)}`);
}

function medianMs(run: () => unknown): number {
  const times = Array.from({ length: 15 }, () => {
    const began = performance.now();
    run();
    return performance.now() - began;
  });
  return times.toSorted((a, b) => a - b)[7] ?? Number.NaN;
}
