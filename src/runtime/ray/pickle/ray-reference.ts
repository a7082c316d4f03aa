import { type Inert, InertGlobal, InertObject } from "./inert.ts";
import { type PyValue, PyTuple } from "./values.ts";

/** What Ray Client's pickles can refer to. A server sends `Object` and `Actor` only. */
export type RayReferenceKind =
  | "Ray"
  | "Object"
  | "Actor"
  | "RemoteFunc"
  | "RemoteActor"
  | "RemoteMethod"
  | "RemoteFuncSelfReference"
  | "RemoteActorSelfReference";

const KINDS: ReadonlySet<string> = new Set<RayReferenceKind>([
  "Ray",
  "Object",
  "Actor",
  "RemoteFunc",
  "RemoteActor",
  "RemoteMethod",
  "RemoteFuncSelfReference",
  "RemoteActorSelfReference",
]);

/** Gives the reference that a handle is written as. */
export const toRayReference: unique symbol = Symbol("toRayReference");

/** Anything that stands for something in the cluster; may be nested anywhere in what is written. */
export interface RayHandle {
  [toRayReference](): RayReference;
}

/** `ray.util.client.client_pickler.PickleStub`: how a reference travels, as a persistent id of the pickle. */
export class RayReference implements RayHandle {
  readonly kind: RayReferenceKind;
  readonly clientId: string;
  /** 28 bytes of an object, 16 of an actor. */
  readonly refId: Uint8Array;
  /** The method of a `RemoteMethod`. */
  readonly name: string | null;
  readonly baselineOptions: PyValue;

  constructor(
    kind: RayReferenceKind,
    clientId: string,
    refId: Uint8Array,
    name: string | null = null,
    baselineOptions: PyValue = null,
  ) {
    this.kind = kind;
    this.clientId = clientId;
    this.refId = refId;
    this.name = name;
    this.baselineOptions = baselineOptions;
  }

  [toRayReference](): RayReference {
    return this;
  }
}

/** Where Ray keeps the class that persistent ids are instances of. */
export const STUB_MODULE = "ray.util.client.client_pickler";
export const STUB_NAME = "PickleStub";

/** The reference that a persistent id stands for; undefined if it is of another shape, as no Ray sends it. */
export function rayReferenceOf(persistentId: PyValue): RayReference | undefined {
  if (!(persistentId instanceof InertObject)) return undefined;
  const fields = stubFields(persistentId);
  if (fields?.length !== 5) return undefined;
  const [kind, clientId, refId, name = null, baselineOptions = null] = fields;
  if (!isKind(kind) || typeof clientId !== "string" || !(refId instanceof Uint8Array)) return undefined;
  if (name !== null && typeof name !== "string") return undefined;
  return new RayReference(kind, clientId, refId, name, baselineOptions);
}

/** The server writes `copyreg._reconstructor(PickleStub, tuple, fields)`, a client `PickleStub(*fields)`. */
function stubFields(stub: InertObject): readonly PyValue[] | undefined {
  if (isGlobal(stub.callable, STUB_MODULE, STUB_NAME)) return stub.args;
  if (!isGlobal(stub.callable, "copyreg", "_reconstructor")) return undefined;
  const [cls, base, fields] = stub.args;
  if (!isGlobal(cls, STUB_MODULE, STUB_NAME) || !isGlobal(base, "builtins", "tuple")) return undefined;
  return fields instanceof PyTuple ? fields.items : undefined;
}

function isGlobal(value: PyValue | Inert | undefined, module: string, name: string): boolean {
  return value instanceof InertGlobal && value.module === module && value.name === name;
}

function isKind(value: unknown): value is RayReferenceKind {
  return typeof value === "string" && KINDS.has(value);
}
