/**
 * One workspace, two nodes and everything that happens to them: plays the steps of a simulation and keeps what should come of it.
 * What it keeps is plain arithmetic on what callers, the operator and payments did; the oracle compares the books with it.
 */
import { mkdtempSync } from "node:fs";
import { join } from "node:path";
import type { SQL } from "bun";
import type { CallRecord } from "../../src/core/call.ts";
import { GatewayError } from "../../src/core/error.ts";
import { nano, ZERO } from "../../src/core/money.ts";
import { type Books, creditAccount, LedgerError, openBooks } from "../../src/ledger/books.ts";
import { periodOf } from "../../src/ledger/period.ts";
import { type Hold, HoldRefused, type HoldWish, type PurseWish } from "../../src/ledger/wallet.ts";
import type { Note } from "../../src/usage/journal.ts";
import { record } from "../support/calls.ts";
import { type Place, type Process, startProcess } from "./node.ts";
import type { Fault, Step } from "./steps.ts";

/** A call, and how it should stand in the books. */
export interface Call {
  readonly id: string;
  readonly createdAt: Date;
  readonly process: Process;
  readonly hold: Hold;
  /** Its latest note in the journal. */
  note: Note | undefined;
  /** What it comes to if its process is killed now. */
  foreseen: bigint | undefined;
  outcome: "open" | "posted" | "voided" | "expired";
  billed: bigint;
  loss: bigint;
}

/** Why a hold was refused, and by what was there. */
export interface Refused {
  readonly process: Process;
  readonly purse: string;
  readonly available: bigint;
  readonly least: bigint;
  readonly limit: bigint | null;
}

export interface World extends Place {
  readonly books: Books;
  readonly workspaceId: string;
  readonly keyId: string;
  readonly account: string;
  readonly nodes: (Process | undefined)[];
  readonly starting: Set<number>;
  /** Every process there was. */
  readonly processes: Process[];
  readonly calls: Call[];
  /** All movements but use. */
  moved: bigint;
  limit: bigint;
  /** The purses that calls were held from, and the highest limit of each. */
  readonly purses: Map<string, bigint>;
  clockMs: number;
  /** Leases were given up while calls of theirs could still cost something. */
  gaveUp: boolean;
  refunds: number;
  /** Of the last step. */
  refused: Refused | undefined;
  held: Call | undefined;
}

const START_MS = Date.UTC(2026, 10, 20, 12);
/** Longer than a slice may lie idle. */
export const IDLE_MS = 4000;
const DAY_MS = 86_400_000;
const BUDGET = 2500n;
const FREE_CALLS = 3n;

/** A new workspace with a key and two nodes. */
export async function openWorld(sql: SQL, recallMs: number, parent: string): Promise<World> {
  const workspaceId = crypto.randomUUID();
  const keyId = crypto.randomUUID();
  const account = creditAccount(workspaceId);
  await sql`
    with w as (insert into workspaces (id, name, billing) values (${workspaceId}::uuid, 'w', 'prepaid')),
    k as (insert into api_keys (id, workspace_id, hash, label, name) values (${keyId}::uuid, ${workspaceId}::uuid, ${keyId}, 'k', 'k'))
    insert into ledger_accounts (id, kind, workspace_id) values (${account}, 'credit', ${workspaceId}::uuid)`;
  const world: World = {
    sql,
    books: openBooks(sql),
    dataDir: mkdtempSync(join(parent, "sequence-")),
    workspaceId,
    keyId,
    account,
    recallMs,
    nodes: [undefined, undefined],
    starting: new Set(),
    processes: [],
    calls: [],
    failures: [],
    moved: 0n,
    limit: 1000n,
    purses: new Map(),
    clockMs: START_MS,
    gaveUp: false,
    refunds: 0,
    refused: undefined,
    held: undefined,
  };
  for (const slot of [0, 1]) await start(world, slot, false);
  return world;
}

/** Plays one step. What cannot happen now does not. */
export async function play(world: World, step: Step): Promise<void> {
  world.clockMs += 1000;
  switch (step.do) {
    case "race":
      await Promise.all([play(world, step.first), play(world, step.second)]);
      return;
    case "hold":
      return hold(world, step);
    case "post":
      return post(world, step.call, step.permille, step.cancelled);
    case "foresee":
      return foresee(world, step.call, step.permille);
    case "void":
      return voidCall(world, step.call);
    case "end again":
      return endAgain(world, step.call);
    case "grant":
      return move(world, BigInt(step.amount), "grant");
    case "take back":
      return move(world, -BigInt(step.amount), "adjustment");
    case "refund":
      return move(world, -BigInt(step.amount), "refund");
    case "limit":
      world.limit = BigInt(step.amount);
      return;
    case "next day":
      world.clockMs += DAY_MS;
      return;
    case "start":
      return start(world, step.node, step.cut);
    default:
      return playOnNode(world, step);
  }
}

