import { ServiceError } from "#core/service-error.ts";
import { type RayHandle, RayReference, toRayReference } from "../pickle/ray-reference.ts";
import type { Claim } from "./references.ts";
import type { OpenSession } from "./session.ts";

/**
 * An object in the cluster: the result of a task, or what was put. Ray keeps it until it is released, with
 * `using ref = …` or `release()`, or until nobody holds this object any more; at the latest until the session ends.
 */
export class ObjectRef<T = unknown> implements RayHandle, Disposable {
  /** Only for the compiler: what `get` gives. */
  declare readonly value: T;
  readonly #session: OpenSession;
  readonly #id: Uint8Array;
  readonly #claim: Claim;
  #released = false;

  /** @internal */
  constructor(session: OpenSession, id: Uint8Array) {
    this.#session = session;
    this.#id = id;
    this.#claim = session.references.claim(id, this);
  }

  /** Ray's id, in hexadecimal digits. */
  get id(): string {
    return Buffer.from(this.#id).toString("hex");
  }

  /** Lets Ray forget the object. Again is harmless. */
  release(): void {
    this.#released = true;
    this.#claim.release();
  }

  [Symbol.dispose](): void {
    this.release();
  }

  /** @internal What belongs to a lost session, or is released, may not be sent: Ray would end the whole session. */
  in(session: OpenSession): Uint8Array {
    if (this.#released) {
      throw new ServiceError("INVALID_INPUT", `The object ${this.id} was released; it cannot be used any more.`);
    }
    if (session !== this.#session || session.datapath.lost.aborted) {
      throw ofLostSession(`The object ${this.id}`, "Run the task, or put the value, again.");
    }
    return this.#id;
  }

  [toRayReference](): RayReference {
    return new RayReference("Object", this.#session.datapath.clientId, this.in(this.#session));
  }
}

/** What was bound to a session cannot outlive it. */
export function ofLostSession(what: string, todo: string): ServiceError {
  return new ServiceError("NOT_FOUND", `${what} belonged to a Ray session that was lost. ${todo}`, { started: "no" });
}
