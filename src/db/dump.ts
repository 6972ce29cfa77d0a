/**
 * Writes the schema of a migrated database as text that is the same for the same schema, whatever the server's version.
 * `schema.generated.sql` is made by it, to be read and compared; nothing in the path of a call uses it.
 */
import type { SQL } from "bun";

/** The tables, columns, constraints and indexes of the schema `public`, sorted by name, as SQL to read. */
export async function dumpSchema(sql: SQL): Promise<string> {
  const tables = group(await readColumns(sql));
  const constraints = group(await readConstraints(sql));
  const indexes = group(await readIndexes(sql));
  const parts = [...tables].map(([table, columns]) => {
    const body = [...columns, ...(constraints.get(table) ?? [])].map((line) => `  ${line}`).join(",\n");
    return [`create table ${table} (\n${body}\n);\n`, ...(indexes.get(table) ?? []).map((line) => `${line};\n`)].join(
      "",
    );
  });
  return `-- Generated from the migrations; a test compares it.\n\n${parts.join("\n")}`;
}

interface Line {
  table: string;
  line: string;
}

function readColumns(sql: SQL): Promise<Line[]> {
  return sql`
    select c.relname as "table",
      a.attname || ' ' || format_type(a.atttypid, a.atttypmod)
        || case when a.attnotnull then ' not null' else '' end
        || coalesce(' default ' || pg_get_expr(d.adbin, d.adrelid), '') as "line"
    from pg_class c
    join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
    left join pg_attrdef d on d.adrelid = c.oid and d.adnum = a.attnum
    where c.relnamespace = 'public'::regnamespace and c.relkind = 'r'
    order by c.relname collate "C", a.attnum`;
}

/** Without the constraints that PostgreSQL 18 lists for `not null`: the columns say it. */
function readConstraints(sql: SQL): Promise<Line[]> {
  return sql`
    select c.relname as "table", 'constraint ' || k.conname || ' ' || pg_get_constraintdef(k.oid) as "line"
    from pg_constraint k
    join pg_class c on c.oid = k.conrelid
    where c.relnamespace = 'public'::regnamespace and k.contype <> 'n'
    order by c.relname collate "C", k.conname collate "C"`;
}

function readIndexes(sql: SQL): Promise<Line[]> {
  return sql`
    select c.relname as "table", pg_get_indexdef(i.indexrelid) as "line"
    from pg_index i
    join pg_class c on c.oid = i.indrelid
    join pg_class x on x.oid = i.indexrelid
    where c.relnamespace = 'public'::regnamespace
      and not exists (select 1 from pg_constraint k where k.conindid = i.indexrelid)
    order by c.relname collate "C", x.relname collate "C"`;
}

function group(lines: Line[]): Map<string, string[]> {
  const groups = new Map<string, string[]>();
  for (const { table, line } of lines) groups.set(table, [...(groups.get(table) ?? []), line]);
  return groups;
}
