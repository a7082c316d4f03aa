/**
 * Writes numbered rows for ever and tells each one that was acknowledged, as `ack <number>` lines.
 * `writer.ts <file> <callers> [count]`: so many callers, each with one write under way.
 */
import { writeSync } from "node:fs";
import { CompiledQuery } from "kysely";
import { openSqlite } from "#runtime/storage/sqlite.ts";
import { bodyOf } from "./rig.ts";

const [file = "", callers = "1", count = "Infinity"] = process.argv.slice(2);
const db = await openSqlite({ file });
await db.write([CompiledQuery.raw("create table if not exists rows (id integer primary key, body text)")]);
const [last] = await db.read<{ id: number }>(CompiledQuery.raw("select coalesce(max(id), 0) as id from rows"));
let next = (last?.id ?? 0) + 1;
const end = next + Number(count);
writeSync(1, "ready\n");
await Promise.all(
  Array.from({ length: Number(callers) }, async () => {
    while (next < end) {
      const id = next++;
      await db.write([CompiledQuery.raw("insert into rows values (?, ?)", [id, bodyOf(id)])]);
      writeSync(1, `ack ${id}\n`);
    }
  }),
);
await db.close();
