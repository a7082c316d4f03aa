import type { Inert } from "./inert.ts";
import type { NumpyArray, NumpyScalar } from "./numpy.ts";
import type { PythonError } from "./python-error.ts";
import type { RayHandle } from "./ray-reference.ts";
import type { PyDate, PyDateTime, PyTime, PyTimeDelta, PyTimeZone } from "./times.ts";

/**
 * What passes between TypeScript and Python.
 *
 * | Python | read as | written from |
 * | --- | --- | --- |
 * | None | `null` | `null`; `undefined` as a property leaves the property out, elsewhere it is refused |
 * | bool | `boolean` | `boolean` |
 * | int | `number` when safe, else `bigint` | safe integers (not `-0`), every `bigint` |
 * | float | `number`; with `exact` a `PyFloat` where the number would be written as an int | every other `number`, `PyFloat` |
 * | str | `string`, lone surrogates kept; a surrogate pair that Python holds as two becomes one character | `string` |
 * | bytes | `Uint8Array` of its own | `Uint8Array`, so `Buffer` too |
 * | bytearray | `PyByteArray` | `PyByteArray` |
 * | list | array | array |
 * | tuple | `PyTuple` | `PyTuple` |
 * | set, frozenset | `Set`, `PyFrozenSet`; members that are objects are compared by identity | the same |
 * | dict | plain object if all keys are text and none is `__proto__`; else `Map`. Digit-only keys of an object come first | the same |
 * | complex, range | `PyComplex`, `PyRange` | the same |
 * | Decimal, UUID | `PyDecimal`, `PyUuid` (their text) | the same |
 * | datetime, date, time, timedelta, timezone | `PyDateTime`, `PyDate`, `PyTime`, `PyTimeDelta`, `PyTimeZone` | the same; a `Date` as datetime in UTC |
 * | numpy scalar, ndarray | `NumpyScalar`, `NumpyArray`; other dtypes than bool, integers, floats, complex of 1 to 8 (16) bytes: `InertObject` | the same |
 * | Ray's references and actors | what `handleOf` returns, else `RayReference` | anything with `toRayReference` |
 * | exceptions | `PythonError` | only with `writeInert` |
 * | classes and functions by name | `InertGlobal` | only with `writeInert` |
 * | enums, dataclasses, every other object | `InertObject`: class, arguments, state | only with `writeInert` |
 * | (a name to import, a call to make) | never | `PyGlobal`, `PyCall` |
 *
 * Shared and cyclic references are kept in both directions.
 */
export type PyValue =
  | null
  | boolean
  | number
  | bigint
  | string
  | Uint8Array
  | Date
  | readonly PyValue[]
  | ReadonlySet<PyValue>
  | ReadonlyMap<PyValue, PyValue>
  | PyDict
  | PyFloat
  | PyByteArray
  | PyTuple
  | PyComplex
  | PyRange
  | PyDecimal
  | PyUuid
  | PyDateTime
  | PyDate
  | PyTime
  | PyTimeDelta
  | PyTimeZone
  | NumpyScalar
  | NumpyArray
  | RayHandle
  | PythonError
  | Inert
  | PyGlobal
  | PyCall;

/** A dict with text as keys. */
export interface PyDict {
  readonly [key: string]: PyValue | undefined;
}

/** A number that is a float in Python although it is whole: `new PyFloat(1)` is `1.0`. */
export class PyFloat {
  readonly value: number;

  constructor(value: number) {
    this.value = value;
  }

  valueOf(): number {
    return this.value;
  }
}

/** Mutable bytes. */
export class PyByteArray {
  readonly bytes: Uint8Array;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
  }
}

export class PyTuple {
  readonly items: readonly PyValue[];

  constructor(items: readonly PyValue[]) {
    this.items = items;
  }
}

export class PyFrozenSet extends Set<PyValue> {}

export class PyComplex {
  readonly real: number;
  readonly imaginary: number;

  constructor(real: number, imaginary: number) {
    this.real = real;
    this.imaginary = imaginary;
  }
}

/** `range(start, stop, step)`. */
export class PyRange {
  readonly start: number | bigint;
  readonly stop: number | bigint;
  readonly step: number | bigint;

  constructor(start: number | bigint, stop: number | bigint, step: number | bigint = 1) {
    this.start = start;
    this.stop = stop;
    this.step = step;
  }
}

/** A decimal number as Python prints it: `1.10`, `-0E+3`, `NaN`, `Infinity`. */
export class PyDecimal {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }

  toString(): string {
    return this.text;
  }
}

/** A UUID as 8-4-4-4-12 lower-case hexadecimal digits. */
export class PyUuid {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }

  toString(): string {
    return this.text;
  }
}

/**
 * A name that Python imports while it reads. Whoever chooses the name chooses what runs: for our own constants only,
 * never for a name that came from outside. The reader never makes one.
 */
export class PyGlobal {
  readonly module: string;
  readonly name: string;

  constructor(module: string, name: string) {
    this.module = module;
    this.name = name;
  }
}

/** A call that Python makes while it reads, `callable(*args)`. The warning of `PyGlobal` holds here too. */
export class PyCall {
  readonly callable: PyGlobal | PyCall;
  readonly args: readonly PyValue[];

  constructor(callable: PyGlobal | PyCall, args: readonly PyValue[]) {
    this.callable = callable;
    this.args = args;
  }
}
