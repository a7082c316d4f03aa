import { expect, it } from "vitest";
import { resolveConfig } from "../config-schema.ts";
import { resolveHome } from "../home.ts";
import { toListening } from "./listening.ts";

const home = resolveHome({ home: "/nowhere", namespace: "test" });
const listeningOf = (file: object, environment = {}) => toListening(resolveConfig(home, file, environment, "ray"));

// `bindAddress` of the configuration did nothing on Ray, and the ports of hosts could not be told to a firewall.
it("is on the node's own address and any free port, unless the configuration says otherwise", () => {
  expect(listeningOf({})).toEqual({});
  expect(listeningOf({ bindAddress: "127.0.0.1" })).toEqual({});
  expect(listeningOf({ portRange: [20_000, 20_099] }, { SEEDCORE_BIND: "0.0.0.0" })).toEqual({
    bindAddress: "0.0.0.0",
    portRange: [20_000, 20_099],
  });
});

it("is not on an address that only one node could have, nor in a range that is none", () => {
  expect(() => listeningOf({ bindAddress: "10.0.0.7" })).toThrow("cannot be that of every node");
  expect(() => listeningOf({ portRange: [20_099, 20_000] })).toThrow("ends before it begins");
});

// Of two that listen on one port, the kernel deals out: calls reach a host that does not serve them.
it("is not in a range that holds the fixed port of a host", () => {
  expect(() => listeningOf({ portRange: [7600, 7800] })).toThrow(
    /portRange 7600 to 7800 holds 7700, the fixed port of hosts\.gateway/,
  );
  const hosts = { ml: { port: 20_099 } };
  expect(() => listeningOf({ portRange: [20_000, 20_099], hosts })).toThrow(/holds 20099, .* hosts\.ml/);
  expect(() => listeningOf({ portRange: [20_000, 20_098], hosts })).not.toThrow();
  expect(() => listeningOf({ portRange: [7600, 7800], port: 0 })).not.toThrow();
  expect(() => resolveConfig(home, { portRange: [7600, 7800] })).not.toThrow();
});
