import { InertGlobal, type InertObject } from "./inert.ts";
import { readFromBuffer, readReconstructed, readScalar } from "./numpy-pickle.ts";
import { readDate, readDateTime, readTime, readTimeDelta, readTimeZone } from "./time-pickle.ts";
import { PyByteArray, PyComplex, PyDecimal, PyFloat, PyFrozenSet, PyRange, PyUuid, type PyValue } from "./values.ts";

/** Makes the value that a call stands for; undefined if it is not as Python writes it, and then it stays inert. */
type Constructor = (object: InertObject) => PyValue | undefined;

/**
 * The only calls that become values. Each builds plain data out of arguments it has checked, no larger than they are.
 */
const CONSTRUCTORS: ReadonlyMap<string, Constructor> = new Map<string, Constructor>([
  ["_codecs.encode", whenPlain(readLatin1)],
  ["builtins.bytes", whenPlain((args) => (args.length === 0 ? new Uint8Array(0) : undefined))],
  ["builtins.bytearray", whenPlain(readByteArray)],
  ["builtins.set", whenPlain((args) => readSet(args, Set<PyValue>))],
  ["builtins.frozenset", whenPlain((args) => readSet(args, PyFrozenSet))],
  ["builtins.complex", whenPlain(readComplex)],
  ["builtins.range", whenPlain(readRange)],
  ["decimal.Decimal", whenPlain(readDecimal)],
  ["uuid.UUID", readUuid],
  ["datetime.datetime", whenPlain(readDateTime)],
  ["datetime.date", whenPlain(readDate)],
  ["datetime.time", whenPlain(readTime)],
  ["datetime.timedelta", whenPlain(readTimeDelta)],
  ["datetime.timezone", whenPlain(readTimeZone)],
  ["numpy.core.multiarray._reconstruct", readReconstructed],
  ["numpy._core.multiarray._reconstruct", readReconstructed],
  ["numpy.core.multiarray.scalar", whenPlain((_, object) => readScalar(object))],
  ["numpy._core.multiarray.scalar", whenPlain((_, object) => readScalar(object))],
  ["numpy.core.numeric._frombuffer", whenPlain((_, object) => readFromBuffer(object))],
  ["numpy._core.numeric._frombuffer", whenPlain((_, object) => readFromBuffer(object))],
]);

/** The value that a complete object stands for; undefined for what is not on the list. */
export function construct(object: InertObject): PyValue | undefined {
  if (!(object.callable instanceof InertGlobal)) return undefined;
  if (object.items.length > 0 || object.entries.length > 0 || object.kwargs !== undefined) return undefined;
  return CONSTRUCTORS.get(`${object.callable.module}.${object.callable.name}`)?.(object);
}

/** For calls whose result is complete as it is: one that was built with a state is something else, a subclass's say. */
function whenPlain(make: (args: readonly PyValue[], object: InertObject) => PyValue | undefined): Constructor {
  return (object) => (object.state === undefined && object.how === "call" ? make(object.args, object) : undefined);
}

/** How protocol 2 writes bytes: as the text that has them as its code points. */
function readLatin1(args: readonly PyValue[]): Uint8Array | undefined {
  const [text, encoding] = args;
  if (args.length !== 2 || typeof text !== "string" || encoding !== "latin1") return undefined;
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code > 0xff) return undefined;
    bytes[i] = code;
  }
  return bytes;
}

function readByteArray(args: readonly PyValue[]): PyByteArray | undefined {
  const [source, encoding] = args;
  if (args.length === 0) return new PyByteArray(new Uint8Array(0));
  if (args.length === 1 && source instanceof Uint8Array) return new PyByteArray(Uint8Array.from(source));
  const bytes = encoding === "latin-1" || encoding === "latin1" ? readLatin1([source ?? null, "latin1"]) : undefined;
  return bytes === undefined ? undefined : new PyByteArray(bytes);
}

function readSet<T>(args: readonly PyValue[], type: new (items: readonly PyValue[]) => T): T | undefined {
  const [items] = args;
  return args.length === 1 && Array.isArray(items) ? new type(items) : undefined;
}

function readComplex(args: readonly PyValue[]): PyComplex | undefined {
  const [real, imaginary] = args.map((part) => (part instanceof PyFloat ? part.value : part));
  return args.length === 2 && typeof real === "number" && typeof imaginary === "number"
    ? new PyComplex(real, imaginary)
    : undefined;
}

function readRange(args: readonly PyValue[]): PyRange | undefined {
  const [start, stop, step] = args;
  return isInteger(start) && isInteger(stop) && isInteger(step) && args.length === 3
    ? new PyRange(start, stop, step)
    : undefined;
}

const DECIMAL = /^[+-]?(?:(?:\d+(?:\.\d*)?|\.\d+)(?:E[+-]?\d+)?|Infinity|s?NaN\d*)$/;

function readDecimal(args: readonly PyValue[]): PyDecimal | undefined {
  const [text] = args;
  return args.length === 1 && typeof text === "string" && DECIMAL.test(text) ? new PyDecimal(text) : undefined;
}

/** `UUID("…")`, or as Python writes it: nothing, and then the state `{"int": …}`. */
function readUuid(object: InertObject): PyUuid | undefined {
  const hex = object.state === undefined ? uuidOfText(object.args) : uuidOfState(object);
  return hex === undefined ? undefined : new PyUuid(hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5"));
}

function uuidOfText(args: readonly PyValue[]): string | undefined {
  const [text] = args;
  if (args.length !== 1 || typeof text !== "string" || text.length !== 36) return undefined;
  const hex = text.toLowerCase().replaceAll("-", "");
  return /^[\da-f]{32}$/.test(hex) ? hex : undefined;
}

function uuidOfState(object: InertObject): string | undefined {
  const { state } = object;
  if (object.args.length > 0 || !isRecord(state) || Object.keys(state).length !== 1) return undefined;
  const { int } = state;
  if (!isInteger(int) || int < 0) return undefined;
  const hex = int.toString(16);
  return hex.length <= 32 ? hex.padStart(32, "0") : undefined;
}

function isInteger(value: PyValue | undefined): value is number | bigint {
  return typeof value === "bigint" || (typeof value === "number" && Number.isSafeInteger(value));
}

function isRecord(value: PyValue | undefined): value is Readonly<Record<string, PyValue>> {
  return typeof value === "object" && value !== null && Object.getPrototypeOf(value) === Object.prototype;
}
