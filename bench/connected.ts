import { connect } from "../src/app/connect.ts";
import type { TestOrganism } from "../test/app/organism.ts";

/** A connection to an organism of a bench, as an outside program has one. */
export async function connectTo(organism: TestOrganism) {
  const connection = await connect({ gateway: organism.runFile().gatewayUrl, token: organism.token() });
  return {
    connection,
    ml: connection.getServiceClient("ml"),
    coordinator: connection.getServiceClient("coordinator"),
  };
}
