import { expect, it } from "vitest";
import { BUILT_IN_CONTRACTS } from "#app/built-in-contracts.ts";
import { ROUTES } from "./routes.ts";

// A route of a contract that was changed would be a page that shows nothing.
it.each(Object.entries(ROUTES))("%s is where the contract says", (name, [method, path]) => {
  const [service = "", procedure = ""] = name.split(".");
  const contract = BUILT_IN_CONTRACTS[service as keyof typeof BUILT_IN_CONTRACTS];
  expect(contract.procedures[procedure as never]).toMatchObject({ method, path });
});
