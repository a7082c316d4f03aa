/** Skips every test of the project "postgres", by name, where there is no server; on CI there must be one. */
import { beforeEach, inject } from "vitest";
import { NO_SERVER } from "./server.ts";

const { CI = "" } = process.env;

beforeEach((test) => {
  if (inject("postgresUrl") !== "") return;
  if (CI !== "") throw new Error(`${NO_SERVER} CI must have one.`);
  test.skip(NO_SERVER);
});
