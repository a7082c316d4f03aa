import { beforeEach, describe, expect, it } from "vitest";
import { createFakeClock, type FakeClock } from "#testing/fake-clock.ts";
import { createFakeServe, type FakeServe } from "#testing/fake-serve.ts";
import { changeServeApplications, type ServeChange } from "./serve-applications.ts";
import type { ApplicationConfig } from "./serve-details.ts";
import { createRayRest, type RayRest } from "./transport.ts";

let serve: FakeServe;
let clock: FakeClock;
let rest: RayRest;
let held = 0;

beforeEach(() => {
  serve = createFakeServe();
  clock = createFakeClock();
  rest = createRayRest({ url: "http://head:8265", token: () => undefined, clock, exchange: serve.exchange });
  held = 0;
});

const app = (name: string, replicas = 1, more: object = {}): ApplicationConfig => ({
  name,
  import_path: "m:app",
  deployments: [{ name: "d", num_replicas: replicas }],
  external_scaler_enabled: true,
  ...more,
});

/** Time passes while a retry waits. */
async function change(wanted: ServeChange): Promise<unknown> {
  const lock = async <T>(task: () => Promise<T>): Promise<T> => {
    held++;
    return task();
  };
  const isOurs = (name: string) => name.startsWith("ours.");
  const result = changeServeApplications({ rest, clock, isOurs, lock }, wanted).then(
    () => undefined,
    (error: unknown) => error,
  );
  for (let step = 0; step < 12; step++) await clock.advance(1_000);
  return result;
}

/** Somebody else's PUT, whole list and all. */
function otherWriter(...configs: ApplicationConfig[]): Promise<unknown> {
  const body = JSON.stringify({ applications: configs });
  return serve.exchange({ method: "PUT", path: "", headers: {}, body }, new AbortController().signal);
}

const target = (application: string, deployment = "d") =>
  serve.applications.get(application)?.deployments[deployment]?.target_num_replicas;

