/**
 * Tests of coupons on both databases: who may redeem what how often, also when many try at once, and that guessing ends.
 * A coupon's credit is a movement like any other, with its end.
 */
import { beforeAll, expect, test } from "bun:test";
import { lotsOf, makeWorkspace } from "../../test/support/credits.ts";
import { eachDatabase } from "../../test/support/postgres.ts";
import { GatewayError } from "../core/error.ts";
import { nano } from "../core/money.ts";
import type { Database } from "../db/database.ts";
import { migrate } from "../db/migrate.ts";
import { ormOver } from "../db/transaction.ts";
import { readAudit } from "./audit.ts";
import { type Books, openBooks } from "./books.ts";
import { COUPON_CODE, type Coupons, type NewCoupon, openCoupons } from "./coupons.ts";

eachDatabase((store) => {
  let database: Database;
  let books: Books;
  let coupons: Coupons;
  let nowMs: number;
  beforeAll(async () => {
    database = await store.open();
    await migrate(database);
    books = openBooks(database.sql);
    nowMs = Date.now();
    coupons = openCoupons({ sql: database.sql, books, nowMs: () => nowMs });
  }, 60_000);

  const make = (over: Partial<NewCoupon> = {}) =>
    coupons.create({ amountNano: nano(500n), maxRedemptions: 3, actor: "root", ...over });
  const workspace = async () => (await makeWorkspace(database.sql, books, 0n)).id;
  const redeem = (code: string, workspaceId: string) => coupons.redeem({ code, workspaceId, actor: "key:x" });
  const refusal = async (work: Promise<unknown>) => {
    const thrown = await work.then(
      () => undefined,
      (error: unknown) => error,
    );
    expect(thrown).toBeInstanceOf(GatewayError);
    return thrown as GatewayError;
  };

  test("a code in any case gives the credit once to a workspace", async () => {
    const { code } = await make({ code: "Spring-26", creditDays: 30 });
    expect(code).toBe("SPRING-26");
    const id = await workspace();
    const posted = await redeem(" sprinG-26 ", id);
    expect(posted).toMatchObject({ outcome: "posted", kind: "coupon", amountNano: 500n, reference: "SPRING-26" });
    expect(posted.expiresAt?.getTime()).toBe(posted.createdAt.getTime() + 30 * 86_400_000);
    expect(await lotsOf(database.sql, id)).toEqual([nano(500n)]);
    expect((await refusal(redeem("SPRING-26", id))).status).toBe(409);
    expect((await books.balance(id))?.balanceNano).toBe(nano(500n));
    expect((await books.check()).problems).toEqual([]);
  });

  test("a code made by the program is long, and there is no second of one", async () => {
    const { code } = await make();
    expect(code).toMatch(COUPON_CODE);
    expect(code.length).toBe(23);
    expect((await refusal(make({ code: code.toLowerCase() }))).status).toBe(409);
    expect((await refusal(make({ code: "a b" }))).code).toBe("invalid_request");
  });

  test("many workspaces at once redeem it exactly as often as it allows", async () => {
    const { code, id } = await make({ maxRedemptions: 4 });
    const all = await Promise.all(Array.from({ length: 12 }, workspace));
    const answers = await Promise.allSettled(all.flatMap((one) => [redeem(code, one), redeem(code, one)]));
    expect(answers.filter(({ status }) => status === "fulfilled")).toHaveLength(4);
    const [found] = await coupons.list({ limit: 1 });
    expect(found).toMatchObject({ id, redemptions: 4 });
    const balances = await Promise.all(all.map((one) => books.balance(one)));
    expect(balances.filter((one) => one?.balanceNano === 500n)).toHaveLength(4);
  });

  test("one that has expired, is used up, is disabled or isn't there is refused, and says which but for the last two", async () => {
    const id = await workspace();
    const expired = await make({ expiresAt: new Date(nowMs - 1) });
    expect((await refusal(redeem(expired.code, id))).message).toContain("expired");
    const used = await make({ maxRedemptions: 1 });
    await redeem(used.code, await workspace());
    expect((await refusal(redeem(used.code, id))).message).toContain("used up");
    const disabled = await make();
    await coupons.setDisabled(disabled.id, true, "root");
    const [off, absent] = [await refusal(redeem(disabled.code, id)), await refusal(redeem("NO-SUCH-CODE", id))];
    expect([off.code, off.message]).toEqual(["not_found", absent.message]);
    await coupons.setDisabled(disabled.id, false, "root");
    expect((await redeem(disabled.code, id)).outcome).toBe("posted");
    expect(await coupons.setDisabled(crypto.randomUUID(), true, "root")).toBeUndefined();
  });

  test("ten wrong codes in an hour are enough, also all at once; the right ones don't count", async () => {
    const id = await workspace();
    const wrong = await Promise.all(Array.from({ length: 15 }, () => refusal(redeem("GUESS-1", id))));
    expect(wrong.filter(({ code }) => code === "rate_limit_exceeded")).toHaveLength(5);
    const { code } = await make();
    const limited = await refusal(redeem(code, id));
    expect([limited.code, limited.retryAfterMs]).toEqual(["rate_limit_exceeded", 3_600_000]);
    expect((await redeem(code, await workspace())).outcome).toBe("posted");
    nowMs += 3_600_000;
    expect((await redeem(code, id)).outcome).toBe("posted");
    for (let round = 0; round < 12; round++) expect((await refusal(redeem(code, id))).status).toBe(409);
  });

  test("coupons are listed newest first, page by page", async () => {
    const made = [await make(), await make(), await make()].map(({ id }) => id).reverse();
    const first = await coupons.list({ limit: 2 });
    expect(first.map(({ id }) => id)).toEqual(made.slice(0, 2));
    const next = await coupons.list({ limit: 1, cursor: first[1]?.id });
    expect(next.map(({ id }) => id)).toEqual(made.slice(2));
  });

  test("what was done to a coupon is in the audit trail, its code is not", async () => {
    const { id, code } = await make();
    const workspaceId = await workspace();
    await redeem(code, workspaceId);
    await coupons.setDisabled(id, true, "root");
    const lines = await readAudit(ormOver(database.sql), { limit: 10 });
    const actions = lines.filter(({ target }) => target === id).map(({ action, actor }) => [action, actor]);
    expect(actions).toEqual([
      ["coupon.disable", "root"],
      ["coupon.redeem", "key:x"],
      ["coupon.create", "root"],
    ]);
    expect(JSON.stringify(lines)).not.toContain(code);
    const error = await database.sql`delete from audit_log`.catch((thrown: unknown) => thrown);
    expect(String(error)).toContain("append only");
  });
});
