/**
 * Accepted prices in both databases: written and read as they were, replaced, removed, and nonsense kept out.
 * What is read here is billed, so a row that is no price must never become one.
 */
import { beforeAll, expect, test } from "bun:test";
import type { SQL } from "bun";
import { eachDatabase } from "../../../test/support/postgres.ts";
import { migrate } from "../../db/migrate.ts";
import type { PriceDefinition } from "../definition.ts";
import { openOverrides, readStored } from "./overrides.ts";

const FULL: PriceDefinition = {
  input: "0.15",
  output: "0.6",
  cacheRead: "0.015",
  request: "0.005",
  searchedRequest: "0.035",
  tiers: [{ above: 200_000, input: "0.3", cacheWrite1h: "2" }],
};

eachDatabase((store) => {
  let sql: SQL;
  beforeAll(async () => {
    const database = await store.open();
    await migrate(database);
    sql = database.sql;
  }, 60_000);

  test("prices come back as they were put, and the last one counts", async () => {
    const overrides = openOverrides(sql);
    await overrides.put(
      new Map([
        ["p/a", FULL],
        ["p/b", { input: "1", output: "2" }],
      ]),
      "one",
    );
    await overrides.put(new Map([["p/b", { input: "3", output: "4" }]]), "two");
    const { prices, broken } = await overrides.load();
    expect([prices.get("p/a"), prices.get("p/b"), prices.size]).toEqual([FULL, { input: "3", output: "4" }, 2]);
    expect(broken).toEqual([]);
    const rows = await sql`select endpoint_id, source from price_overrides order by 1`;
    expect([...rows]).toEqual([
      { endpoint_id: "p/a", source: "one" },
      { endpoint_id: "p/b", source: "two" },
    ]);
    await overrides.remove(["p/a", "p/none"]);
    expect([...(await overrides.load()).prices.keys()]).toEqual(["p/b"]);
    await overrides.remove(["p/b"]);
  });

  test("a price that is not in force yet, or is none, is left out", async () => {
    await sql`
      insert into price_overrides (endpoint_id, price, source, effective_at) values
        ('p/later', '{"input": "1", "output": "2"}', 'test', now() + interval '1 hour'),
        ('p/float', '{"input": 1.5, "output": "2"}', 'test', now()),
        ('p/text', '"{}"', 'test', now())
    `;
    const { prices, broken } = await openOverrides(sql).load();
    expect([prices.size, [...broken]]).toEqual([0, ["p/float", "p/text"]]);
  });
});

test("only prices are read as prices", () => {
  const wrong: unknown[] = [
    null,
    [],
    {},
    { input: "1" },
    { input: "1", output: "-2" },
    { input: "1", output: "2", request: "-1" },
    { input: "1e3", output: "2" },
    { input: "0.0000001", output: "2" },
    { input: "1", output: "2", fee: "3" },
    { input: "2", output: "2", tiers: [{ above: 10, input: "1" }] },
    { input: "2", output: "2", tiers: [{ input: "3" }] },
  ];
  for (const value of wrong) expect(readStored(value)).toBeUndefined();
  expect(readStored(JSON.parse(JSON.stringify(FULL)))).toEqual(FULL);
});
