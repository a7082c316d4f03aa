import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { request } from "undici";
import { expect, inject, test, vi } from "vitest";

test("the tests' cluster has two nodes and lets nobody in without its token", async () => {
  const { dashboardUrl, nodes, token } = inject("ray");
  const headers = { "user-agent": "seedcore-test" };
  const open = await request(`${dashboardUrl}/api/v0/nodes`, { headers });
  expect(open.statusCode).toBe(401);
  await open.body.dump();

  const answer = await request(`${dashboardUrl}/api/v0/nodes`, {
    headers: { ...headers, authorization: `Bearer ${token}` },
  });
  const { data } = (await answer.body.json()) as { data: { result: { result: { node_ip: string; state: string }[] } } };
  const alive = data.result.result.filter(({ state }) => state === "ALIVE").map(({ node_ip }) => node_ip);
  expect(alive.toSorted()).toEqual(nodes);
});

// A crashed or killed test run would leave gigabytes of daemons that no name leads to.
test("kill -9 of whoever started a cluster leaves no process and no folder of it", async () => {
  const owner = spawn(process.execPath, [join(import.meta.dirname, "cluster", "owner.ts")], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const [line] = (await once(createInterface({ input: owner.stdout }), "line")) as [string];
  const { tokenFile, pids } = JSON.parse(line) as { tokenFile: string; pids: number[] };
  expect(pids.length).toBeGreaterThan(3);
  expect(pids.filter((pid) => existsSync(`/proc/${pid}`))).toEqual(pids);

  owner.kill("SIGKILL");
  await vi.waitFor(
    () => {
      expect(pids.filter((pid) => existsSync(`/proc/${pid}`))).toEqual([]);
      expect(existsSync(tokenFile)).toBe(false);
    },
    { timeout: 60_000, interval: 200 },
  );
});
