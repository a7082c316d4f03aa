import { construct } from "./constructors.ts";
import { toPythonError } from "./exceptions.ts";
import { completeInert, InertGlobal, InertObject } from "./inert.ts";
import type { PickleLimits } from "./limits.ts";
import { type Branch, CallNode, DictNode, isBranch, type Node, PersistentNode, SetNode, TupleNode } from "./nodes.ts";
import { PickleError } from "./pickle-error.ts";
import { PythonError } from "./python-error.ts";
import { type RayHandle, type RayReference, rayReferenceOf } from "./ray-reference.ts";
import { PyByteArray, PyFrozenSet, PyTuple, type PyValue } from "./values.ts";

export interface MaterialiseOptions {
  readonly limits: PickleLimits;
  readonly handleOf: ((reference: RayReference) => RayHandle) | undefined;
}

/**
 * The value that a node stands for. Walks depth first with a stack of its own, so that no nesting overflows; every node
 * is made once, so that what was shared stays shared. What is reached again while it is being made is there already: a
 * list, tuple, set or dict as itself, an object as the `InertObject` it is read from.
 */
export function materialise(root: Node, options: MaterialiseOptions): PyValue {
  if (!isBranch(root)) return root;
  const made = new Map<Branch, Making>();
  const first = new Making(root, options);
  made.set(root, first);
  const path = [first];
  for (let top = path.at(-1); top !== undefined; top = path.at(-1)) {
    const unmade = top.advance(made);
    if (unmade === undefined) {
      path.pop();
      top.finish();
      continue;
    }
    if (path.length >= options.limits.maxDepth) throw tooDeep(options.limits);
    const next = new Making(unmade, options);
    made.set(unmade, next);
    path.push(next);
  }
  return first.value;
}

/** What each value counts for besides its text or bytes; and what an exception does, for its stack trace. */
const VALUE_BYTES = 16;
const ERROR_BYTES = 4_096;

/** One node on its way to a value. */
class Making {
  readonly #node: Branch;
  readonly #options: MaterialiseOptions;
  readonly #children: readonly Node[];
  readonly #values: PyValue[] = [];
  #value: PyValue | undefined;
  /** Branches on the longest way down, this one included. */
  #height = 1;
  /** Size of the tree below, were nothing in it shared. */
  #sizeBytes = VALUE_BYTES;

  constructor(node: Branch, options: MaterialiseOptions) {
    this.#node = node;
    this.#options = options;
    this.#children = childrenOf(node);
    this.#value = shellOf(node, this.#values);
  }

  get value(): PyValue {
    if (this.#value === undefined) {
      throw new PickleError("malformed", "A value contains itself where no Python object can.");
    }
    return this.#value;
  }

