import { expect, it } from "vitest";
import { Doorkeeper } from "./doorkeeper.ts";

// Its last group was taken for a port: on nodes with IPv6 addresses every call through a gateway was refused.
it("lets in whoever names an allowed IPv6 address, and no other", () => {
  const doorkeeper = new Doorkeeper(["fd00::1", "FD00::2", "[fd00::3]"]);
  for (const host of ["[fd00::1]:7700", "[fd00::1]", "[fd00::2]:7700", "[fd00::3]:7700"]) {
    expect(() => doorkeeper.check(host, undefined), host).not.toThrow();
    expect(() => doorkeeper.check(host, `http://${host}`), host).not.toThrow();
  }
  for (const host of ["fd00:", "fd00::1", "[fd00::4]:7700", "[fd00::]:7700"]) {
    expect(() => doorkeeper.check(host, undefined), host).toThrow("does not answer to");
  }
});
