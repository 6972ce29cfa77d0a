/**
 * Tests of the routes for prices: who may call them, what is handed on, and bodies that make no sense.
 * What the functions behind them do is tested with the price book.
 */
import { describe, expect, test } from "bun:test";
import { type PriceActions, priceRoutes } from "./prices.ts";
import type { ManagementRoute } from "./route.ts";

function open() {
  const calls: [string, unknown][] = [];
  const note = (name: string) => async (wish: object) => {
    calls.push([name, wish]);
    return { rows: [], omitted: undefined };
  };
  const actions: PriceActions = { diff: note("diff"), apply: note("apply"), reset: note("reset") };
  const routes = priceRoutes(actions);
  const ask = (name: string, body: object) => {
    const route = routes.find(({ path }) => path === `admin/prices/${name}`) as ManagementRoute;
    const caller = { principal: undefined };
    return route.handle({ caller, params: {}, query: new URLSearchParams(), body: body as never });
  };
  return { calls, routes, ask };
}

describe("the routes for prices", () => {
  test("are for the root key only", () => {
    expect(open().routes.map(({ method, access }) => [method, access])).toEqual(Array(3).fill(["POST", "root"]));
  });

  test("hand on what is wished, and answer with what comes back", async () => {
    const { ask, calls } = open();
    expect(await ask("diff", { only: ["gpt-*"], at: "2027-01-01" })).toEqual({ body: { data: { rows: [] } } });
    await ask("diff", {});
    await ask("apply", { only: ["p/m"], digest: "d" });
    await ask("reset", { only: ["*"] });
    expect(calls).toEqual([
      ["diff", { only: ["gpt-*"], at: new Date("2027-01-01T00:00:00Z") }],
      ["diff", {}],
      ["apply", { only: ["p/m"], digest: "d" }],
      ["reset", { only: ["*"] }],
    ]);
  });

  const wrong: [string, string, object][] = [
    ["a field that there is not", "apply", { endpoints: ["p/m"] }],
    ["a day that there is not", "diff", { at: "2027-02-30" }],
    ["a time that is none", "diff", { at: "soon" }],
    ["a glob that is no text", "apply", { only: [5] }],
    ["no globs at all", "reset", { only: [] }],
    ["too many globs", "reset", { only: Array(501).fill("x") }],
  ];
  for (const [name, route, body] of wrong) {
    test(`${name} is refused, and nothing is done`, async () => {
      const { ask, calls } = open();
      const refused = await Promise.resolve()
        .then(() => ask(route, body))
        .catch((error) => error);
      expect(refused).toMatchObject({ code: "invalid_request" });
      expect(calls).toEqual([]);
    });
  }
});
