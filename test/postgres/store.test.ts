import { randomBytes } from "node:crypto";
import { inject } from "vitest";
import { openPostgres } from "#runtime/storage/postgres.ts";
import { describeStore } from "#testing/store-suite.ts";
import { addressOf, onDatabase } from "./server.ts";

describeStore("postgres", async () => {
  const url = inject("postgresUrl") ?? "";
  const schema = `store_${randomBytes(6).toString("hex")}`;
  return {
    open: () => openPostgres({ url, address: addressOf(url), schema }),
    remove: () => onDatabase(url, `drop schema if exists ${schema} cascade`),
  };
});
