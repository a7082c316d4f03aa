/**
 * numpy's scalars and arrays as its own pickles have them. Written in the oldest form, which numpy 1 and 2 both read:
 * `numpy.core.multiarray._reconstruct` with a state, and `scalar`. Read from there and from `_frombuffer`, the form of
 * protocol 5.
 */
import { InertGlobal, InertObject } from "./inert.ts";
import { DTYPES, type DType, NumpyArray, type NumpyData, NumpyScalar } from "./numpy.ts";
import { PickleError } from "./pickle-error.ts";
import { PyByteArray, PyCall, PyComplex, PyGlobal, PyTuple, type PyValue } from "./values.ts";

/** The call that makes the array in Python, and the state to build it with. */
export function numpyArrayCall(array: NumpyArray): { callable: PyGlobal; args: PyValue[]; state: PyValue } {
  const { sizeBytes } = DTYPES[array.dtype];
  if (array.data.byteLength !== elementCount(array.shape) * sizeBytes) {
    throw new PickleError(
      "unsupported",
      `A ${array.dtype} array of shape (${array.shape.join(", ")}) does not have ${array.data.byteLength} bytes.`,
    );
  }
  return {
    callable: new PyGlobal("numpy.core.multiarray", "_reconstruct"),
    args: [new PyGlobal("numpy", "ndarray"), new PyTuple([0]), Uint8Array.of(0x62)],
    state: new PyTuple([1, new PyTuple(array.shape), dtypeCall(array.dtype), array.order === "F", bytesOf(array.data)]),
  };
}

/** The call that makes the scalar in Python. */
export function numpyScalarCall(scalar: NumpyScalar): { callable: PyGlobal; args: PyValue[] } {
  return {
    callable: new PyGlobal("numpy.core.multiarray", "scalar"),
    args: [dtypeCall(scalar.dtype), bytesOf(scalarData(scalar))],
  };
}

/** `_reconstruct(ndarray, (0,), b"b")` with the state (version, shape, dtype, whether in Fortran order, bytes). */
export function readReconstructed(object: InertObject): NumpyArray | undefined {
  const [type] = object.args;
  if (!(type instanceof InertGlobal) || type.module !== "numpy" || type.name !== "ndarray") return undefined;
  if (!(object.state instanceof PyTuple) || object.state.items.length !== 5) return undefined;
  const [, shape, dtype, fortran, bytes] = object.state.items;
  return arrayOf(bytes, dtype, shape, fortran === true ? "F" : "C");
}

/** `_frombuffer(bytes, dtype, shape, order)`; since numpy 2.3 with the order of the axes, which is read only where none. */
export function readFromBuffer(object: InertObject): NumpyArray | undefined {
  const [bytes, dtype, shape, order, axes = null] = object.args;
  if (order !== "C" && order !== "F") return undefined;
  if (object.args.length > 5 || axes !== null) return undefined;
  return arrayOf(bytes instanceof PyByteArray ? bytes.bytes : bytes, dtype, shape, order);
}

/** `scalar(dtype, bytes)`. */
export function readScalar(object: InertObject): NumpyScalar | undefined {
  const [dtype, bytes] = object.args;
  const array = arrayOf(bytes, dtype, new PyTuple([]), "C");
  const [first, second] = array?.data ?? [];
  if (array === undefined || first === undefined) return undefined;
  if (array.dtype === "bool") return new NumpyScalar("bool", first !== 0);
  if (array.dtype === "complex64" || array.dtype === "complex128") {
    return new NumpyScalar(array.dtype, new PyComplex(Number(first), Number(second)));
  }
  return new NumpyScalar(array.dtype, first);
}

function arrayOf(
  bytes: PyValue | undefined,
  dtype: PyValue | undefined,
  shape: PyValue | undefined,
  order: "C" | "F",
): NumpyArray | undefined {
  const element = elementOf(dtype);
  if (!(bytes instanceof Uint8Array) || element === undefined) return undefined;
  if (!(shape instanceof PyTuple) || !shape.items.every(isLength)) return undefined;
  if (elementCount(shape.items) * DTYPES[element.type].sizeBytes !== bytes.length) return undefined;
  return new NumpyArray(element.type, [...shape.items], typed(bytes, element), order);
}

interface Element {
  readonly type: DType;
  readonly bigEndian: boolean;
}

const TYPE_BY_CODE = new Map<string, DType>((Object.keys(DTYPES) as DType[]).map((type) => [DTYPES[type].code, type]));

/** `dtype("f8", False, True)` with the state (3, "<", …), or `dtype("<f8")`; undefined where it has fields, units, text. */
function elementOf(dtype: PyValue | undefined): Element | undefined {
  if (!(dtype instanceof InertObject) || dtype.module !== "numpy" || dtype.name !== "dtype") return undefined;
  const [code] = dtype.args;
  if (typeof code !== "string") return undefined;
  const type = TYPE_BY_CODE.get(code.replace(/^[<>|=]/, ""));
  if (type === undefined) return undefined;
  if (dtype.state === undefined) return { type, bigEndian: code.startsWith(">") };
  if (!(dtype.state instanceof PyTuple)) return undefined;
  const [, byteOrder, subtype = null, names = null, fields = null] = dtype.state.items;
  if (subtype !== null || names !== null || fields !== null) return undefined;
  return { type, bigEndian: byteOrder === ">" };
}

/** The bytes as elements: the same memory where that is possible. */
function typed(bytes: Uint8Array, element: Element): NumpyData {
  const { data, sizeBytes } = DTYPES[element.type];
  const unitBytes = data.BYTES_PER_ELEMENT;
  const copied = element.bigEndian || bytes.byteOffset % unitBytes !== 0;
  const own = copied ? Uint8Array.from(bytes) : bytes;
  if (element.bigEndian) swap(own, Math.min(unitBytes, sizeBytes));
  return new data(own.buffer as ArrayBuffer, own.byteOffset, own.length / unitBytes);
}

function swap(bytes: Uint8Array, unitBytes: number): void {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  if (unitBytes === 2) buffer.swap16();
  else if (unitBytes === 4) buffer.swap32();
  else if (unitBytes === 8) buffer.swap64();
}

function scalarData(scalar: NumpyScalar): NumpyData {
  const { value } = scalar;
  const parts = value instanceof PyComplex ? [value.real, value.imaginary] : [value];
  const { data } = DTYPES[scalar.dtype];
  const elements = new data(parts.length);
  const isBig = elements instanceof BigInt64Array || elements instanceof BigUint64Array;
  parts.forEach((part, index) => {
    elements[index] = isBig ? BigInt(part) : Number(part);
  });
  return elements;
}

function dtypeCall(type: DType): PyCall {
  return new PyCall(new PyGlobal("numpy", "dtype"), [`<${DTYPES[type].code}`]);
}

function bytesOf(data: NumpyData): Uint8Array {
  return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
}

function elementCount(shape: readonly number[]): number {
  return shape.reduce((product, length) => product * length, 1);
}

function isLength(value: PyValue): value is number {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0;
}
