import { expect, test } from "vitest";
import type { Connection } from "../../connection.ts";
import { loadHome } from "../../config.ts";
import type { CommandContext } from "../context.ts";
import { createOutput } from "../output.ts";
import { run } from "./status.ts";

/** What `status` prints of an organism on a cluster. */
async function printed(cluster: object): Promise<string> {
  const answers: Record<string, object> = {
    telemetry: { namespace: "dev", version: "1", startedAtMs: 0, engine: "ray", hosts: [], sources: [], cluster },
    coordinator: { tasks: {}, incidents: { open: 0, resolved: 0 }, actions: {}, decisionP50Ms: null },
  };
  const connection = {
    gatewayUrl: "http://127.0.0.1:7700",
    getServiceClient: (name: string) => ({ status: async () => answers[name] }),
  } as unknown as Connection;
  let text = "";
  const stdout = { write: (more: string) => Boolean((text += more)) };
  const output = createOutput({ json: false, stdout, stderr: { write: () => true } });
  const home = loadHome({ home: "/nowhere", namespace: "dev" }, {});
  await run({ output, home, connect: async () => connection, now: () => 0 } as unknown as CommandContext);
  return text;
}

// A node that Ray did not hear of in time looked as if it were gone.
test("what Ray says it may have left out is said where its rows are", async () => {
  const cluster = { nodes: [], actors: [], applications: [], warnings: ["1 of 2 nodes are listed."] };
  expect(await printed(cluster)).toContain("Rows may be missing: 1 of 2 nodes are listed.\n");
  expect(await printed({ ...cluster, warnings: [] })).not.toContain("missing");
});
