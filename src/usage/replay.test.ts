/**
 * Tests of what a start makes of the journal that a killed process left: every call is in the books once, and nothing is held.
 * The process is played by a recorder that is never allowed to write.
 */
import { beforeAll, expect, test } from "bun:test";
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { record } from "../../test/support/calls.ts";
import { eachDatabase } from "../../test/support/postgres.ts";
import { afterThisTest } from "../../test/support/tcp-upstream.ts";
import type { CallRecord } from "../core/call.ts";
import { nano } from "../core/money.ts";
import type { Database } from "../db/database.ts";
import { migrate } from "../db/migrate.ts";
import { openKeys } from "../identity/keys.ts";
import { openWorkspaces } from "../identity/workspaces.ts";
import { creditAccount, openBooks } from "../ledger/books.ts";
import { openJournal, openJournalFolder } from "./journal.ts";
import { createRecorder } from "./recorder.ts";
import { replayJournal } from "./replay.ts";

eachDatabase((store) => {
  let database: Database;
  beforeAll(async () => {
    database = await store.open();
    await migrate(database);
  }, 60_000);

  async function setUp() {
    const { sql } = database;
    const books = openBooks(sql);
    const workspace = await openWorkspaces(sql, books).create({
      name: "w",
      plan: "payg",
      welcomeCreditNano: nano(1000n),
    });
    const { stored } = await openKeys(sql, "sk-sluice-").create({ workspaceId: workspace.id, name: "k" });
    const data = mkdtempSync(join(tmpdir(), "sluice-replay-"));
    afterThisTest(() => rmSync(data, { recursive: true, force: true }));
    const of = (over: Partial<CallRecord> = {}) =>
      record({ workspaceId: workspace.id, keyId: stored.id, provider: "p", costNano: nano(10n), ...over });
    /** A process that notes everything and writes nothing; `kill` is its end. */
    const run = async (leased: bigint) => {
      const nodeId = crypto.randomUUID();
      await books.register(nodeId);
      const purse = creditAccount(workspace.id);
      await books.take(nodeId, { purse, limit: null, needed: leased, least: leased, extra: 0n });
      const folder = openJournalFolder(data);
      const never = { unsafe: () => new Promise<never>(() => {}) } as unknown as typeof sql;
      const journal = openJournal(folder.directory, () => `N${nodeId}`);
      const recorder = createRecorder({ sql: never, journal, nodeId: () => nodeId, onError() {} });
      return { nodeId, recorder, kill: () => folder.release(), directory: folder.directory };
    };
    const start = async () => {
      const folder = openJournalFolder(data);
      const replayed = await replayJournal(sql, folder.left);
      await books.giveUp(3_600_000, replayed.nodes);
      folder.forget();
      folder.release();
      return replayed;
    };
    const state = async () => {
      const balance = await books.balance(workspace.id);
      return [balance?.balanceNano, balance?.heldNano];
    };
    const rows = async () =>
      (await sql`select outcome, status, cost_nano::int as cost from requests where workspace_id = ${workspace.id}::uuid order by id`) as unknown[];
    return { books, of, run, start, state, rows };
  }

  test("finished calls are booked, calls under way end as expired, and what was leased is free again", async () => {
    const { books, of, run, start, state, rows } = await setUp();
    const { recorder, nodeId, kill } = await run(600n);
    const [one, two, three] = [
      of({ id: `req_1${crypto.randomUUID()}` }),
      of({ id: `req_2${crypto.randomUUID()}` }),
      of({ id: `req_3${crypto.randomUUID()}` }),
    ];
    const admitted = (call: CallRecord): CallRecord => ({
      ...call,
      outcome: "expired",
      status: 500,
      costNano: nano(0n),
    });
    const open = recorder.open(admitted(one));
    recorder.open(admitted(two));
    recorder.push(one, open, { nodeId, written() {} });
    recorder.push(three, undefined, { nodeId, written() {} });
    kill();
    expect(await start()).toEqual({ finished: 2, expired: 1, nodes: [nodeId] });
    expect(await state()).toEqual([nano(980n), nano(0n)]);
    expect(await rows()).toEqual([
      { outcome: "posted", status: 200, cost: 10 },
      { outcome: "expired", status: 500, cost: 0 },
      { outcome: "posted", status: 200, cost: 10 },
    ]);
    expect((await books.check()).problems).toEqual([]);
    expect(await start()).toEqual({ finished: 0, expired: 0, nodes: [] });
  });

  test("a call that was all but finished is booked as it stood last, one that was finished as it ended", async () => {
    const { books, of, run, start, state, rows } = await setUp();
    const { recorder, nodeId, kill } = await run(600n);
    const hold = { nodeId, written() {} };
    const [one, two] = [of({ id: `req_1${crypto.randomUUID()}` }), of({ id: `req_2${crypto.randomUUID()}` })];
    for (const call of [one, two]) {
      const open = recorder.open({ ...call, outcome: "expired", status: 500, costNano: nano(0n) });
      const early = recorder.foresee({ ...call, costNano: nano(3n), durationMs: 5 }, open, hold);
      const late = recorder.foresee({ ...call, costNano: nano(7n), durationMs: 6 }, early, hold);
      if (call === two) recorder.push({ ...call, status: 499 }, late, hold);
    }
    kill();
    expect(await start()).toEqual({ finished: 2, expired: 0, nodes: [nodeId] });
    expect(await rows()).toEqual([
      { outcome: "posted", status: 200, cost: 7 },
      { outcome: "posted", status: 499, cost: 10 },
    ]);
    expect(await state()).toEqual([nano(983n), nano(0n)]);
    expect((await books.check()).problems).toEqual([]);
  });

  test("what two processes left is booked in one start, each in the name of its own node", async () => {
    const { books, of, run, start, state } = await setUp();
    const processes = [await run(300n), await run(300n)];
    for (const { recorder, nodeId } of processes)
      for (let call = 0; call < 700; call++)
        recorder.push(of({ costNano: nano(BigInt(call % 2 === 0 ? 0 : 1)) }), undefined, { nodeId, written() {} });
    for (const { kill } of processes) kill();
    expect((await start()).finished).toBe(1400);
    expect(await state()).toEqual([nano(300n), nano(0n)]);
    expect((await books.check()).problems).toEqual([]);
  });

  test("what was spent before the node was given up, and again by others since, is a loss, never a debt", async () => {
    const { books, of, run, start, state } = await setUp();
    const first = await run(1000n);
    for (let call = 0; call < 10; call++)
      first.recorder.push(of({ costNano: nano(100n) }), undefined, { nodeId: first.nodeId, written() {} });
    await books.giveUp(3_600_000, [first.nodeId]);
    const second = await run(900n);
    first.kill();
    second.kill();
    expect((await start()).finished).toBe(10);
    // The second one's slice was its own; only the hundred that nobody had taken was left to pay with.
    expect(await state()).toEqual([nano(900n), nano(0n)]);
    expect((await books.check()).problems).toEqual([]);
  });

  test("a call that outlived the node its money was leased to is booked in that node's name", async () => {
    const { books, of, run, start, state } = await setUp();
    const old = await run(400n);
    old.kill();
    const { nodeId, recorder, kill } = await run(600n);
    recorder.push(of({ costNano: nano(400n) }), undefined, { nodeId: old.nodeId, written() {} });
    recorder.push(of({ costNano: nano(300n) }), undefined, { nodeId, written() {} });
    kill();
    // All is leased: in another node's name the first one would be a loss.
    expect((await start()).nodes.toSorted()).toEqual([old.nodeId, nodeId].toSorted());
    expect(await state()).toEqual([nano(300n), nano(0n)]);
    expect((await books.check()).problems).toEqual([]);
  });

  test("a file that is not a journal's stops nothing", async () => {
    const { of, run, start, state } = await setUp();
    const { recorder, nodeId, kill, directory } = await run(600n);
    recorder.push(of(), undefined, { nodeId, written() {} });
    writeFileSync(join(directory, "0.journal"), "Nnobody\nR{\nO\n\xff\xfeS{}\n");
    kill();
    expect((await start()).finished).toBe(1);
    expect(await state()).toEqual([nano(990n), nano(0n)]);
    expect(readdirSync(directory).filter((name) => name.endsWith(".journal"))).toEqual([]);
  });
});
