/**
 * Tests of credit that ends, on both databases: what use takes first, what expires and when, and that it does so once.
 * The last one does everything at random and asks the books after each step.
 */
import { beforeAll, describe, expect, test } from "bun:test";
import fc from "fast-check";
import { lotsOf, makeWorkspace, spend } from "../../test/support/credits.ts";
import { eachDatabase } from "../../test/support/postgres.ts";
import { nano } from "../core/money.ts";
import type { Database } from "../db/database.ts";
import { migrate } from "../db/migrate.ts";
import { type Books, creditAccount, openBooks } from "./books.ts";
import { openCoupons } from "./coupons.ts";
import { expireCredits, warnOfExpiry } from "./expiry.ts";
import { type GrantWish, grantCredit } from "./grants.ts";
import type { CreditEnd } from "./lots.ts";

const DAY_MS = 86_400_000;

eachDatabase((store) => {
  let database: Database;
  let books: Books;
  beforeAll(async () => {
    database = await store.open();
    await migrate(database);
    books = openBooks(database.sql);
  }, 60_000);

  const inDays = (count: number) => new Date(Date.now() + count * DAY_MS);
  const balanceOf = async (id: string) => (await books.balance(id))?.balanceNano as bigint;
  const lots = (id: string) => lotsOf(database.sql, id) as Promise<bigint[]>;
  const balanced = async () => expect((await books.check()).problems).toEqual([]);

  function give(workspaceId: string, amount: bigint, end: CreditEnd = null, over: Partial<GrantWish> = {}) {
    const idempotencyKey = crypto.randomUUID();
    const wish = { workspaceId, amountNano: nano(amount), reason: "r", idempotencyKey, end, actor: "root", ...over };
    return grantCredit(database.sql, books, wish);
  }

  describe("use", () => {
    test("takes what expires first, then what expires later, then what has no end", async () => {
      const { id } = await makeWorkspace(database.sql, books, 100n);
      await give(id, 50n, { at: inDays(20) });
      await give(id, 30n, { at: inDays(10) });
      await spend(database.sql, id, 20n);
      expect(await lots(id)).toEqual([10n, 50n]);
      await spend(database.sql, id, 40n);
      expect(await lots(id)).toEqual([0n, 20n]);
      await spend(database.sql, id, 60n);
      expect(await lots(id)).toEqual([0n, 0n]);
      expect(await balanceOf(id)).toBe(60n);
      await balanced();
    });

    test("by several workspaces in one batch takes from each one's own", async () => {
      const [a, b] = await Promise.all([1, 2].map(() => makeWorkspace(database.sql, books, 100n, 30)));
      const group = (id: string, cost: number) =>
        `row('${id}', gen_random_uuid(), null, 'credit', null, null, null, ${cost}, 0, 0, 0)::settled_group`;
      await database.sql.unsafe(
        `select ledger_settle(gen_random_uuid(), gen_random_uuid(),
          array[${group(a!.id, 10)}, ${group(a!.id, 5)}, ${group(b!.id, 70)}], '{}')`,
      );
      expect([await lots(a!.id), await lots(b!.id)]).toEqual([[85n], [30n]]);
    });

    test("is what an adjustment and a refund are, too", async () => {
      const { id } = await makeWorkspace(database.sql, books, 10n);
      await give(id, 30n, { days: 3 });
      await give(id, -20n);
      expect(await lots(id)).toEqual([10n]);
      const entries = [
        { account: creditAccount(id), amountNano: nano(-50n) },
        { account: "stripe-clearing", amountNano: nano(50n) },
      ] as const;
      await books.post({ kind: "refund", idempotencyKey: id, workspaceId: id, actor: "t", overdraw: true, entries });
      expect([await lots(id), await balanceOf(id)]).toEqual([[0n], -30n]);
    });
  });

  test("credit that pays a debt back does not expire later", async () => {
    const { id } = await makeWorkspace(database.sql, books, 0n);
    const entries = [
      { account: creditAccount(id), amountNano: nano(-30n) },
      { account: "stripe-clearing", amountNano: nano(30n) },
    ] as const;
    await books.post({ kind: "dispute", idempotencyKey: id, workspaceId: id, actor: "t", overdraw: true, entries });
    await give(id, 20n, { days: 1 });
    await give(id, 50n, { days: 2 });
    expect([await lots(id), await balanceOf(id)]).toEqual([[0n, 40n], 40n]);
    await expireCredits(database.sql, books, inDays(3));
    expect(await balanceOf(id)).toBe(0n);
    await balanced();
  });

  describe("expiry", () => {
    test("takes what is left of it, once, on any number of nodes at once", async () => {
      const { id } = await makeWorkspace(database.sql, books, 100n);
      await give(id, 50n, { at: inDays(5) });
      await spend(database.sql, id, 20n);
      expect(await expireCredits(database.sql, books, inDays(4.9))).toBe(0);
      const sweeps = await Promise.all(
        Array.from({ length: 6 }, () => expireCredits(database.sql, books, inDays(5.1))),
      );
      expect(sweeps.reduce((sum, one) => sum + one)).toBe(1);
      expect([await balanceOf(id), await lots(id)]).toEqual([100n, [0n]]);
      await balanced();
    });

    test("leaves what calls under way have set aside, and takes it when they don't need it", async () => {
      const { id } = await makeWorkspace(database.sql, books, 100n, 5);
      const node = crypto.randomUUID();
      await books.register(node);
      const account = creditAccount(id);
      await books.take(node, { purse: account, limit: null, needed: 70n, least: 70n, extra: 0n });
      await expireCredits(database.sql, books, inDays(6));
      expect([await balanceOf(id), await lots(id)]).toEqual([70n, [70n]]);
      await spend(database.sql, id, 0n);
      await books.giveBack(node, new Map([[account, 70n]]));
      await expireCredits(database.sql, books, inDays(6));
      expect([await balanceOf(id), await lots(id)]).toEqual([0n, [0n]]);
      await balanced();
    });

    test("of more lots than a page has reaches all of them", async () => {
      const { id } = await makeWorkspace(database.sql, books, 0n);
      await database.sql`
        with t as (insert into ledger_transactions (id, kind, idempotency_key, input_hash, workspace_id, actor)
          select gen_random_uuid(), 'grant', ${id} || n, 'x', ${id}::uuid, 't' from generate_series(1, 450) n returning id),
        e as (insert into ledger_entries (transaction_id, account_id, amount_nano)
          select id, a, v from t cross join lateral (values ('credit:' || ${id}, 1), ('promotions', -1)) as x (a, v))
        insert into credit_lots (id, workspace_id, transaction_id, amount_nano, remaining_nano, expires_at)
        select gen_random_uuid(), ${id}::uuid, id, 1, 1, now() from t`;
      expect(await expireCredits(database.sql, books, inDays(1))).toBe(450);
      expect(await balanceOf(id)).toBe(0n);
    });
  });

  test("a workspace is told once of credit that ends within a week", async () => {
    const { id } = await makeWorkspace(database.sql, books, 100n, 8);
    await give(id, 50n, { days: 3 });
    const told = async () =>
      ((await database.sql`select kind, details from notifications where workspace_id = ${id}::uuid`) as object[]) ??
      [];
    await Promise.all([1, 2, 3].map(() => warnOfExpiry(database.sql, new Date())));
    const details = { amount_usd: "0.00000005", expires_at: expect.any(String) };
    expect(await told()).toEqual([{ kind: "credit-expiring", details }]);
    await warnOfExpiry(database.sql, inDays(2));
    await warnOfExpiry(database.sql, inDays(2.5));
    expect(await told()).toHaveLength(2);
  });

  test("grants, use, sweeps and warnings at the same time get in each other's way nowhere", async () => {
    const made = await Promise.all([1, 2, 3].map(() => makeWorkspace(database.sql, books, 1000n, 1)));
    let spending = Promise.resolve();
    const work = Array.from({ length: 60 }, (_, index) => {
      const { id } = made[index % 3]!;
      if (index % 5 === 0) return give(id, 10n, { days: 1 });
      if (index % 5 === 1) return expireCredits(database.sql, books, inDays(2));
      if (index % 5 === 2) return warnOfExpiry(database.sql, new Date());
      spending = spending.then(() => spend(database.sql, id, 7n));
      return spending;
    });
    await Promise.all(work);
    for (const { id } of made) {
      const left = (await lots(id)).reduce((sum, part) => sum + part, 0n);
      expect(left <= (await balanceOf(id))).toBe(true);
    }
    await balanced();
  });

  type Step =
    | { do: "grant"; amount: bigint; days: number | null }
    | { do: "coupon"; amount: bigint; days: number }
    | { do: "adjust" | "spend" | "refund"; amount: bigint }
    | { do: "expire"; days: number };

  const amount = fc.bigInt({ min: 1n, max: 1000n });
  const days = fc.integer({ min: 1, max: 20 });
  const step: fc.Arbitrary<Step> = fc.oneof(
    fc.record({ do: fc.constant("grant" as const), amount, days: fc.option(days) }),
    fc.record({ do: fc.constant("coupon" as const), amount, days }),
    fc.record({ do: fc.constantFrom("adjust" as const, "spend" as const, "refund" as const), amount }),
    fc.record({ do: fc.constant("spend" as const), amount }),
    fc.record({ do: fc.constant("expire" as const), days }),
  );

  async function take(id: string, one: Step): Promise<void> {
    if (one.do === "expire") await expireCredits(database.sql, books, inDays(one.days));
    else if (one.do === "grant") await give(id, one.amount, one.days === null ? null : { days: one.days });
    else if (one.do === "adjust") await give(id, -one.amount).catch(() => {});
    else if (one.do === "spend") await spend(database.sql, id, one.amount);
    else if (one.do === "coupon") {
      const coupons = openCoupons({ sql: database.sql, books, nowMs: Date.now });
      const wish = { amountNano: nano(one.amount), maxRedemptions: 1, creditDays: one.days, actor: "root" };
      const { code } = await coupons.create(wish);
      await coupons.redeem({ code, workspaceId: id, actor: "t" });
    } else if (one.do === "refund") {
      const entries = [
        { account: creditAccount(id), amountNano: nano(-one.amount) },
        { account: "stripe-clearing", amountNano: nano(one.amount) },
      ] as const;
      const idempotencyKey = crypto.randomUUID();
      await books.post({ kind: "refund", idempotencyKey, workspaceId: id, actor: "t", overdraw: true, entries });
    }
  }

  test("whatever happens, lots are never more than the balance, each expires once at most, and the books balance", async () => {
    const count = store.kind === "embedded" ? 8 : 20;
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 25 }), async (steps) => {
        const { id } = await makeWorkspace(database.sql, books, 500n, 10);
        for (const one of steps) {
          await take(id, one);
          const left = (await lots(id)).reduce((sum, part) => sum + part, 0n);
          const balance = await balanceOf(id);
          expect(left <= (balance > 0n ? balance : 0n)).toBe(true);
        }
        await expireCredits(database.sql, books, inDays(40));
        await expireCredits(database.sql, books, inDays(41));
        expect((await lots(id)).every((part) => part === 0n)).toBe(true);
        const [expired] = (await database.sql`
          select coalesce(sum(-e.amount_nano), 0)::bigint as total from ledger_entries e
          join ledger_transactions t on t.id = e.transaction_id and t.kind = 'expiry'
          where e.account_id = ${creditAccount(id)}`) as { total: bigint }[];
        const [given] = (await database.sql`
          select coalesce(sum(amount_nano), 0)::bigint as total from credit_lots where workspace_id = ${id}::uuid`) as {
          total: bigint;
        }[];
        expect(BigInt(expired?.total ?? 0) <= BigInt(given?.total ?? 0)).toBe(true);
        await balanced();
      }),
      { numRuns: count },
    );
  }, 120_000);
});