async function playOnNode(
  world: World,
  step: Extract<Step, { do: "write" | "beat" | "idle" | "crash" | "give up" | "silence" }>,
): Promise<void> {
  const process = world.nodes[step.node];
  if (!process) return;
  switch (step.do) {
    case "write":
      await process.write(step.fault);
      return;
    case "beat":
      return beat(process, step.fault, step.after);
    case "idle":
      process.wait(IDLE_MS);
      return beat(process, step.fault, step.after);
    case "silence":
      process.wait(11_000);
      return;
    case "crash":
      return crash(world, step.node, process);
    case "give up":
      return giveUp(world, process);
  }
}

/** A sign of life of a node, with its questions to the books. */
export async function beat(process: Process, fault: Fault = "none", after = 0): Promise<void> {
  if (fault !== "none") process.isFaulty = true;
  process.fault(fault, after);
  await process.wallet.beat();
  process.fault("none", 0);
  noticed(process);
}

/** A node that was given up finds out by its next sign of life, and goes on under another id. */
function noticed(process: Process): void {
  const { nodeId } = process.wallet;
  if (nodeId === process.ids.at(-1)) return;
  process.ids.push(nodeId);
  process.isGivenUp = false;
}

/** Starts a node where none runs. */
export async function start(world: World, slot: number, cut: boolean): Promise<void> {
  if (world.nodes[slot] || world.starting.has(slot)) return;
  world.starting.add(slot);
  try {
    const process = await startProcess(world, cut);
    world.nodes[slot] = process;
    if (process) world.processes.push(process);
  } finally {
    world.starting.delete(slot);
  }
}

async function crash(world: World, slot: number, process: Process): Promise<void> {
  if (process.isDead) return;
  world.nodes[slot] = undefined;
  for (const call of world.calls) {
    if (call.process !== process || call.outcome !== "open") continue;
    call.outcome = call.foreseen === undefined ? "expired" : "posted";
    call.billed = call.foreseen ?? 0n;
  }
  await process.crash();
}

const HOUR_MS = 3_600_000;

/** It was silent for so long that others took it for dead; it is not. It has stopped trusting its slices long before. */
async function giveUp(world: World, process: Process): Promise<void> {
  const { sql, books } = world;
  const { nodeId } = process.wallet;
  process.wait(31_000);
  world.gaveUp = true;
  await sql`update nodes set heartbeat_at = now() - interval '2 hours' where id = ${nodeId}::uuid`;
  let found: unknown;
  do {
    // Whoever is just taking it for dead as well is not waited for, so it may have to be asked again.
    await books.giveUp(HOUR_MS);
    [found] =
      await sql`select heartbeat_at < now() - interval '1 hour' as silent from nodes where id = ${nodeId}::uuid`;
  } while ((found as { silent: boolean } | undefined)?.silent);
  process.isGivenUp = !found && process.wallet.nodeId === nodeId;
}

function wishOf(world: World, step: Extract<Step, { do: "hold" }>): HoldWish {
  const { workspaceId, keyId, limit, clockMs } = world;
  const { name, start, end } = periodOf("daily", clockMs);
  const money: PurseWish[] = [];
  if (step.paidBy === "credit") {
    money.push({ id: world.account, limit: null });
    const key = { id: `key:${keyId}:${name}`, limit, seed: { keyId, since: start, expiresAt: end } };
    if (step.from.includes("key")) money.push(key);
    if (step.from.includes("budget"))
      money.push({ id: `budget:${workspaceId}:all`, limit: BUDGET, seed: { workspaceId } });
  }
  const free = { id: `free:${workspaceId}:${name}`, limit: FREE_CALLS, seed: { since: start, expiresAt: end } };
  return {
    paidBy: step.paidBy,
    wantedNano: nano(step.paidBy === "free" ? 0n : BigInt(step.wanted)),
    leastNano: nano(step.paidBy === "free" ? 0n : BigInt(step.least)),
    money,
    count: step.paidBy === "free" ? free : undefined,
  };
}

async function hold(world: World, step: Extract<Step, { do: "hold" }>): Promise<void> {
  const process = world.nodes[step.node];
  if (!process) return;
  const wish = wishOf(world, step);
  for (const { id, limit } of [...wish.money.slice(1), ...(wish.count ? [wish.count] : [])])
    world.purses.set(id, max(world.purses.get(id) ?? 0n, limit ?? 0n));
  if (step.fault !== "none") process.isFaulty = true;
  process.fault(step.fault, step.after);
  const lost = process.isGivenUp ? process.ids.at(-1) : undefined;
  const lowered = (process.keyLimit ?? 0n) > world.limit;
  if (step.from.includes("key")) process.keyLimit = world.limit;
  try {
    const held = await process.wallet.hold(wish);
    if (process.isDead) return;
    if (held.nodeId === lost) throw new Error("a hold of leases that were given up");
    if (held.amountNano > wish.wantedNano || held.amountNano < wish.leastNano)
      throw new Error("a hold of another size");
    noticed(process);
    world.calls.push(admitted(world, process, held));
    world.held = world.calls.at(-1);
  } catch (error) {
    if (error instanceof HoldRefused) {
      const { purse, available } = error.refusal;
      const limit = wish.money.find(({ id }) => id === purse)?.limit ?? wish.count?.limit ?? null;
      // What was leased under a higher limit is on its way back just then.
      if (lowered && purse.startsWith("key:") && world.recallMs === 0) return;
      world.refused = { process, purse, available, limit, least: wish.count ? 1n : wish.leastNano };
    } else if (!(error instanceof GatewayError && error.code === "service_unavailable")) throw error;
  } finally {
    process.fault("none", 0);
    // What limits changed and what was given up is dealt with beside the call.
    if (!process.isDead && process.isGivenUp) await process.wallet.beat();
    noticed(process);
  }
}

