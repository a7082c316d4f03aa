import { InertGlobal, InertObject } from "./inert.ts";
import { DEFAULT_LIMITS } from "./limits.ts";
import { NumpyArray, NumpyScalar } from "./numpy.ts";
import { numpyArrayCall, numpyScalarCall } from "./numpy-pickle.ts";
import { OP } from "./opcodes.ts";
import { PickleBytes } from "./pickle-bytes.ts";
import { PickleError } from "./pickle-error.ts";
import { PythonError } from "./python-error.ts";
import { type RayHandle, STUB_MODULE, STUB_NAME, toRayReference } from "./ray-reference.ts";
import { timeCall } from "./time-pickle.ts";
import { PyDate, PyDateTime, PyTime, PyTimeDelta, PyTimeZone } from "./times.ts";
import {
  PyByteArray,
  PyCall,
  PyComplex,
  PyDecimal,
  PyFloat,
  PyFrozenSet,
  PyGlobal,
  PyRange,
  PyTuple,
  PyUuid,
  type PyValue,
} from "./values.ts";

export interface EncodeOptions {
  /**
   * Writes what was read as inert (`InertObject`, `InertGlobal`, `PythonError`) as the object it stood for, so that Python
   * makes it again. Only for data of the same cluster: whoever made it chooses what Python then calls. @default false
   */
  readonly writeInert?: boolean;
  /** @default 1000 */
  readonly maxDepth?: number;
}

/**
 * A value as a pickle of protocol 4, which every Python 3 reads. The table at `PyValue` says what becomes what.
 *
 * @throws PickleError `unsupported` for what Python has no counterpart of (a function, a symbol, a class instance not in
 * the table), `limit` for what is nested too deeply.
 */
export function encodePickle(value: PyValue, options: EncodeOptions = {}): Uint8Array<ArrayBuffer> {
  const bytes = new PickleBytes();
  bytes.op1(OP.PROTO, 4);
  new Encoder(bytes, options).write(value);
  bytes.op(OP.STOP);
  return bytes.finish();
}

class Encoder {
  readonly #bytes: PickleBytes;
  readonly #writeInert: boolean;
  readonly #maxDepth: number;
  /** Number of each object that was written, for the second time it comes. */
  readonly #memo = new Map<object, number>();
  readonly #globals = new Map<string, number>();
  #memoCount = 0;
  #depth = 0;

  constructor(bytes: PickleBytes, options: EncodeOptions) {
    this.#bytes = bytes;
    this.#writeInert = options.writeInert ?? false;
    this.#maxDepth = options.maxDepth ?? DEFAULT_LIMITS.maxDepth;
  }

  write(value: unknown): void {
    switch (typeof value) {
      case "string":
        return this.#bytes.text(value);
      case "boolean":
        return this.#bytes.op(value ? OP.NEWTRUE : OP.NEWFALSE);
      case "bigint":
        return this.#bytes.integer(value);
      case "number":
        return Number.isSafeInteger(value) && !Object.is(value, -0)
          ? this.#bytes.integer(value)
          : this.#bytes.float(value);
      case "object":
        return value === null ? this.#bytes.op(OP.NONE) : this.#writeObject(value);
      default:
        throw unwritable(value);
    }
  }

