import { describe, expect, it } from "vitest";
import { decodePickle } from "./decode-pickle.ts";
import { encodePickle } from "./encode-pickle.ts";
import { RayReference, toRayReference } from "./ray-reference.ts";
import { PyCall, PyGlobal, PyTuple, type PyValue } from "./values.ts";

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString("hex");
const fromHex = (text: string) => Buffer.from(text.replaceAll(/\s/g, ""), "hex");

describe("references to what is in the cluster", () => {
  const refId = Uint8Array.from({ length: 28 }, (_, i) => i);

  // Ray's server looks a reference up only when it comes as a persistent id of exactly this class and these five fields.
  it("are written as persistent ids, wherever they are nested", () => {
    class Actor {
      [toRayReference]() {
        return new RayReference("Object", "client", refId);
      }
    }
    const stub = `8c1e${hex(Buffer.from("ray.util.client.client_pickler"))} 8c0a${hex(Buffer.from("PickleStub"))} 93 94`;
    const fields = `28 8c06${hex(Buffer.from("Object"))} 8c06${hex(Buffer.from("client"))} 431c${hex(refId)}94 4e 4e 74`;
    expect(hex(encodePickle({ a: [new Actor()] }))).toBe(
      hex(fromHex(`8004 7d94 28 8c0161 5d94 28 ${stub} ${fields} 52 51 65 75 2e`)),
    );
  });

  // The server's own form goes through copyreg; taken for an unknown object, every result with a reference would be lost.
  it("come back as what handleOf makes of them", () => {
    const reconstructed = (kind: string) =>
      encodePickle([
        new PyCall(new PyGlobal("copyreg", "_reconstructor"), [
          new PyGlobal("ray.util.client.client_pickler", "PickleStub"),
          new PyGlobal("builtins", "tuple"),
          new PyTuple([kind, "client", refId, null, null]),
        ]),
      ]);
    const asPersistentId = (bytes: Uint8Array) =>
      Buffer.concat([bytes.subarray(0, -3), Buffer.from("5194652e", "hex")]);
    const seen: RayReference[] = [];
    const decoded = decodePickle(asPersistentId(reconstructed("Actor")), {
      handleOf: (reference) => {
        seen.push(reference);
        return reference;
      },
    });
    expect(decoded).toEqual(seen);
    expect(seen).toEqual([new RayReference("Actor", "client", refId)]);
    expect(() => decodePickle(asPersistentId(reconstructed("Anything")))).toThrow("not one of Ray's references");
  });
});

describe("plain values", () => {
  it.each<PyValue>([
    null,
    true,
    0,
    -1,
    255,
    256,
    65_536,
    -(2 ** 31),
    2 ** 53 - 1,
    2n ** 64n,
    -(2n ** 63n),
    "",
    "é\ud800",
    0.5,
    -0,
    Number.NaN,
  ])("come back as they were: %s", (value) => {
    expect(decodePickle(encodePickle(value))).toEqual(value);
  });
});
