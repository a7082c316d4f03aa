/** Skips every test of the project "postgres", by name, where there is no server; on CI there must be one. */
import { beforeEach, inject } from "vitest";

const { CI = "" } = process.env;

beforeEach((test) => {
  if (inject("postgresUrl") !== "") return;
  const what = "There is no PostgreSQL server at 127.0.0.1:5432, at /var/run/postgresql, or where DATABASE_URL says.";
  if (CI !== "") throw new Error(`${what} CI must have one.`);
  test.skip(what);
});