  /** Takes over children as far as they are made; the first one that is not, or undefined when all are. */
  advance(made: ReadonlyMap<Branch, Making>): Branch | undefined {
    const { limits } = this.#options;
    while (this.#values.length < this.#children.length) {
      const child = this.#children[this.#values.length] as Node;
      if (isBranch(child)) {
        const making = made.get(child);
        if (making === undefined) return child;
        this.#values.push(making.value);
        this.#height = Math.max(this.#height, making.#height + 1);
        this.#sizeBytes += making.#sizeBytes;
      } else {
        this.#values.push(child);
        this.#sizeBytes += leafBytes(child);
      }
      if (this.#height > limits.maxDepth) throw tooDeep(limits);
      if (this.#sizeBytes > limits.maxExpandedBytes) throw tooLarge(limits);
      // From here on the object can be referred to.
      if (this.#node instanceof CallNode) this.#value ??= inertShell(this.#node, this.#values);
    }
    return undefined;
  }

  /** Makes the value out of its children, which are all there. */
  finish(): void {
    const node = this.#node;
    if (node instanceof DictNode) fillDict(this.#value, this.#values);
    else if (node instanceof SetNode) fillSet(this.#value, this.#values);
    else if (node instanceof CallNode) this.#value = this.#object(node);
    else if (node instanceof PersistentNode) this.#value = this.#handle();
  }

  #object(node: CallNode): PyValue {
    const object = this.#value;
    if (!(object instanceof InertObject)) throw new Error("An object has no shell.");
    fillInert(object, node, this.#values.slice(1));
    const value = construct(object) ?? toPythonError(object) ?? object;
    if (value instanceof PythonError) this.#sizeBytes += ERROR_BYTES;
    return value;
  }

  #handle(): PyValue {
    const reference = rayReferenceOf(this.#values[0] ?? null);
    if (reference === undefined) throw new PickleError("malformed", "A persistent id is not one of Ray's references.");
    return this.#options.handleOf?.(reference) ?? reference;
  }
}

/** All nodes directly inside; of a call the callable first, then in the order in which `fillInert` takes them. */
function childrenOf(node: Branch): readonly Node[] {
  if (Array.isArray(node)) return node;
  if (node instanceof TupleNode || node instanceof SetNode) return node.items;
  if (node instanceof DictNode) return node.flat;
  if (node instanceof PersistentNode) return [node.id];
  const optional = [node.kwargs, node.state].filter((part) => part !== undefined);
  return [node.callable, ...node.args.items, ...node.items, ...node.entries, ...optional];
}

/** What can be referred to before it is complete; lists and tuples are complete when their values are. */
function shellOf(node: Branch, values: PyValue[]): PyValue | undefined {
  if (Array.isArray(node)) return values;
  if (node instanceof TupleNode) return new PyTuple(values);
  if (node instanceof SetNode) return node.frozen ? new PyFrozenSet() : new Set<PyValue>();
  if (node instanceof DictNode) return hasPlainKeys(node) ? {} : new Map<PyValue, PyValue>();
  return undefined;
}

/** Only text, and nothing that an assignment would take for the prototype, here or in whoever copies the object. */
function hasPlainKeys(dict: DictNode): boolean {
  return dict.flat.every((key, index) => index % 2 === 1 || (typeof key === "string" && key !== "__proto__"));
}

function fillDict(dict: PyValue | undefined, flat: readonly PyValue[]): void {
  const isMap = dict instanceof Map;
  for (let i = 0; i < flat.length; i += 2) {
    const [key, value] = [flat[i] as PyValue, flat[i + 1] as PyValue];
    if (isMap) dict.set(key, value);
    else (dict as Record<string, PyValue>)[key as string] = value;
  }
}

function fillSet(set: PyValue | undefined, items: readonly PyValue[]): void {
  for (const item of items) (set as Set<PyValue>).add(item);
}

function inertShell(node: CallNode, values: readonly PyValue[]): InertObject {
  const [callable] = values;
  if (callable instanceof InertGlobal || callable instanceof InertObject) {
    return new InertObject({ callable, how: node.how, args: [], items: [], entries: [] });
  }
  throw new PickleError("malformed", "What is called is a value and not a class or function.");
}

function fillInert(object: InertObject, node: CallNode, parts: PyValue[]): void {
  const args = parts.splice(0, node.args.items.length);
  const items = parts.splice(0, node.items.length);
  const flat = parts.splice(0, node.entries.length);
  const entries: [PyValue, PyValue][] = [];
  for (let i = 0; i < flat.length; i += 2) entries.push([flat[i] as PyValue, flat[i + 1] as PyValue]);
  const kwargs = node.kwargs === undefined ? undefined : parts.shift();
  completeInert(object, { args, items, entries, kwargs, state: parts.shift() });
}

function leafBytes(leaf: Node): number {
  if (typeof leaf === "string" || leaf instanceof Uint8Array) return VALUE_BYTES + leaf.length;
  return leaf instanceof PyByteArray ? VALUE_BYTES + leaf.bytes.length : VALUE_BYTES;
}

function tooDeep(limits: PickleLimits): PickleError {
  return new PickleError("limit", `Values nested more than ${limits.maxDepth} deep are not read.`);
}

function tooLarge(limits: PickleLimits): PickleError {
  return new PickleError(
    "limit",
    `What would take more than ${limits.maxExpandedBytes} bytes without sharing is not read.`,
  );
}
