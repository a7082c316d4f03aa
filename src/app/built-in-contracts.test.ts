import { expect, test } from "vitest";
import type { Contract } from "#core/contract.ts";
import { describeContract, fromDescription } from "#runtime/contract-description.ts";
import { toOpenApi } from "#runtime/openapi/openapi.ts";
import { BUILT_IN_CONTRACTS } from "./built-in-contracts.ts";

// They use whatever a contract may: a kind of schema that a description loses would be lost of a person's service too.
test.each<Contract>(Object.values(BUILT_IN_CONTRACTS))(
  "$name, described and read again, is documented as before",
  (contract) => {
    const description = JSON.parse(JSON.stringify(describeContract(contract))) as ReturnType<typeof describeContract>;
    expect(toOpenApi([fromDescription(description)], "1")).toEqual(toOpenApi([contract], "1"));
  },
);
