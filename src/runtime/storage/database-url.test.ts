import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { describePlace, toDatabasePlace, toSchemaName } from "./database-url.ts";

describe("a database URL", () => {
  it.each([
    ["sqlite:/var/lib/seedcore", "SQLite in /var/lib/seedcore"],
    ["postgres://host/db", "PostgreSQL at host:5432/db"],
    ["postgresql://me:pw@host:6000/db?sslmode=require", "PostgreSQL at host:6000/db"],
    ["postgres://me:pw@[::1]/db", "PostgreSQL at [::1]:5432/db"],
    ["postgres:///db?host=/var/run/postgresql", "PostgreSQL at /var/run/postgresql:5432/db"],
    ["postgres://me@%2Fvar%2Frun%2Fpostgresql/db", "PostgreSQL at /var/run/postgresql:5432/db"],
    ["postgres://me@host", "PostgreSQL at host:5432/me"],
  ])("%s is %s", (url, text) => {
    expect(describePlace(toDatabasePlace(url))).toBe(text);
  });

  // What a log or an error says of a URL is read by more people than may have the password.
  it("never shows its password", () => {
    fc.assert(
      fc.property(fc.string({ minLength: 12, maxLength: 30 }), (password) => {
        const secret = `${password}#tr0ub4dor`;
        for (const written of [secret, encodeURIComponent(secret)]) {
          for (const scheme of ["postgres", "mysql"]) {
            let said: string;
            try {
              said = describePlace(toDatabasePlace(`${scheme}://me:${written}@host/db`));
            } catch (error) {
              said = String(error);
            }
            expect(said).not.toContain("tr0ub4dor");
          }
        }
      }),
    );
  });
});

// Two organisms that shared a schema would take each other's shards and tasks.
describe("a schema's name", () => {
  it("is another for every other namespace or database", () => {
    const namespace = fc.stringMatching(/^[A-Za-z0-9][A-Za-z0-9._-]{0,40}$/);
    const database = fc.constantFrom("seedcore", "points", "a-b");
    fc.assert(
      fc.property(namespace, database, namespace, database, (one, its, other, others) => {
        const isSame = one === other && its === others;
        expect(toSchemaName(one, its) === toSchemaName(other, others)).toBe(isSame);
      }),
    );
    expect(toSchemaName("a__b", "points")).toBe("a__b__points");
  });

  it("is refused when PostgreSQL would cut it, and so make two the same", () => {
    expect(() => toSchemaName("n".repeat(60), "points")).toThrow(/too long for PostgreSQL.*up to 55/);
  });
});
