/**
 * What must be true of a simulated workspace's books after every step, and what must be true when everything has ended.
 * It reads the database alone and compares it with what the simulation knows that callers and the operator did.
 */
import type { Process } from "./node.ts";
import type { Call, World } from "./world.ts";

interface PurseState {
  readonly id: string;
  readonly used: bigint;
  readonly held: bigint;
}

interface Row {
  readonly outcome: string;
  readonly cost: bigint;
  readonly loss: bigint;
}

/** The books of one workspace, read in one statement. */
interface Found {
  readonly balance: bigint;
  readonly held: bigint;
  readonly spent: bigint;
  readonly overdrawn: boolean;
  readonly entries: bigint;
  readonly lopsided: bigint;
  readonly keyUsed: bigint;
  readonly purses: ReadonlyMap<string, PurseState>;
  /** By node and purse. */
  readonly leases: ReadonlyMap<string, bigint>;
  readonly rows: ReadonlyMap<string, Row>;
}

const READ = `
  select a.balance_nano as balance, a.held_nano as held, a.spent_nano as spent, a.overdrawn,
    (select coalesce(sum(amount_nano), 0)::bigint from ledger_entries where account_id = a.id) as entries,
    (select count(*) from (
      select 1 from ledger_entries e where e.transaction_id in
        (select transaction_id from ledger_entries where account_id = a.id)
      group by e.transaction_id having sum(e.amount_nano) <> 0) l) as lopsided,
    (select used_nano from api_keys where id = $2::uuid) as key_used,
    (select coalesce(json_agg(json_build_array(id, used, held)), '[]')::text from purses
      where id in (select json_array_elements_text($4::text::json))) as purses,
    (select coalesce(json_agg(json_build_array(node_id, purse, amount)), '[]')::text from leases
      where purse = a.id or purse in (select json_array_elements_text($4::text::json))) as leases,
    (select coalesce(json_agg(json_build_array(id, outcome, cost_nano, loss_nano)), '[]')::text
      from requests where workspace_id = $3::uuid) as rows
  from ledger_accounts a where a.id = $1`;

async function read(world: World): Promise<Found> {
  const { sql, account, keyId, workspaceId, purses } = world;
  const [row] = (await sql.unsafe(READ, [account, keyId, workspaceId, JSON.stringify([...purses.keys()])])) as [
    Record<string, unknown>,
  ];
  const amount = (name: string) => BigInt(row[name] as bigint);
  const list = (name: string) => JSON.parse(row[name] as string) as [string, string, number, number][];
  return {
    balance: amount("balance"),
    held: amount("held"),
    spent: amount("spent"),
    overdrawn: row.overdrawn as boolean,
    entries: amount("entries"),
    lopsided: amount("lopsided"),
    keyUsed: amount("key_used"),
    purses: new Map(
      list("purses").map(([id, used, held]) => [id, { id, used: BigInt(used), held: BigInt(held) }] as const),
    ),
    leases: new Map(list("leases").map(([node, purse, leased]) => [`${node} ${purse}`, BigInt(leased)] as const)),
    rows: new Map(
      list("rows").map(
        ([id, outcome, cost, loss]) => [id, { outcome, cost: BigInt(cost), loss: BigInt(loss) }] as const,
      ),
    ),
  };
}

/** What a look found that a later one needs. */
export interface Memory {
  free: bigint;
  refunds: number;
}

function sum(values: Iterable<bigint>): bigint {
  let total = 0n;
  for (const value of values) total += value;
  return total;
}

/** A rule that does not hold is one sentence. */
class Verdict {
  readonly broken: string[] = [];

  mustBe(what: string, found: unknown, expected: unknown): void {
    if (found !== expected) this.broken.push(`${what} is ${found}, not ${expected}`);
  }

  must(what: string, holds: boolean): void {
    if (!holds) this.broken.push(what);
  }
}