function max(a: bigint, b: bigint): bigint {
  return a > b ? a : b;
}

function admitted(world: World, process: Process, held: Hold): Call {
  const id = `req_${Bun.randomUUIDv7().replaceAll("-", "")}`;
  const call = { id, createdAt: new Date(world.clockMs), process, hold: held, billed: 0n, loss: 0n };
  const note = process.recorder.open(recordOf(world, call, { outcome: "expired", status: 500 }));
  return { ...call, note, foreseen: undefined, outcome: "open" };
}

function recordOf(
  world: World,
  { id, createdAt, hold: held }: Pick<Call, "id" | "createdAt" | "hold">,
  over: Partial<CallRecord>,
): CallRecord {
  const { workspaceId, keyId } = world;
  const { paidBy, keyPurse, budgetPurse, countPurse, amountNano } = held;
  const purses = { keyPurse, budgetPurse, countPurse };
  const ids = { id, createdAt, workspaceId, keyId, provider: "simulated" };
  return record({ ...ids, ...purses, paidBy, holdNano: amountNano, costNano: ZERO, ...over });
}

/** One of the calls under way. */
export function openCall({ calls }: World, number: number): Call | undefined {
  const open = calls.filter(({ outcome }) => outcome === "open");
  return open[number % Math.max(1, open.length)];
}

/** A call under way ends with this share of what was held as its cost. */
export function post(world: World, number: number, permille: number, cancelled: boolean): void {
  const call = openCall(world, number);
  if (!call) return;
  const cost = (call.hold.amountNano * BigInt(permille)) / 1000n;
  const { billedNano, lossNano } = call.hold.post(nano(cost));
  Object.assign(call, { outcome: "posted", billed: billedNano, loss: lossNano });
  const bill = { costNano: billedNano, lossNano, providerCostNano: nano(cost), cancelled };
  call.process.recorder.push(recordOf(world, call, bill), call.note, call.hold);
}

/** The caller is about to be given what may be the end: a kill from here on bills what the call has come to. */
function foresee(world: World, number: number, permille: number): void {
  const call = openCall(world, number);
  if (!call) return;
  const cost = (call.hold.amountNano * BigInt(permille)) / 1000n;
  const record = recordOf(world, call, { costNano: nano(cost), durationMs: world.clockMs - call.createdAt.getTime() });
  call.note = call.process.recorder.foresee(record, call.note, call.hold);
  call.foreseen = cost;
}

/** A call under way ends without cost. */
export function voidCall(world: World, number: number): void {
  const call = openCall(world, number);
  if (!call) return;
  call.hold.void();
  call.outcome = "voided";
  call.process.recorder.push(recordOf(world, call, { outcome: "voided", status: 502 }), call.note, call.hold);
}

/** A call that has ended ends again: nothing may come of it. */
function endAgain({ calls }: World, number: number): void {
  const ended = calls.filter(({ outcome }) => outcome !== "open");
  const call = ended[number % Math.max(1, ended.length)];
  if (!call || call.process.isDead) return;
  call.hold.void();
  const { billedNano, lossNano } = call.hold.post(nano(100n));
  if (billedNano !== ZERO || lossNano !== ZERO) throw new Error("a hold was posted twice");
  call.hold.void();
}

async function move(world: World, amount: bigint, kind: "grant" | "adjustment" | "refund"): Promise<void> {
  const { workspaceId, books } = world;
  const movement = {
    kind,
    idempotencyKey: crypto.randomUUID(),
    workspaceId,
    actor: "test",
    overdraw: kind === "refund",
    entries: [
      { account: creditAccount(workspaceId), amountNano: nano(amount) },
      { account: "promotions", amountNano: nano(-amount) },
    ],
  } as const;
  if (kind === "refund") world.refunds++;
  try {
    await books.post(movement);
    world.moved += amount;
    if (amount % 3n === 0n && (await books.post(movement)) !== "repeated")
      throw new Error("a movement was posted twice");
  } catch (error) {
    if (!(error instanceof LedgerError && error.reason === "overspent") || kind !== "adjustment") throw error;
  }
}
