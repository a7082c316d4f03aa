/** A gateway dies, and those are looked at too whose calls go through one. */
import type { Fault, FaultRun } from "./fault-run.ts";

export function killGateway(): Fault {
  let victim: Gateway | undefined;
  return {
    name: "kill -9 of a gateway (1 of 2)",
    async openWays(run) {
      const [struck, other] = await gatewaysOf(run);
      if (struck === undefined || other === undefined) throw new Error("There are no two gateways.");
      victim = struck;
      return [
        { name: "through the other gateway", loses: "nothing", ...(await run.openThrough(other.address)) },
        { name: "over Serve's route", loses: "nothing", call: () => run.callRoute(), close: async () => {} },
        // It knows this one only.
        { name: "through the killed gateway", loses: "until back", ...(await run.openThrough(struck.address)) },
      ];
    },
    async cause() {
      if (victim === undefined) throw new Error("No gateway was chosen.");
      process.kill(victim.pid, "SIGKILL");
      return { ended: [victim.pid] };
    },
  };
}

interface Gateway {
  readonly pid: number;
  readonly address: string;
}

async function gatewaysOf(run: FaultRun): Promise<readonly Gateway[]> {
  const shown = (await run.hosts()).find(({ name }) => name === "gateway")?.replicas ?? [];
  const { replicas } = run.connection.topology();
  return shown.flatMap(({ id, pid, state }) => {
    const address = replicas.find((replica) => replica.id === id)?.address;
    return state === "ready" && pid !== null && address !== undefined ? [{ pid, address }] : [];
  });
}