/** Every rule that is broken now. `racing`: several things happened at once, so that the last one's reasons can't be told. */
export async function judge(world: World, memory: Memory, racing: boolean): Promise<string[]> {
  const found = await read(world);
  const verdict = new Verdict();
  judgeBooks(world, found, verdict);
  for (const call of world.calls) judgeCall(world, call, found.rows.get(call.id), verdict);
  verdict.mustBe("the number of records", found.rows.size, world.calls.filter(({ id }) => found.rows.has(id)).length);
  judgeLeases(world, found, verdict);
  const free = found.balance - found.held;
  const least = memory.free < 0n ? memory.free : 0n;
  if (world.refunds === memory.refunds) verdict.must(`free credit went from ${memory.free} to ${free}`, free >= least);
  memory.free = free;
  memory.refunds = world.refunds;
  if (!racing) judgeAnswers(world, found, verdict);
  for (const failure of world.failures.splice(0)) verdict.must(`a node failed: ${failure}`, false);
  return verdict.broken;
}

function judgeBooks(world: World, found: Found, verdict: Verdict): void {
  const { balance, held, entries, lopsided, spent, rows, leases, purses } = found;
  const leasedOf = (purse: string) =>
    sum([...leases].filter(([key]) => key.endsWith(` ${purse}`)).map(([, amount]) => amount));
  const cost = sum([...rows.values()].map((row) => row.cost));
  verdict.mustBe("the balance", balance, entries);
  verdict.mustBe("the balance against what was moved and used", balance, world.moved - cost);
  verdict.mustBe("transactions that don't add up", lopsided, 0n);
  verdict.mustBe("what was spent", spent, cost);
  verdict.mustBe("held credit", held, leasedOf(world.account));
  if (balance < held) verdict.must("credit below what is held, though nothing was refunded", found.overdrawn);
  if (found.overdrawn) verdict.must("overdrawn without a refund", world.refunds > 0);
  for (const purse of purses.values()) verdict.mustBe(`held of ${purse.id}`, purse.held, leasedOf(purse.id));
  if (world.gaveUp) return;
  for (const { id, held: set } of purses.values()) {
    // Use beside the purse can put it over its limit later; what was held from it cannot.
    const limit = world.purses.get(id) ?? 0n;
    verdict.must(`${id} is over its limit of ${limit}`, usedOf(world, id, rows) + set <= limit);
  }
}

/** What calls that were held from a purse used of it, as far as it is written. */
function usedOf({ calls }: World, purse: string, rows: Found["rows"]): bigint {
  let total = 0n;
  for (const { id, hold, outcome, billed } of calls) {
    if (!rows.has(id)) continue;
    if (purse === hold.keyPurse || purse === hold.budgetPurse) total += billed;
    if (purse === hold.countPurse && outcome === "posted") total += 1n;
  }
  return total;
}

function judgeCall(world: World, call: Call, row: Row | undefined, verdict: Verdict): void {
  if (!row) return;
  verdict.mustBe(`the outcome of ${call.id}`, row.outcome, call.outcome);
  verdict.mustBe(`what ${call.id} cost in all`, row.cost + row.loss, call.billed + call.loss);
  if (!world.gaveUp) verdict.mustBe(`what ${call.id} was billed`, row.cost, call.billed);
  verdict.must(`${call.id} was billed more than it was held for`, row.cost <= call.billed);
}

/** What running calls hold, and what is not written yet, of a purse on the node of this id. */
function inUse(world: World, nodeId: string, purse: string, found: Found): bigint {
  let total = 0n;
  for (const { id, hold, outcome, billed, process } of world.calls) {
    if (hold.nodeId !== nodeId || process.isDead) continue;
    const isMoney = purse === hold.keyPurse || purse === hold.budgetPurse;
    const isCredit = purse === world.account && hold.paidBy === "credit";
    const unwritten = outcome === "posted" && !found.rows.has(id);
    if (isMoney || isCredit) total += outcome === "open" ? hold.amountNano : unwritten ? billed : 0n;
    else if (purse === hold.countPurse) total += outcome === "open" || unwritten ? 1n : 0n;
  }
  return total;
}

