import { expect, test } from "vitest";

test("what programs can import: a name that is added or lost here is a change of the public interface", async () => {
  expect(Object.keys(await import("./index.ts")).sort()).toMatchInlineSnapshot(`
    [
      "NumpyArray",
      "NumpyScalar",
      "PyByteArray",
      "PyComplex",
      "PyDate",
      "PyDateTime",
      "PyDecimal",
      "PyFloat",
      "PyFrozenSet",
      "PyRange",
      "PyTime",
      "PyTimeDelta",
      "PyTimeZone",
      "PyTuple",
      "PyUuid",
      "ServiceError",
      "connect",
      "defineContract",
      "defineService",
      "implement",
      "isPythonException",
      "isServiceError",
      "procedure",
      "z",
    ]
  `);
});
