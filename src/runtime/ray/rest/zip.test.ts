import { inflateRawSync } from "node:zlib";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { toPackageName } from "./packages.ts";
import { type PackageFile, toZip } from "./zip.ts";

/** Reads an archive by its directory, as every reader does. */
function fromZip(zip: Buffer): PackageFile[] {
  const end = zip.length - 22;
  expect(zip.readUInt32LE(end)).toBe(0x06054b50);
  const files: PackageFile[] = [];
  let at = zip.readUInt32LE(end + 16);
  for (let index = 0; index < zip.readUInt16LE(end + 10); index++) {
    expect(zip.readUInt32LE(at)).toBe(0x02014b50);
    const nameLength = zip.readUInt16LE(at + 28);
    const path = zip.toString("utf8", at + 46, at + 46 + nameLength);
    const local = zip.readUInt32LE(at + 42);
    expect(zip.readUInt32LE(local)).toBe(0x04034b50);
    expect(zip.toString("utf8", local + 30, local + 30 + nameLength)).toBe(path);
    const start = local + 30 + nameLength;
    const content = inflateRawSync(zip.subarray(start, start + zip.readUInt32LE(at + 20)));
    expect(zip[at + 5]).toBe(3); // made on Unix: only then readers look at the mode
    files.push({ path, content: new Uint8Array(content), mode: (zip.readUInt32LE(at + 38) >>> 16) & 0o777 });
    at += 46 + nameLength;
  }
  expect(at).toBe(end);
  return files;
}

const part = fc.stringMatching(/^[a-zé][a-z0-9._é -]{0,8}$/);
const file = fc.record({
  path: fc.array(part, { minLength: 1, maxLength: 3 }).map((parts) => parts.join("/")),
  content: fc.uint8Array({ maxLength: 300 }),
  mode: fc.constantFrom(0o644, 0o755, 0o600),
});
const files = fc.uniqueArray(file, { selector: ({ path }) => path, maxLength: 12 });

describe("a package", () => {
  it("holds every file with its mode, whatever the names and contents", () => {
    fc.assert(
      fc.property(files, (given) => {
        const byPath = (a: PackageFile, b: PackageFile) => (a.path < b.path ? -1 : 1);
        expect(fromZip(toZip(given))).toEqual(given.toSorted(byPath));
      }),
    );
  });

  // Equal code under two names would be sent and deployed again at every start.
  it("is the same for the same files in any order, and another for every difference", () => {
    fc.assert(
      fc.property(files, file, (given, other) => {
        const reversed = given.toReversed();
        expect(toZip(reversed).equals(toZip(given))).toBe(true);
        expect(toPackageName(reversed)).toBe(toPackageName(given));
        if (given.some(({ path }) => path === other.path)) return;
        expect(toPackageName([...given, other])).not.toBe(toPackageName(given));
      }),
    );
    const one = { path: "a", content: new Uint8Array([1]) };
    expect(toPackageName([{ ...one, mode: 0o755 }])).not.toBe(toPackageName([one]));
    expect(toPackageName([one])).toMatch(/^_ray_pkg_[0-9a-f]{40}\.zip$/);
  });

  it("has no file that leaves the folder it is unpacked to, and none twice", () => {
    const content = new Uint8Array();
    for (const path of ["/etc/passwd", "../up", "a/../b", "a//b", "a\\b", ".", "", "a/"]) {
      expect(() => toZip([{ path, content }])).toThrow(`"${path}"`);
    }
    expect(() =>
      toZip([
        { path: "a", content },
        { path: "a", content },
      ]),
    ).toThrow("twice");
  });
});
