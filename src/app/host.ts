/** The entry of a host process; spawned by an engine, spoken to over its control channel. */
import { join } from "node:path";
import { runHost } from "#runtime/host/host.ts";
import { BUILT_IN_CONTRACTS } from "./built-in-contracts.ts";
import { variable } from "./config.ts";
import { loadService } from "./services.ts";

runHost({
  logLevel: variable("SEEDCORE_LOG_LEVEL"),
  front: async (context) => {
    // Each is loaded when it is known to be needed: none should carry the others' memory.
    if (context.assignment.spec.services.includes("engine")) {
      const { createEngineFront } = await import("./ray/engine-front.ts");
      return createEngineFront(context);
    }
    if (!context.assignment.spec.services.includes("gateway")) {
      const [{ createServicesFront }, { setHostConnection }] = await Promise.all([
        import("#runtime/host/services-front.ts"),
        import("./host-connection.ts"),
      ]);
      return createServicesFront(context, loadService, setHostConnection);
    }
    const { createGateway } = await import("#runtime/gateway/gateway.ts");
    return createGateway(context, Object.values(BUILT_IN_CONTRACTS), join(import.meta.dirname, "page"));
  },
});
