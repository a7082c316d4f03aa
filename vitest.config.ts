import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    tags: [{ name: "smoke", description: "What `npm run test:ray` runs on another version of Ray." }],
    projects: [
      { test: { name: "unit", include: ["src/**/*.test.ts", "dashboard/**/*.test.ts"], testTimeout: 20_000 } },
      {
        test: {
          name: "system",
          include: ["test/**/*.test.ts"],
          exclude: ["test/ray/**", "test/postgres/**"],
          testTimeout: 120_000,
          hookTimeout: 120_000,
          fileParallelism: false,
        },
      },
      {
        // What the storage is under, once more over PostgreSQL; and what only PostgreSQL can get wrong.
        test: {
          name: "postgres",
          include: ["test/postgres/**/*.test.ts", "test/services/**/*.test.ts", "test/telemetry/service.test.ts"],
          globalSetup: "test/postgres/run.ts",
          setupFiles: "test/postgres/needed.ts",
          testTimeout: 120_000,
          hookTimeout: 120_000,
          fileParallelism: false,
        },
      },
      {
        test: {
          name: "ray",
          include: ["test/ray/**/*.test.ts"],
          globalSetup: "test/ray/setup.ts",
          testTimeout: 400_000,
          hookTimeout: 400_000,
          fileParallelism: false,
        },
      },
    ],
  },
});
