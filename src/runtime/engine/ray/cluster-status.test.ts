import { expect, it } from "vitest";
import { createFakeClock } from "#testing/fake-clock.ts";
import { createRayRest } from "../../ray/rest/transport.ts";
import { readClusterStatus } from "./cluster-status.ts";

const head = {
  node_id: "h",
  node_ip: "10.0.0.1",
  is_head_node: true,
  state: "ALIVE",
  resources_total: { CPU: 4, memory: 8 },
};
const worker = { ...head, node_id: "w", node_ip: "10.0.0.0", is_head_node: false, resources_total: null };
const actor = { actor_id: "a", class_name: "Registry", state: "ALIVE", name: "seedcore-registry", pid: 7 };

/** Ray's state API, with these answers. */
function createState(answers: Record<string, object>) {
  const asked: string[] = [];
  const rest = createRayRest({
    url: "http://head:8265",
    token: () => undefined,
    clock: createFakeClock(),
    async exchange({ path }) {
      const list = /^\/api\/v0\/(\w+)\?/.exec(path)?.[1] ?? path;
      asked.push(list);
      return { status: 200, headers: {}, body: Buffer.from(JSON.stringify({ data: { result: answers[list] } })) };
    },
  });
  return { rest, asked };
}

it("tells nodes and named actors, the head first, and asks Serve nothing: the engine has read it already", async () => {
  const { rest, asked } = createState({
    nodes: { result: [worker, head], num_filtered: 2 },
    actors: { result: [actor, { ...actor, actor_id: "b", name: null }], num_filtered: 2 },
  });
  const applications = [{ name: "dev.ml@1.1", state: "RUNNING", route: "/ml" }];
  expect(await readClusterStatus({ rest, namespace: "dev", applications })).toEqual({
    nodes: [
      { address: "10.0.0.1", isHead: true, cpus: 4, memoryBytes: 8 },
      { address: "10.0.0.0", isHead: false, cpus: 0, memoryBytes: 0 },
    ],
    actors: [{ name: "seedcore-registry", state: "ALIVE", restarts: 0, pid: 7 }],
    applications,
    warnings: [],
  });
  expect(asked.toSorted()).toEqual(["actors", "nodes"]);
});

// With more dead actors than Ray looks at, the registry was missing from the list and nothing said that it may be there.
it("tells why rows may be missing", async () => {
  const { rest } = createState({
    nodes: { result: [head], num_filtered: 1, partial_failure_warning: "GCS was slow." },
    actors: { result: [], total: 12_000, num_after_truncation: 10_000 },
  });
  const { warnings } = await readClusterStatus({ rest, namespace: "dev", applications: [] });
  expect(warnings).toEqual(["GCS was slow.", "Ray has 12000 actors and looked at 10000 of them."]);
});
