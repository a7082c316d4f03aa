import { describe, expect, it } from "vitest";
import { checkOutgoingUrl, guardedLookup, isAllowedAddress } from "./outgoing-address.ts";

// A user-given URL must not become a way into the network the organism runs in, in whatever form it is written.
describe("addresses", () => {
  it.each([
    "10.1.2.3",
    "172.31.255.255",
    "192.168.0.1",
    "169.254.169.254",
    "100.64.0.1",
    "0.0.0.0",
    "255.255.255.255",
    "fd00::1",
    "fe80::1",
    "::",
    "::ffff:10.0.0.1",
    "::ffff:a9fe:a9fe",
    "64:ff9b::a00:1",
    "64:ff9b:1::a00:1",
    "2002:a00:1::",
    "::a00:1",
    "fec0::1",
  ])("refuses %s", (address) => {
    expect(isAllowedAddress(address)).toBe(false);
  });

  it.each(["127.0.0.1", "::1", "::ffff:127.0.0.1", "8.8.8.8", "172.32.0.1", "2001:4860:4860::8888"])(
    "allows %s",
    (address) => {
      expect(isAllowedAddress(address)).toBe(true);
    },
  );

  it("refuses literal addresses in every spelling a URL allows, unless allowed", () => {
    for (const url of [
      "http://10.0.0.1/",
      "http://0xA000001/",
      "http://167772161/",
      "http://[::ffff:10.0.0.1]:9090/",
    ]) {
      expect(() => checkOutgoingUrl(url, false)).toThrow(/private network/);
      expect(checkOutgoingUrl(url, true).protocol).toBe("http:");
    }
    expect(() => checkOutgoingUrl("file:///etc/passwd", true)).toThrow(/http/);
  });

  it("resolves the machine's own name for itself", async () => {
    const answer = await new Promise((resolve) =>
      guardedLookup("localhost", { all: true }, (error, addresses) => resolve(error ?? addresses)),
    );
    expect(Array.isArray(answer)).toBe(true);
  });
});