  #writeObject(value: object): void {
    const known = this.#memo.get(value);
    if (known !== undefined) return this.#get(known);
    if (++this.#depth > this.#maxDepth) {
      throw new PickleError(
        "limit",
        `The value is nested more than ${this.#maxDepth} deep; send it in parts, or flat.`,
      );
    }
    this.#writeNew(value);
    this.#depth--;
  }

  #writeNew(value: object): void {
    if (Array.isArray(value)) return this.#list(value);
    if (value instanceof Uint8Array) {
      this.#bytes.bytes(value);
      return this.#memoize(value);
    }
    if (value instanceof Map) return this.#dict(value, value);
    if (value instanceof PyFrozenSet) return this.#frozenSet(value);
    if (value instanceof Set) return this.#set(value);
    if (value instanceof PyTuple) return this.#tuple(value);
    if (isRayHandle(value)) return this.#reference(value);
    if (isPlain(value)) {
      return this.#dict(
        value,
        Object.entries(value).filter(([, member]) => member !== undefined),
      );
    }
    if (value instanceof PyFloat) return this.#bytes.float(value.value);
    if (value instanceof PyGlobal) return this.#global(value.module, value.name);
    if (value instanceof InertGlobal && this.#writeInert) return this.#global(value.module, value.name);
    if (value instanceof InertObject && this.#writeInert) return this.#inert(value);
    if (value instanceof PythonError && this.#writeInert) return this.#writeObject(value.source);
    const call = callFor(value);
    if (call === undefined) throw unwritable(value);
    this.#call(call.callable, call.args);
    if (call.state !== undefined) {
      this.write(call.state);
      this.#bytes.op(OP.BUILD);
    }
    this.#memoize(value);
  }

  #list(list: readonly unknown[]): void {
    this.#bytes.op(OP.EMPTY_LIST);
    this.#memoize(list);
    this.#append(list);
  }

  #append(items: readonly unknown[]): void {
    if (items.length === 0) return;
    this.#bytes.op(OP.MARK);
    for (const item of items) this.write(item);
    this.#bytes.op(OP.APPENDS);
  }

  #dict(identity: object, entries: Iterable<readonly [unknown, unknown]>): void {
    this.#bytes.op(OP.EMPTY_DICT);
    this.#memoize(identity);
    this.#setItems([...entries]);
  }

  #setItems(entries: readonly (readonly [unknown, unknown])[]): void {
    if (entries.length === 0) return;
    this.#bytes.op(OP.MARK);
    for (const [key, value] of entries) {
      this.write(key);
      this.write(value);
    }
    this.#bytes.op(OP.SETITEMS);
  }

  #set(set: ReadonlySet<unknown>): void {
    this.#bytes.op(OP.EMPTY_SET);
    this.#memoize(set);
    if (set.size === 0) return;
    this.#bytes.op(OP.MARK);
    for (const item of set) this.write(item);
    this.#bytes.op(OP.ADDITEMS);
  }

  /** A frozen set has no number before it is complete; one that is reached again through a member is then dropped here. */
  #frozenSet(set: ReadonlySet<unknown>): void {
    this.#bytes.op(OP.MARK);
    for (const item of set) this.write(item);
    if (this.#recall(set)) return;
    this.#bytes.op(OP.FROZENSET);
    this.#memoize(set);
  }

  /** As with a frozen set. A cycle through tuples alone, which Python cannot make, ends at the depth limit. */
  #tuple(tuple: PyTuple): void {
    if (tuple.items.length === 0) return this.#bytes.op(OP.EMPTY_TUPLE);
    this.#bytes.op(OP.MARK);
    for (const item of tuple.items) this.write(item);
    if (this.#recall(tuple)) return;
    this.#bytes.op(OP.TUPLE);
    this.#memoize(tuple);
  }

  /** Replaces what is on the stack since the mark by the object, if that was written meanwhile. */
  #recall(object: object): boolean {
    const known = this.#memo.get(object);
    if (known === undefined) return false;
    this.#bytes.op(OP.POP_MARK);
    this.#get(known);
    return true;
  }

  /** A tuple that nothing else can refer to. */
  #arguments(args: readonly unknown[]): void {
    this.#bytes.op(OP.MARK);
    for (const arg of args) this.write(arg);
    this.#bytes.op(OP.TUPLE);
  }

  #reference(handle: RayHandle): void {
    const { kind, clientId, refId, name, baselineOptions } = handle[toRayReference]();
    this.#call(new PyGlobal(STUB_MODULE, STUB_NAME), [kind, clientId, refId, name, baselineOptions]);
    this.#bytes.op(OP.BINPERSID);
  }

  #call(callable: PyGlobal | PyCall, args: readonly PyValue[]): void {
    this.write(callable);
    this.#arguments(args);
    this.#bytes.op(OP.REDUCE);
  }

  #inert(object: InertObject): void {
    this.write(object.callable);
    this.#arguments(object.args);
    if (object.kwargs !== undefined) {
      this.write(object.kwargs);
      this.#bytes.op(OP.NEWOBJ_EX);
    } else {
      this.#bytes.op(object.how === "new" ? OP.NEWOBJ : OP.REDUCE);
    }
    this.#memoize(object);
    this.#append(object.items);
    this.#setItems(object.entries);
    if (object.state === undefined) return;
    this.write(object.state);
    this.#bytes.op(OP.BUILD);
  }

  #global(module: string, name: string): void {
    const key = JSON.stringify([module, name]);
    const known = this.#globals.get(key);
    if (known !== undefined) return this.#get(known);
    this.#bytes.text(module);
    this.#bytes.text(name);
    this.#bytes.op(OP.STACK_GLOBAL);
    this.#globals.set(key, this.#memoCount++);
    this.#bytes.op(OP.MEMOIZE);
  }

  #memoize(value: object): void {
    this.#memo.set(value, this.#memoCount++);
    this.#bytes.op(OP.MEMOIZE);
  }

  #get(index: number): void {
    if (index <= 0xff) this.#bytes.op1(OP.BINGET, index);
    else this.#bytes.op4(OP.LONG_BINGET, index);
  }
}

interface Call {
  readonly callable: PyGlobal | PyCall;
  readonly args: readonly PyValue[];
  readonly state?: PyValue;
}

/** The call that makes the value in Python, for those that have no opcode; undefined for what is not in the table. */
function callFor(value: object): Call | undefined {
  if (value instanceof PyCall) return value;
  if (value instanceof PyByteArray) return { callable: new PyGlobal("builtins", "bytearray"), args: [value.bytes] };
  if (value instanceof PyComplex) {
    return {
      callable: new PyGlobal("builtins", "complex"),
      args: [new PyFloat(value.real), new PyFloat(value.imaginary)],
    };
  }
  if (value instanceof PyRange) {
    return { callable: new PyGlobal("builtins", "range"), args: [value.start, value.stop, value.step] };
  }
  if (value instanceof PyDecimal) return { callable: new PyGlobal("decimal", "Decimal"), args: [value.text] };
  if (value instanceof PyUuid) return { callable: new PyGlobal("uuid", "UUID"), args: [value.text] };
  if (value instanceof NumpyScalar) return numpyScalarCall(value);
  if (value instanceof NumpyArray) return numpyArrayCall(value);
  if (value instanceof Date) return timeCall(PyDateTime.fromDate(value));
  if (isTime(value)) return timeCall(value);
  return undefined;
}

function isTime(value: object): value is PyDateTime | PyDate | PyTime | PyTimeDelta | PyTimeZone {
  return [PyDateTime, PyDate, PyTime, PyTimeDelta, PyTimeZone].some((type) => value instanceof type);
}

function isRayHandle(value: object): value is RayHandle {
  return toRayReference in value;
}

function isPlain(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}

function unwritable(value: unknown): PickleError {
  const what = typeof value === "object" && value !== null ? `a ${value.constructor?.name}` : typeof value;
  const todo =
    value instanceof InertObject || value instanceof InertGlobal || value instanceof PythonError
      ? "It was read as inert data, which is not written back: leave it in the cluster and pass on its reference."
      : "Send plain data, or one of the Py classes.";
  return new PickleError("unsupported", `There is nothing in Python to write ${what} as. ${todo}`);
}
