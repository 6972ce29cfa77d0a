/**
 * A whole gateway between callers on bare sockets and a simulated provider that notes what it charges.
 * Each call has a name: in its user agent, so that its record is found, and in its text, so that the upstream knows it.
 */
import type { SQL } from "bun";
import { openBooks } from "../../src/ledger/books.ts";
import { createSimulator, type JournalEntry } from "../../src/simulator/index.ts";
import { auditBooks } from "../crash/join.ts";
import { type Sluice, startSluice } from "../support/server.ts";
import { call, type Got, type Leave } from "./caller.ts";
import { FORMATS, type Format } from "./formats.ts";

/** A model is a format of the upstream and what the provider behind it is like. */
export const KINDS = [
  /** Ends the charge of a closed stream; charges plain calls whole. */
  "usual",
  /** Charges on, streamed or not. */
  "kept",
  /** Ends the charge of every closed call. */
  "shut",
  /** Says as much as it is told to. */
  "long",
  /** Has a second endpoint behind the first. */
  "two",
  /** Nobody listens at the first endpoint; the second is good. */
  "dead",
  /** Closes the connection before it answers. */
  "reset",
  /** That, with a good second endpoint. */
  "reset-two",
] as const;
export type Kind = (typeof KINDS)[number];

const DIALECTS: Readonly<Record<Format, string>> = {
  chat: "openai-chat",
  responses: "openai-responses",
  messages: "anthropic-messages",
  gemini: "gemini",
};
const UPSTREAM_MODELS: Readonly<Record<Format, string>> = {
  chat: "gpt-simulated",
  responses: "gpt-simulated",
  messages: "claude-simulated",
  gemini: "gemini-2.5-flash",
};
const ENDPOINTS: Readonly<Record<Kind, readonly string[]>> = {
  usual: ["usual"],
  kept: ["kept"],
  shut: ["shut"],
  long: ["usual"],
  two: ["usual", "second"],
  dead: ["dead", "second"],
  reset: ["reset"],
  "reset-two": ["reset", "second"],
};
/** Those whose callers leave are patient, so that it is never the silence that ends a call. */
const PATIENT = "timeouts: { first_byte_ms: 30000, idle_ms: 30000 }";
const MORE: Readonly<Record<string, string>> = {
  kept: `, ${PATIENT}, abort: { streamed: charges, plain: charges }`,
  shut: `, ${PATIENT}, abort: { plain: ends-charge }`,
};

/** A prompt token costs 1000 nano-dollars and one of the answer 4000, whatever else they are. */
const PRICE = "{ input: 1, output: 4, cache_read: 1, cache_write: 1, cache_write_1h: 1 }";

/** How long an abandoned call is read on here, and how long upstreams may be silent. */
const ABANDONED_MS = 3000;
const SILENCE_MS = 2500;

const maxOutput = (kind: Kind) => (kind === "long" ? 8_000_000 : 2000);

function fileFor(front: string, shut: string): string {
  const lines = ["providers:"];
  for (const format of FORMATS) {
    for (const one of ["usual", "kept", "shut", "second", "dead", "reset"]) {
      const path = format === "gemini" ? "/v1beta" : "/v1";
      const base = one === "dead" ? "http://127.0.0.1:1" : one === "reset" ? shut : front;
      lines.push(
        `  - { id: ${format}-${one}, type: custom, base_url: "${base}${path}", api_keys: [sim-key], dialects: [${DIALECTS[format]}]${MORE[one] ?? ""} }`,
      );
    }
  }
  lines.push("models:");
  for (const format of FORMATS) {
    for (const kind of KINDS) {
      const endpoints = ENDPOINTS[kind].map(
        (one, index) => `{ provider: ${format}-${one}, model: ${UPSTREAM_MODELS[format]}, priority: ${index + 1} }`,
      );
      lines.push(
        `  - { id: ${format}-${kind}, endpoints: [${endpoints.join(", ")}], price: ${PRICE}, context: 100000, max_output: ${maxOutput(kind)} }`,
      );
    }
  }
  lines.push(
    "catalog: { curated: false }",
    "circuits: { failures: 0, retry_percent: 1000 }",
    `timeouts: { first_byte_ms: ${SILENCE_MS}, idle_ms: ${SILENCE_MS}, write_stall_ms: 1000, abandoned_ms: ${ABANDONED_MS} }`,
    "",
  );
  return lines.join("\n");
}

/** A call's row in the database. */
export interface Row {
  readonly id: string;
  readonly status: number;
  readonly outcome: string;
  readonly paidBy: string;
  readonly source: string;
  readonly cancelled: boolean;
  readonly clamped: boolean;
  readonly costNano: bigint;
  readonly lossNano: bigint;
  readonly providerNano: bigint;
  readonly holdNano: bigint;
  readonly attempts: readonly { readonly outcome: string; readonly status: number; readonly reason?: string }[];
}

