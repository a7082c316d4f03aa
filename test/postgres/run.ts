/** One database for a run of the project "postgres", made before its tests and dropped after them. */
import type { TestProject } from "vitest/node";
import { createTestDatabase, findServer } from "./server.ts";

declare module "vitest" {
  export interface ProvidedContext {
    /** Of the run's own database; empty when there is no server, undefined in other projects. */
    readonly postgresUrl: string | undefined;
  }
}

export default async function ({ provide }: TestProject): Promise<(() => Promise<void>) | undefined> {
  if ((await findServer()) === undefined) {
    provide("postgresUrl", "");
    return undefined;
  }
  const database = await createTestDatabase();
  provide("postgresUrl", database.url);
  return () => database.drop();
}
