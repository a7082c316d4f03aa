import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { createShimConnections } from "#runtime/ray/shim-connection.ts";

// A model's answer of 20 MB took five seconds, four times as long as one of 10 MB: all that had come was copied for each part.
test("a value of many megabytes is read as fast as it comes, and the lines after it too", async () => {
  const folder = mkdtempSync(join(tmpdir(), "seedcore-shim-"));
  const path = join(folder, "shim.sock");
  const frames = [{ item: "é".repeat(20_000_000) }, { item: 1 }, { item: "two" }, { end: true }];
  const shim = createServer((socket) => {
    socket.once("data", () => socket.end(frames.map((frame) => `${JSON.stringify(frame)}\n`).join("")));
  }).listen(path);
  await once(shim, "listening");
  const connections = createShimConnections(path);
  try {
    await using connection = await connections.take(AbortSignal.timeout(5_000));
    connection.send({ app: "model", method: "stream" });
    const taken = [];
    for (const _ of frames) taken.push(await connection.frame());
    expect(taken).toEqual(frames);
    await expect(connection.frame()).rejects.toMatchObject({ code: "CONNECTION_LOST" });
  } finally {
    connections.close();
    shim.close();
    rmSync(folder, { recursive: true, force: true });
  }
});
