/** Random values for the tests: such as come back from Python equal to what was sent, to the type. */
import fc from "fast-check";
import { DTYPES, type DType, NumpyArray, NumpyScalar } from "#runtime/ray/pickle/numpy.ts";
import { PyDate, PyDateTime, PyTime, PyTimeDelta, PyTimeZone } from "#runtime/ray/pickle/times.ts";
import {
  PyByteArray,
  PyComplex,
  PyDecimal,
  PyFloat,
  PyFrozenSet,
  PyRange,
  PyTuple,
  PyUuid,
  type PyValue,
} from "#runtime/ray/pickle/values.ts";

const bigInteger = fc
  .bigInt({ min: -(2n ** 2100n), max: 2n ** 2100n })
  .filter((value) => value > Number.MAX_SAFE_INTEGER || value < Number.MIN_SAFE_INTEGER);
const text = fc.oneof(
  fc.string({ unit: "binary", maxLength: 300 }),
  fc.tuple(fc.string(), fc.integer({ min: 0xd800, max: 0xdfff }), fc.string()).map(([before, unit, after]) => {
    return `${before} ${String.fromCharCode(unit)} ${after}`;
  }),
);
const bytes = fc.uint8Array({ maxLength: 300 });

const timeDelta = fc
  .tuple(
    fc.integer({ min: -999_999_999, max: 999_999_999 }),
    fc.integer({ min: 0, max: 86_399 }),
    fc.integer({ min: 0, max: 999_999 }),
  )
  .map((parts) => new PyTimeDelta(...parts));
const timeZone = fc
  .tuple(fc.integer({ min: -86_399, max: 86_399 }), fc.option(fc.string()))
  .map(
    ([seconds, name]) =>
      new PyTimeZone(new PyTimeDelta(seconds < 0 ? -1 : 0, seconds < 0 ? seconds + 86_400 : seconds), name),
  );
const date = fc
  .date({ min: new Date("0001-01-01T00:00:00Z"), max: new Date("9999-12-31T00:00:00Z"), noInvalidDate: true })
  .map((day) => new PyDate(day.getUTCFullYear(), day.getUTCMonth() + 1, day.getUTCDate()));
const time = fc
  .tuple(fc.nat(23), fc.nat(59), fc.nat(59), fc.nat(999_999), fc.option(timeZone))
  .map((parts) => new PyTime(...parts));

const dtype = fc.constantFrom(...(Object.keys(DTYPES) as DType[]));
const array = fc
  .tuple(dtype, fc.array(fc.nat(4), { maxLength: 3 }), fc.uint8Array({ minLength: 1, maxLength: 40 }))
  .map(([type, shape, content]) => {
    const { data, sizeBytes } = DTYPES[type];
    const count = shape.reduce((product, length) => product * length, 1);
    const raw = Uint8Array.from(
      { length: count * sizeBytes },
      (_, index) => (content[index % content.length] ?? 0) & (type === "bool" ? 1 : 0xff),
    );
    // numpy calls an array that is in both orders one in C order.
    const order = shape.filter((length) => length > 1).length > 1 && !shape.includes(0) ? "F" : "C";
    return new NumpyArray(type, shape, new data(raw.buffer), order);
  });
const scalar = fc.oneof(
  fc.boolean().map((value) => new NumpyScalar("bool", value)),
  fc.nat(255).map((value) => new NumpyScalar("uint8", value)),
  fc.integer().map((value) => new NumpyScalar("int32", value)),
  fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }).map((value) => new NumpyScalar("int64", value)),
  fc.float().map((value) => new NumpyScalar("float32", value)),
  fc.double().map((value) => new NumpyScalar("float64", value)),
  fc.tuple(fc.double(), fc.double()).map((parts) => new NumpyScalar("complex128", new PyComplex(...parts))),
);

/** What can be a member of a set; of different types so that none equals another in Python. */
const members = fc
  .uniqueArray(fc.oneof(text, bigInteger), { maxLength: 5 })
  .map((parts) => [...parts, null, new PyTuple(parts)]);

const leaf: fc.Arbitrary<PyValue> = fc.oneof(
  fc.constantFrom<PyValue>(null, true, false, -0, Number.NaN, Infinity, new PyTuple([])),
  fc.integer(),
  fc.maxSafeInteger(),
  fc.double(),
  fc.integer().map((value) => new PyFloat(value)),
  bigInteger,
  text,
  bytes,
  bytes.map((value) => new PyByteArray(value)),
  fc.tuple(fc.double(), fc.double()).map((parts) => new PyComplex(...parts)),
  fc.tuple(fc.integer(), fc.integer(), fc.integer({ min: 1 })).map((parts) => new PyRange(...parts)),
  fc.tuple(fc.integer(), fc.nat(89)).map(([whole, part]) => new PyDecimal(`${whole}.${part + 10}`)),
  fc.uuid().map((value) => new PyUuid(value)),
  members.map((parts) => new Set<PyValue>(parts)),
  members.map((parts) => new PyFrozenSet(parts)),
  timeDelta,
  timeZone,
  date,
  time,
  fc.tuple(date, time).map((parts) => new PyDateTime(...parts)),
  scalar,
  array,
);

/** Leaves, and lists, tuples, dicts and maps of them. */
export const pyValue: fc.Arbitrary<PyValue> = fc.letrec<{ value: PyValue }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 4, withCrossShrink: true },
    leaf,
    fc.array(tie("value"), { maxLength: 6 }),
    fc.array(tie("value"), { maxLength: 6 }).map((items) => new PyTuple(items)),
    fc.dictionary(
      text.filter((key) => key !== "__proto__"),
      tie("value"),
      { maxKeys: 6, noNullPrototype: true },
    ),
    fc
      .uniqueArray(fc.tuple(fc.oneof(fc.integer(), text), tie("value")), { selector: ([key]) => key, maxLength: 5 })
      .map((entries) => {
        return new Map<PyValue, PyValue>([[null, "a key that is no text"], ...entries]);
      }),
  ),
})).value;