describe("changing our applications", () => {
  it("adds, replaces and removes ours beside those of others, under the lock", async () => {
    await otherWriter(app("llm", 2, { some_newer_field: { a: 1 } }), app("ours.old"));
    expect(
      await change((present) => [...present.filter(({ name }) => name !== "ours.old"), app("ours.new")]),
    ).toBeUndefined();
    expect([...serve.applications.keys()]).toEqual(["llm", "ours.new"]);
    expect(serve.applications.get("llm")?.deployed_app_config).toMatchObject({ some_newer_field: { a: 1 } });
    expect(held).toBe(1);
  });

  // A PUT resets an externally scaled application to the count in its configuration: every deploy would undo the autoscaler.
  it("keeps the replica counts an external scaler has set, listed or not, zero too", async () => {
    await otherWriter(
      app("llm", 1),
      app("zero", 1),
      app("ours.a", 1),
      app("plain", 2, { external_scaler_enabled: false }),
    );
    const unlisted = app("unlisted");
    delete unlisted.deployments;
    serve.applications.set("unlisted", {
      name: "unlisted",
      source: "declarative",
      status: "RUNNING",
      route_prefix: null,
      deployed_app_config: unlisted,
      external_scaler_enabled: true,
      deployments: { d: { name: "d", status: "HEALTHY", target_num_replicas: 7 } },
    });
    for (const [name, replicas] of [
      ["llm", 5],
      ["zero", 0],
      ["ours.a", 3],
    ] as const) {
      const deployment = serve.applications.get(name)?.deployments["d"];
      if (deployment !== undefined) deployment.target_num_replicas = replicas;
    }

    expect(await change((present) => [...present, app("ours.b")])).toBeUndefined();
    expect(["llm", "zero", "ours.a", "plain", "unlisted"].map((name) => target(name))).toEqual([5, 0, 3, 2, 7]);
    // Listing it would restart its replicas.
    expect(serve.applications.get("unlisted")?.deployed_app_config).not.toHaveProperty("deployments");
  });

  it("never lists what serve.run has made, and refuses its name and its route", async () => {
    await otherWriter(app("x"));
    const imperative = serve.applications.get("x");
    if (imperative === undefined) throw new Error("gone");
    Object.assign(imperative, { source: "imperative", deployed_app_config: null, route_prefix: "/x" });
    serve.puts.length = 0;

    expect(await change(() => [app("ours.a")])).toBeUndefined();
    expect(serve.puts).toMatchObject([{ applications: [{ name: "ours.a" }] }]);
    expect(serve.applications.get("x")).toBe(imperative);

    expect(await change(() => [app("x")])).toMatchObject({ code: "CONFLICT", started: "no" });
    expect(await change(() => [app("ours.a", 1, { route_prefix: "/x" })])).toMatchObject({ code: "CONFLICT" });
    expect(serve.puts).toHaveLength(1);
  });

  it("puts back how Serve itself runs, so that it does not change or complain", async () => {
    await change(() => [app("ours.a")]);
    expect(serve.puts[0]).toMatchObject({
      proxy_location: "HeadOnly",
      http_options: { host: "127.0.0.1", port: 8123 },
    });
  });

  // A head answers as if there were no applications; only the list of actors tells this from a controller out of sight.
  it.each(["none", "DEAD"] as const)("starts Serve where its controller is %s", async (controller) => {
    serve.controller = controller;
    expect(await change(() => [app("ours.a")])).toBeUndefined();
    expect(serve.puts).toMatchObject([{ applications: [{ name: "ours.a" }] }]);
    expect(serve.controller).toBe("ALIVE");
  });

  // Deploying the same twice would restart nothing but still disturb every application of the cluster.
  it("does not write what is so already", async () => {
    await otherWriter(app("llm"), app("ours.a"));
    serve.puts.length = 0;
    expect(await change((present) => present)).toBeUndefined();
    expect(serve.puts).toEqual([]);
  });

  it("does not bring back to life what is being deleted", async () => {
    await otherWriter(app("llm"), app("ours.a"));
    const dying = serve.applications.get("llm");
    if (dying !== undefined) dying.status = "DELETING";
    await change((present) => [...present, app("ours.b")]);
    expect(serve.puts.at(-1)).toMatchObject({ applications: [{ name: "ours.a" }, { name: "ours.b" }] });
  });
});

describe("another writer", () => {
  it("who undoes our change in between is seen, and the change made again on what is there then", async () => {
    let times = 0;
    serve.afterPut = () => {
      if (times++ === 0) void otherWriter(app("theirs"));
    };
    expect(await change((present) => [...present, app("ours.a")])).toBeUndefined();
    expect([...serve.applications.keys()].toSorted()).toEqual(["ours.a", "theirs"]);
  });

  it("who never stops is told about, with what became of our change", async () => {
    let writing = false;
    serve.afterPut = () => {
      if (writing) return;
      writing = true;
      void otherWriter(app("theirs"));
      writing = false;
    };
    const error = await change(() => [app("ours.a")]);
    expect(error).toMatchObject({ code: "CONFLICT", started: "yes" });
    expect(String(error)).toContain('"ours.a" was gone');
  });
});

// Ray answers so for a time-out of its own, too. Taken for the truth, it made us put a list without everybody else's
// applications, which deletes them.
it("an answer as if Serve did not run is not believed while its controller does", async () => {
  await otherWriter(app("llm"));
  serve.isOutOfSight = true;
  serve.puts.length = 0;
  expect(await change(() => [app("ours.a")])).toMatchObject({ code: "UNAVAILABLE" });
  expect(serve.puts).toEqual([]);
  expect([...serve.applications.keys()]).toEqual(["llm"]);
});

it("an application that Serve refuses is told in its words, with nothing changed", async () => {
  serve.refusal = "1 validation error: import_path";
  expect(await change(() => [app("ours.a")])).toMatchObject({ code: "INVALID_INPUT", started: "no" });
  expect(serve.puts).toHaveLength(1);
});

// Without the list its first redeployment would restart every replica.
it("an application of ours with an external scaler lists its deployments", async () => {
  expect(await change(() => [app("ours.a", 1, { deployments: [] })])).toMatchObject({ code: "INVALID_INPUT" });
});