/** A call as it ended: what the caller had, what is on record, what the provider noted. */
export interface Ended {
  readonly got: Got;
  readonly row: Row;
  readonly entries: readonly JournalEntry[];
}

export interface Wish {
  readonly name: string;
  readonly format: Format;
  /** Of the upstream. */
  readonly target: Format;
  readonly kind: Kind;
  readonly streamed: boolean;
  /** Orders for the simulated provider. */
  readonly orders: string;
  readonly leave: Leave;
}

export interface Rig {
  run(wish: Wish): Promise<Ended>;
  /** Everything that is not as the books want it once no call runs; empty when all is well. */
  audit(): Promise<string[]>;
  stop(): Promise<void>;
}

const CREDIT_USD = "10000";
const NOTICED_MS = 100;
const POLL_MS = 30;
const WAIT_MS = 30_000;

async function until<T>(what: string, look: () => T | undefined | Promise<T | undefined>): Promise<T> {
  const deadline = performance.now() + WAIT_MS;
  for (;;) {
    const found = await look();
    if (found !== undefined) return found;
    if (performance.now() > deadline) throw new Error(`never came: ${what}`);
    await Bun.sleep(POLL_MS);
  }
}

/** Accepts connections and closes them when the first bytes come. */
function closingUpstream() {
  return Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data: (socket) => void socket.terminate() } });
}

/** The simulated provider, with a look at whose call it is. */
function front() {
  const simulator = createSimulator();
  /** The gateway's ids of a named call. */
  const ids = new Map<string, string>();
  /** Calls that reach the simulated provider when their callers are gone. */
  const held = new Map<string, PromiseWithResolvers<void>>();
  const gate = (name: string) => {
    const known = held.get(name) ?? Promise.withResolvers<void>();
    held.set(name, known);
    return known;
  };
  const server = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    idleTimeout: 0,
    development: false,
    error: () => new Response(null, { status: 500 }),
    async fetch(request) {
      const body = await request.text();
      const name = /key=([\w-]+)/.exec(body)?.[1];
      const id = request.headers.get("x-request-id");
      if (name && id) ids.set(name, id);
      if (name && /\bheld\b/.test(body)) await gate(name).promise;
      const { method, headers, signal, url } = request;
      return simulator.fetch(new Request(url, { method, headers, body, signal }));
    },
  });
  const entries = (id: string | undefined) => simulator.journal().filter((entry) => entry.id === id);
  return { simulator, server, ids, entries, release: (name: string) => gate(name).resolve() };
}

/** Starts everything. The caller stops it. */
export async function startRig(): Promise<Rig> {
  const upstream = front();
  const shut = closingUpstream();
  const file = fileFor(`http://127.0.0.1:${upstream.server.port}`, `http://127.0.0.1:${shut.port}`);
  const sluice = await startSluice({ file });
  const { sql } = sluice.app.database;
  const key = await prepaidKey(sluice);
  const rowOf = rowsOf(sql);

  return {
    async run(wish) {
      const { name } = wish;
      const got = await call({
        ...wish,
        url: sluice.url,
        key,
        model: `${wish.target}-${wish.kind}`,
        maxTokens: maxOutput(wish.kind),
        text: `${wish.orders} key=${name}`,
        async untilUpstream(what) {
          const id = await until(`${name} at the upstream`, () => upstream.ids.get(name));
          if (what === "accepted") {
            await until(`${name} accepted`, () => upstream.entries(id).find(({ status }) => status === 200));
            await Bun.sleep(ON_ITS_WAY_MS);
          }
        },
      });
      // The gateway shares this thread: by then it has seen that the caller is gone.
      setTimeout(upstream.release, NOTICED_MS, name);
      const row = await rowOf(name);
      const entries = await until(`the end of ${name} at the upstream`, () => {
        const found = upstream.entries(row.id);
        return found.every(({ finished, aborted }) => finished || aborted || isCut(wish)) ? found : undefined;
      });
      return { got, row, entries };
    },
    async audit() {
      await until("the last call's end", () => (sluice.app.gateway.running === 0 ? true : undefined));
      await until("what was held", async () => ((await heldNano(sql)) === 0n ? true : undefined));
      const found = [
        ...(await openBooks(sql).check()).problems,
        ...(await auditBooks(sql)),
        ...(await unexplained(sql, upstream.simulator.journal())),
      ];
      if (sluice.app.gateway.memory.bytes !== 0) found.push("memory of bodies was not given back");
      return found;
    },
    async stop() {
      await sluice.stop();
      await upstream.server.stop(true);
      shut.stop(true);
    },
  };
}

