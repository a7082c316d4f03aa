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
export type { ActorClass } from "#runtime/ray/client/actor-class.ts";
export type { ActorHandle, AnyMethods, Methods } from "#runtime/ray/client/actor-handle.ts";
export type { CallTime, RemoteCallOptions } from "#runtime/ray/client/call-time.ts";
export type { RayNode, RayResources } from "#runtime/ray/client/cluster-view.ts";
export type { ImportName } from "#runtime/ray/client/code.ts";
export type { ObjectRef } from "#runtime/ray/client/object-ref.ts";
export { isPythonException, type PythonExceptionData } from "#runtime/ray/client/python-failure.ts";
export type {
  ActorOptions,
  Arguments,
  MethodOptions,
  PlacementOptions,
  TaskOptions,
} from "#runtime/ray/client/remote-options.ts";
export type { Task } from "#runtime/ray/client/task.ts";
export { NumpyArray, NumpyScalar } from "#runtime/ray/pickle/numpy.ts";
export { PyDate, PyDateTime, PyTime, PyTimeDelta, PyTimeZone } from "#runtime/ray/pickle/times.ts";
export {
  PyByteArray,
  PyComplex,
  PyDecimal,
  type PyDict,
  PyFloat,
  PyFrozenSet,
  PyRange,
  PyTuple,
  PyUuid,
  type PyValue,
} from "#runtime/ray/pickle/values.ts";
export type { RaySurface as Ray, WaitResult } from "#runtime/ray/ray-surface.ts";
export { type HandlerContext, type Handlers, implement, type Service, type ServiceLife } from "#runtime/service.ts";
export { z } from "zod";
