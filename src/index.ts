/** What SeedCore offers to programs. Importing it connects to nothing. */
export { type Connection, type ConnectOptions, connect } from "#app/connect.ts";
export {
  type Contract,
  type DeclaredError,
  defineContract,
  type InputOf,
  type OutputOf,
  type Procedure,
  procedure,
  type Scope,
} from "#core/contract.ts";
export type { Result } from "#core/result.ts";
export { isServiceError, ServiceError } from "#core/service-error.ts";
export type { CallOptions, Client } from "#runtime/client/client.ts";
export { defineService, type OwnContext, type OwnService } from "#runtime/host/own-service.ts";
export { type HandlerContext, type Handlers, implement, type Service, type ServiceLife } from "#runtime/service.ts";
export { z } from "zod";
