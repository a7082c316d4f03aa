import type { Contract, Scope } from "#core/contract.ts";
import { fromProblem, ServiceError, toProblem, toServiceError } from "#core/service-error.ts";
import { shardOf } from "#core/shard.ts";
import { type Caller, runInCall } from "#runtime/call.ts";
import type { OutgoingCall, Transport } from "#runtime/client/transport.ts";
import type { HandlerContext, Service } from "#runtime/service.ts";
import { parseInput, parseOutput } from "#runtime/validation.ts";

export interface MemoryTransportOptions {
  /** @default `test` with every scope */
  readonly caller?: Caller;
  /** Epoch that handlers of services with state are given. @default 1 */
  readonly epoch?: number;
}

const EVERY_SCOPE: ReadonlySet<Scope> = new Set<Scope>(["read", "operate", "approve", "admin"]);

/**
 * A transport straight onto services in this process, without sockets. Values cross it as they cross the wire: inputs,
 * answers and errors as JSON, path and query parameters as text; so what works here works between processes.
 */
export function memoryTransport(services: readonly Service[], options: MemoryTransportOptions = {}): Transport {
  const byName = new Map(services.map((service) => [service.contract.name, service]));
  const caller = options.caller ?? { subject: "test", scopes: EVERY_SCOPE };

  const begin = (call: OutgoingCall) => {
    call.signal.throwIfAborted();
    const service = byName.get(call.contract.name);
    const handler = service?.handlers[call.name] as ((input: unknown, context: unknown) => unknown) | undefined;
    if (service === undefined || handler === undefined) {
      throw new ServiceError("UNAVAILABLE", `This memory transport has no service "${call.contract.name}".`);
    }
    const fullName = `${call.contract.name}.${call.name}`;
    const input = parseInput(fullName, service.contract.procedures[call.name] ?? call.procedure, overTheWire(call));
    const context: HandlerContext = {
      contract: call.contract.name,
      procedure: call.name,
      caller,
      deadlineAtMs: call.deadlineAtMs,
      correlationId: call.correlationId,
      trace: call.trace,
      priority: call.priority,
      signal: call.signal,
      storeAnswer: undefined,
      standBy: (until) => until,
      epoch: service.contract.state === "none" ? 0 : (options.epoch ?? 1),
      shard: shardFor(call),
      fail: (code: string, data: unknown, message?: string) => new ServiceError(code, message ?? code, { data }),
    };
    return { fullName, run: () => runInCall(context, () => handler(input, context)) };
  };

  return {
    async call(call) {
      const { fullName, run } = begin(call);
      try {
        const answer = await Promise.race([run(), aborted(call.signal)]);
        return json(parseOutput(fullName, call.procedure, answer));
      } catch (error) {
        throw asReceived(error);
      }
    },
    async *stream(call) {
      const { fullName, run } = begin(call);
      const iterator = (run() as AsyncIterable<unknown>)[Symbol.asyncIterator]();
      try {
        while (true) {
          const next = await Promise.race([iterator.next(), aborted(call.signal)]);
          if (next.done) return;
          yield json(parseOutput(fullName, call.procedure, next.value));
        }
      } catch (error) {
        throw asReceived(error);
      } finally {
        // Not awaited: a handler that waits for its next event ends when its signal aborts, which comes after this.
        void iterator.return?.();
      }
    },
    isHealthy: async (contract: Contract) => byName.has(contract.name),
    async close() {},
  };
}

function shardFor(call: OutgoingCall): number {
  const { shardBy } = call.procedure;
  return shardBy === undefined ? 0 : shardOf(String(call.input[shardBy]));
}

/** The input as a server finds it: text where it travels in the address, JSON where it travels in the body. */
function overTheWire({ procedure, input }: OutgoingCall): Record<string, unknown> {
  const sent: Record<string, unknown> = {};
  const inAddress = procedure.method === "GET" || procedure.method === "DELETE";
  for (const [name, value] of Object.entries(input)) {
    if (value === undefined) continue;
    const asText = inAddress || procedure.path.includes(`{${name}}`);
    sent[name] = asText ? toText(value) : json(value);
  }
  return sent;
}

function toText(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(toText);
  return typeof value === "object" && value !== null ? JSON.stringify(value) : String(value);
}

function json(value: unknown): unknown {
  return value === undefined ? undefined : JSON.parse(JSON.stringify(value));
}

function asReceived(error: unknown): ServiceError {
  const thrown = toServiceError(error);
  const received = fromProblem(json(toProblem(thrown)), thrown.status);
  // A defect's text does not travel; a failing test shows it as the cause.
  if (thrown.code === "INTERNAL") received.cause = thrown;
  return received;
}

function aborted(signal: AbortSignal): Promise<never> {
  return new Promise((_resolve, reject) => {
    if (signal.aborted) reject(signal.reason);
    else signal.addEventListener("abort", () => reject(signal.reason), { once: true });
  });
}
