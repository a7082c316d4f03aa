import type { PyComplex } from "./values.ts";

/** What holds an array's elements. A bool is a byte; a complex number two floats, real part first. */
export type NumpyData =
  | Int8Array
  | Uint8Array
  | Int16Array
  | Uint16Array
  | Int32Array
  | Uint32Array
  | BigInt64Array
  | BigUint64Array
  | Float32Array
  | Float64Array;

/** The element types that are read and written. Byte order is this machine's; big-endian input is turned round. */
export const DTYPES = {
  bool: { code: "b1", sizeBytes: 1, data: Uint8Array },
  int8: { code: "i1", sizeBytes: 1, data: Int8Array },
  uint8: { code: "u1", sizeBytes: 1, data: Uint8Array },
  int16: { code: "i2", sizeBytes: 2, data: Int16Array },
  uint16: { code: "u2", sizeBytes: 2, data: Uint16Array },
  int32: { code: "i4", sizeBytes: 4, data: Int32Array },
  uint32: { code: "u4", sizeBytes: 4, data: Uint32Array },
  int64: { code: "i8", sizeBytes: 8, data: BigInt64Array },
  uint64: { code: "u8", sizeBytes: 8, data: BigUint64Array },
  float32: { code: "f4", sizeBytes: 4, data: Float32Array },
  float64: { code: "f8", sizeBytes: 8, data: Float64Array },
  complex64: { code: "c8", sizeBytes: 8, data: Float32Array },
  complex128: { code: "c16", sizeBytes: 16, data: Float64Array },
} as const;

export type DType = keyof typeof DTYPES;

/** One element with its type: `numpy.float32(0.5)`. */
export class NumpyScalar {
  readonly dtype: DType;
  /** A bool for bool, `PyComplex` for complex types, `bigint` for the 8-byte integers, else a number. */
  readonly value: boolean | number | bigint | PyComplex;

  constructor(dtype: DType, value: boolean | number | bigint | PyComplex) {
    this.dtype = dtype;
    this.value = value;
  }
}

/** `numpy.ndarray`. */
export class NumpyArray {
  readonly dtype: DType;
  /** Length of each axis; `[]` is a single element. */
  readonly shape: readonly number[];
  /** All elements: the last axis varies fastest, in Fortran order the first. */
  readonly data: NumpyData;
  readonly order: "C" | "F";

  constructor(dtype: DType, shape: readonly number[], data: NumpyData, order: "C" | "F" = "C") {
    this.dtype = dtype;
    this.shape = shape;
    this.data = data;
    this.order = order;
  }
}
