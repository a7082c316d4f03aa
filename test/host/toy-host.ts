/** A host process with services that misbehave on request; spawned by host.test.ts. */
import { spawn } from "node:child_process";
import { setTimeout as sleep } from "node:timers/promises";
import type { Worker } from "node:worker_threads";
import { connect } from "#app/connect.ts";
import { setHostConnection } from "#app/host-connection.ts";
import { implement } from "#runtime/service.ts";
import { runHost } from "#runtime/host/host.ts";
import { createServicesFront } from "#runtime/host/services-front.ts";
import type { ServiceFactory } from "#runtime/host/service-context.ts";
import { createBuilder } from "#runtime/storage/builder.ts";
import { counter, toy } from "./toy-contracts.ts";

const threads: Worker[] = [];
process.on("worker", (thread) => threads.push(thread));

/** Is created, and initialises, only as its configuration says. */
const createToy: ServiceFactory = async (context) => {
  const config = context.config as { open?: boolean; created?: boolean } | undefined;
  if (config?.created === false) await new Promise(() => {});
  let open = config?.open ?? true;
  return implement(
    toy,
    {
      echo: async ({ text }) => ({ text, replica: context.replicaId }),
      async slow({ ms }) {
        await sleep(ms);
        return { ms };
      },
      stubborn: () => new Promise(() => {}),
      async spawnChild() {
        return { pid: spawn("sleep", ["300"], { stdio: "ignore" }).pid ?? 0 };
      },
      async *numbers({ count }) {
        for (let n = 0; n < count; n++) yield { n, padding: "x".repeat(1_000) };
      },
      async *quiet(_input, { signal }) {
        yield { n: 0 };
        await new Promise((resolve) => signal.addEventListener("abort", resolve));
      },
      async crash() {
        setTimeout(() => {
          throw new Error("a defect outside of any call");
        });
        return {};
      },
      async inner({ text }) {
        const answer = await context.client(toy).echo({ text });
        return { text: answer.text };
      },
      async connected({ namespace }) {
        const connection = await connect(namespace === undefined ? {} : { namespace });
        await connection.close();
        const { text } = await connection.client(toy).echo({ text: "after close" });
        return { target: connection.target, text, isSame: (await connect()) === connection };
      },
    },
    {
      async initialise(signal) {
        while (!open) {
          signal.throwIfAborted();
          await sleep(10);
          if (!open) throw new Error("the configuration does not say open");
        }
      },
      async reconfigure(config) {
        open = (config as { open: boolean }).open;
      },
    },
  ) as never;
};

const createCounter: ServiceFactory = async (context) => {
  const database = await context.database("counter", [
    {
      owner: "counter",
      migrations: [
        {
          version: 1,
          oldestCompatible: 1,
          statements: (builder) => [
            builder.schema
              .createTable("increments")
              .addColumn("id", "integer", (column) => column.primaryKey())
              .compile(),
          ],
        },
      ],
    },
  ]);
  const builder = createBuilder<{ increments: { id: number | null } }>(database.dialect);
  return implement(
    counter,
    {
      async increment(_input, { storeAnswer, epoch }) {
        const rows = await database.read(builder.selectFrom("increments").selectAll().compile());
        const answer = { count: rows.length + 1, epoch };
        await database.write([
          builder.insertInto("increments").values({ id: null }).compile(),
          ...(storeAnswer === undefined ? [] : [storeAnswer(answer)]),
        ]);
        return answer;
      },
      async killThreads() {
        const killed = threads.splice(0);
        await Promise.all(killed.map((thread) => thread.terminate()));
        return { killed: killed.length };
      },
    },
    { database },
  ) as never;
};

runHost({
  logLevel: "info",
  front: (context) =>
    createServicesFront(
      context,
      async (name) => {
        if (name === "broken") throw new Error("the model file is missing");
        return name === "toy" ? createToy : createCounter;
      },
      setHostConnection,
    ),
});