/** From the upstream's writing to the gateway's reading. */
const ON_ITS_WAY_MS = 300;

/** Of an answer that the provider breaks off the journal says neither that it was finished nor that it was left. */
const isCut = ({ orders }: Wish) => orders.includes("cut-");

async function prepaidKey({ url, rootKey }: Sluice): Promise<string> {
  const ask = async (path: string, body: object) => {
    const headers = { authorization: `Bearer ${rootKey}`, "content-type": "application/json" };
    const answer = await fetch(`${url}/api/${path}`, { method: "POST", headers, body: JSON.stringify(body) });
    if (!answer.ok) throw new Error(`${path}: ${answer.status} ${await answer.text()}`);
    return (await answer.json()) as { data: { id: string }; key: string };
  };
  const workspace = (await ask("admin/workspaces", { name: "faults" })).data.id;
  await ask("admin/credits", { workspace, amount_usd: CREDIT_USD, reason: "test", idempotency_key: "faults" });
  return (await ask("v1/keys", { name: "faults", workspace })).key;
}

type Found = Record<string, unknown>;

const ROWS_EVERY_MS = 100;

/** Finds rows by the callers' names: one question for all who wait. */
function rowsOf(sql: SQL) {
  const waiting = new Map<string, (row: Row) => void>();
  let isLooking = false;
  async function look(): Promise<void> {
    await Bun.sleep(ROWS_EVERY_MS);
    const names = JSON.stringify([...waiting.keys()]);
    const rows = (await sql`
      select id, client, status, outcome, paid_by, usage_source, cancelled, clamped, cost_nano, loss_nano,
        provider_cost_nano, hold_nano, attempts::text as attempts
      from requests where client in (select json_array_elements_text(${names}::text::json))`) as Found[];
    for (const row of rows) {
      waiting.get(row.client as string)?.(toRow(row));
      waiting.delete(row.client as string);
    }
    isLooking = waiting.size > 0;
    if (isLooking) await look();
  }
  return (name: string): Promise<Row> => {
    const { promise, resolve, reject } = Promise.withResolvers<Row>();
    const late = setTimeout(() => reject(new Error(`no record of ${name}`)), WAIT_MS);
    waiting.set(name, resolve);
    if (!isLooking) void look();
    isLooking = true;
    return promise.finally(() => clearTimeout(late));
  };
}

function toRow(row: Found): Row {
  return {
    id: row.id as string,
    status: row.status as number,
    outcome: row.outcome as string,
    paidBy: row.paid_by as string,
    source: row.usage_source as string,
    cancelled: row.cancelled as boolean,
    clamped: row.clamped as boolean,
    costNano: BigInt(row.cost_nano as bigint),
    lossNano: BigInt(row.loss_nano as bigint),
    providerNano: BigInt(row.provider_cost_nano as bigint),
    holdNano: BigInt(row.hold_nano as bigint),
    attempts: JSON.parse(row.attempts as string),
  };
}

async function heldNano(sql: SQL): Promise<bigint> {
  const [row] = (await sql`select coalesce(sum(held_nano), 0)::bigint as held from ledger_accounts`) as {
    held: bigint;
  }[];
  return BigInt(row?.held ?? 0n);
}

/** Calls of the upstream that no record tells of, and records of calls that it never had. */
async function unexplained(sql: SQL, journal: readonly JournalEntry[]): Promise<string[]> {
  const rows = (await sql`select id, outcome, cost_nano from requests`) as {
    id: string;
    outcome: string;
    cost_nano: bigint;
  }[];
  const known = new Map(rows.map((row) => [row.id, row]));
  const had = new Set(journal.map(({ id }) => id));
  const found: string[] = [];
  for (const { id } of journal) {
    const outcome = known.get(id ?? "")?.outcome;
    if (outcome !== "posted" && outcome !== "voided") found.push(`${id} reached the upstream and is ${outcome}`);
  }
  for (const { id, outcome, cost_nano } of rows) {
    if (outcome === "posted" && !had.has(id)) found.push(`${id} is posted and never reached the upstream`);
    if (outcome !== "posted" && BigInt(cost_nano) > 0n) found.push(`${id} is ${outcome} and cost something`);
  }
  return found;
}

/** What a call is charged by the provider's own account. */
export function chargeOf(entries: readonly JournalEntry[]): bigint {
  let total = 0n;
  for (const { usage } of entries) if (usage) total += BigInt(usage.input) * 1000n + BigInt(usage.output) * 4000n;
  return total;
}
