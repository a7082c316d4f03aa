/** Everything about one procedure that is the same for every call, worked out once. */
import { z } from "zod";
import { type Contract, type Procedure, pathParameters } from "#core/contract.ts";
import { ServiceError } from "#core/service-error.ts";
import type { HandlerContext, Service } from "../service.ts";

export type UnaryHandler = (input: unknown, context: HandlerContext) => Promise<unknown>;
export type StreamHandler = (input: unknown, context: HandlerContext) => AsyncIterable<unknown>;

export interface Plan {
  readonly service: Service;
  readonly contract: Contract;
  readonly procedureName: string;
  /** `<service>.<procedure>`, for messages. */
  readonly name: string;
  readonly procedure: Procedure;
  /**
   * The input with fields it does not name left out, for the organism's own services: two versions run side by side, and
   * what a newer one adds must not make an older one refuse its messages.
   */
  readonly tolerantInput: Procedure["input"];
  readonly pathFields: readonly string[];
  /** Fields that come as query parameters; empty where the rest is the body. */
  readonly queryFields: readonly string[];
  /** Those of them that are lists: a query that names one once means a list of one. */
  readonly listFields: ReadonlySet<string>;
  readonly hasBody: boolean;
  readonly fail: HandlerContext["fail"];
  readonly handler: UnaryHandler | StreamHandler;
}

export function createPlans(service: Service): Plan[] {
  return Object.entries(service.contract.procedures).map(([procedureName, procedure]) => {
    const name = `${service.contract.name}.${procedureName}`;
    const handler = service.handlers[procedureName];
    if (handler === undefined) throw new TypeError(`${name} is declared but has no handler.`);
    const pathFields = pathParameters(procedure.path);
    const hasBody = procedure.method === "POST" || procedure.method === "PUT";
    const queryFields = hasBody
      ? []
      : Object.keys(procedure.input.shape).filter((field) => !pathFields.includes(field));
    return {
      service,
      contract: service.contract,
      procedureName,
      name,
      procedure,
      tolerantInput:
        procedure.input._zod.def.catchall instanceof z.ZodNever ? procedure.input.strip() : procedure.input,
      pathFields,
      queryFields,
      listFields: new Set(queryFields.filter((field) => isList(procedure.input.shape[field] as z.ZodType))),
      hasBody,
      fail: (code: string, data: unknown, message?: string) =>
        new ServiceError(code, message ?? `${name}: ${code.toLowerCase().replaceAll("_", " ")}.`, { data }),
      // The compiler has matched handler and contract in `implement`; here all procedures are handled alike.
      handler: handler as UnaryHandler | StreamHandler,
    };
  });
}

/** Whether a schema is a list, however it is wrapped: optional, with a default, nullable. */
function isList(schema: z.ZodType): boolean {
  const { type, innerType } = schema._zod.def as { readonly type: string; readonly innerType?: z.ZodType };
  return type === "array" || (innerType !== undefined && isList(innerType));
}