/** Every call under way is covered by a lease in the database, which a crash of its node cannot lose. */
function judgeLeases(world: World, found: Found, verdict: Verdict): void {
  for (const process of living(world)) {
    const { nodeId } = process.wallet;
    for (const purse of [world.account, ...world.purses.keys()]) {
      const needed = inUse(world, nodeId, purse, found);
      const leased = found.leases.get(`${nodeId} ${purse}`) ?? 0n;
      verdict.must(`calls hold ${needed} of ${purse}, of which their node has leased ${leased}`, leased >= needed);
    }
  }
}

function living(world: World): Process[] {
  return world.processes.filter(({ isDead, isGivenUp }) => !isDead && !isGivenUp);
}

/** The hold that was just given or refused: whether that was right. */
function judgeAnswers(world: World, found: Found, verdict: Verdict): void {
  const { refused, held } = world;
  if (refused) {
    const { process, purse, available, least, limit } = refused;
    verdict.must(`refused ${least} of ${purse}, although ${available} were there`, available < least);
    const { used = 0n, held: set = 0n } = found.purses.get(purse) ?? {};
    const unleased = limit === null ? found.balance - found.held : limit - used - set;
    const { nodeId } = process.wallet;
    const idle = (found.leases.get(`${nodeId} ${purse}`) ?? 0n) - inUse(world, nodeId, purse, found);
    if (!process.isFaulty)
      verdict.must(`refused ${least} of ${purse} with ${unleased} free and ${idle} idle`, unleased + idle < least);
  }
  const purse = held?.hold.keyPurse;
  if (!held || purse === undefined || world.gaveUp) return;
  const { used = 0n } = found.purses.get(purse) ?? {};
  const open = sum(world.processes.flatMap(({ ids }) => ids).map((id) => inUse(world, id, purse, found)));
  verdict.must(`a key with a limit of ${world.limit} has ${used} used and ${open} held`, used + open <= world.limit);
}

/** What must be true when every call has ended and every node is closed. */
export async function judgeEnd(world: World): Promise<string[]> {
  const found = await read(world);
  const verdict = new Verdict();
  judgeBooks(world, found, verdict);
  verdict.mustBe("held at the end", found.held, 0n);
  for (const { id, held } of found.purses.values()) verdict.mustBe(`held of ${id} at the end`, held, 0n);
  verdict.must(`leases are left: ${[...found.leases.keys()]}`, sum(found.leases.values()) === 0n);
  for (const call of world.calls) {
    const row = found.rows.get(call.id);
    verdict.must(`${call.id} is in no book`, row !== undefined);
    verdict.must(`${call.id} never ended`, call.outcome !== "open");
    judgeCall(world, call, row, verdict);
  }
  const billed = sum(world.calls.map((call) => call.billed));
  verdict.mustBe("the key's use", found.keyUsed, billed);
  for (const { id, used } of found.purses.values()) judgePurse(world, id, used, verdict);
  return verdict.broken;
}

/** A purse has the use of the calls that were held from it, and of those that could have been. */
function judgePurse(world: World, id: string, used: bigint, verdict: Verdict): void {
  const own = world.calls.filter(({ hold }) => [hold.keyPurse, hold.budgetPurse, hold.countPurse].includes(id));
  if (id.startsWith("free:")) {
    const counted = own.filter(({ outcome }) => outcome === "posted").length;
    verdict.mustBe(`the count of ${id}`, used, BigInt(counted));
    return;
  }
  const noted = sum(own.map((call) => call.billed));
  const most = sum(world.calls.map((call) => call.billed));
  verdict.must(`${id} has ${used} used of ${noted} to ${most}`, used >= noted && used <= most);
}
