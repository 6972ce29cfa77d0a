/**
 * The simulated provider: takes a request as a real provider would, and answers it the same way every time.
 * It is the other side of the wire in tests and benchmarks, and the built-in provider of a start without keys.
 */
import type { Answer, Api, Incoming, Memory } from "./api.ts";
import { STATUS_WORDS } from "./api.ts";
import { type Directives, mergeDirectives, NO_DIRECTIVES, numberFrom, readHeader, readText } from "./directives.ts";
import { type Frame, spoil } from "./frame.ts";
import { createJournal, type Journal, type JournalEntry } from "./journal.ts";
import { isObject, remember } from "./json.ts";
import { planChoices, spokenText, totalUsage, type Usage } from "./plan.ts";
import { invalid, Problem } from "./problem.ts";
import { findRoute, type Route } from "./routes.ts";
import { type Seed, seedOf } from "./seed.ts";
import { type Progress, streamFrames, type Writing } from "./stream.ts";

/** How a simulator is set up. */
export interface SimulatorOptions {
  /** Where a JSON line is appended for every call that has ended. */
  journalFile?: string;
}

/** A simulated provider. */
export interface Simulator {
  /** Answers one HTTP request; never rejects. */
  fetch(request: Request): Promise<Response>;
  /** The calls accepted so far, oldest first. */
  journal(): JournalEntry[];
  /** Resolves when the journal's file is complete. */
  close(): Promise<void>;
}

interface Context {
  journal: Journal;
  memory: Memory;
}

interface Running extends Context {
  request: Request;
  route: Route;
  seed: Seed;
  entry: JournalEntry;
}

const MAX_DELAY_MS = 3_600_000;
const MAX_FAILURE_KEYS = 10_000;
const MAX_FAILURES = 1_000_000;
const ABANDONED_STATUS = 499;

/** Waits, unless the client leaves first; tells whether it stayed. */
function stays(signal: AbortSignal, ms: number | undefined): Promise<boolean> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve(false);
    const timer = ms === undefined ? undefined : setTimeout(done, ms, true);
    function left(): void {
      done(false);
    }
    function done(stayed: boolean): void {
      clearTimeout(timer);
      signal.removeEventListener("abort", left);
      resolve(stayed);
    }
    signal.addEventListener("abort", left);
  });
}

function extraHeaders(orders: Directives): Record<string, string> {
  const after = orders.values.get("retry-after");
  return after === undefined ? {} : { "retry-after": after };
}

function finish(run: Running, status: number, bytes: number, usage: Usage | null, aborted = false): void {
  const { entry } = run;
  entry.status = status;
  entry.bytesOut = bytes;
  entry.usage = usage;
  entry.aborted = aborted;
  entry.finished = !aborted;
  run.journal.close(entry);
}

function abandon(run: Running, usage: Usage | null = null): Response {
  finish(run, 0, 0, usage, true);
  return new Response(null, { status: ABANDONED_STATUS });
}

function sendJson(run: Running, status: number, value: unknown, usage: Usage | null, orders: Directives): Response {
  const { api } = run.route;
  const headers = { ...api.headers(run.seed), ...extraHeaders(orders), "content-type": api.jsonType };
  let text = orders.flags.has("empty") && status === 200 ? "" : JSON.stringify(value);
  if (orders.flags.has("bad-json") && status === 200) text = text.slice(0, text.length >> 1);
  const isBroken =
    status === 200 &&
    ["cut-after", "cut-inside", "hang-after", "no-newline", "split"].some((name) => orders.values.has(name));
  if (isBroken) return sendBroken(run, text, headers, usage, orders);
  finish(run, status, Buffer.byteLength(text), usage);
  return new Response(text, { status, headers });
}

/** A whole answer that is cut, stalled, or written in small pieces. */
function sendBroken(
  run: Running,
  text: string,
  headers: Record<string, string>,
  usage: Usage | null,
  orders: Directives,
): Response {
  const cuts = orders.values.has("cut-after") || orders.values.has("cut-inside");
  const stops = cuts ? "cut" : orders.values.has("hang-after") ? "hang" : undefined;
  const raw = (data: string): Frame => ({ event: "", data, tokens: 0, kind: "raw" });
  const parts =
    stops === undefined ? [raw(text)] : [raw(text.slice(0, text.length >> 1)), { ...raw(""), kind: stops } as const];
  const frames = orders.values.has("no-newline") ? spoil([], orders, () => []) : parts;
  return sendStream(
    run,
    frames,
    { gapMs: undefined, split: undefined, crlf: false, asArray: false },
    headers,
    orders,
    usage,
  );
}

function sendStream(
  run: Running,
  frames: Iterable<Frame>,
  writing: Writing,
  headers: Record<string, string>,
  orders: Directives,
  usage: Usage | null,
): Response {
  const { entry } = run;
  const progress: Progress = { bytes: 0, tokens: 0, finished: false, aborted: false };
  entry.status = 200;
  entry.usage = usage;
  const split = numberFrom(orders, "split", 1_048_576);
  const paced: Writing = { ...writing, split: split === undefined ? undefined : Math.max(1, split) };
  const body = streamFrames(frames[Symbol.iterator](), paced, progress, () => {
    entry.bytesOut = progress.bytes;
    entry.aborted = progress.aborted;
    entry.finished = progress.finished;
    if (usage !== null && entry.streamed) entry.usage = chargeOf(usage, progress, orders);
    run.journal.close(entry);
  });
  return new Response(body, { status: 200, headers });
}

/** What is charged of a stream: all of one that was written to its end, of others what was sent. */
function chargeOf(usage: Usage, { tokens, finished, aborted }: Progress, { flags, values }: Directives): Usage | null {
  if (flags.has("first-error")) return null;
  if (aborted && flags.has("keeps-charging")) return usage;
  if (finished && !values.has("error-after") && !flags.has("charged-error")) return usage;
  return { ...usage, output: Math.min(usage.output, tokens), thinking: Math.min(usage.thinking, tokens) };
}

/** How often this key was called, this time included. */
function timesCalled(memory: Memory, kind: string, orders: Directives): number {
  const key = `${kind} ${orders.values.get("key") ?? ""}`;
  const count = (memory.failures.get(key) ?? 0) + 1;
  remember(memory.failures, key, count, MAX_FAILURE_KEYS);
  return count;
}

function onlyFirst(orders: Directives, memory: Memory): Directives {
  const first = numberFrom(orders, "only-first", MAX_FAILURES);
  if (first === undefined || timesCalled(memory, "only", orders) <= first) return orders;
  return NO_DIRECTIVES;
}

/** Faults that come instead of an answer; undefined when there is none. */
async function failInstead(run: Running, orders: Directives): Promise<Response | undefined> {
  if (orders.flags.has("hang")) {
    await stays(run.request.signal, undefined);
    return abandon(run);
  }
  const first = numberFrom(orders, "fail-first", MAX_FAILURES);
  let status = numberFrom(orders, "status", 599);
  if (first !== undefined) status = timesCalled(run.memory, "fail", orders) <= first ? (status ?? 503) : undefined;
  if (status === undefined || status < 200 || status === 200) return undefined;
  const ttfb = numberFrom(orders, "ttfb", MAX_DELAY_MS);
  if (ttfb !== undefined && !(await stays(run.request.signal, ttfb))) return abandon(run);
  const problem = new Problem(status, STATUS_WORDS[status] ?? `Simulated failure with status ${status}.`);
  return sendJson(run, status, run.route.api.refuse(problem, run.seed, orders), null, orders);
}

const failsInstead = (orders: Directives): boolean =>
  orders.flags.has("hang") || orders.values.has("status") || orders.values.has("fail-first");

/** Orders that make an error of an unstreamed answer. */
const FAILS_WHOLE = ["first-error", "charged-error", "error-after"];

function write(run: Running, call: Incoming, answer: Answer): Response {
  const { api } = run.route;
  const { orders, view } = answer;
  const usage = totalUsage(answer.plans);
  if (!view.stream) {
    if (!FAILS_WHOLE.some((name) => orders.flags.has(name) || orders.values.has(name))) {
      return sendJson(run, 200, api.reply(answer), usage, orders);
    }
    const failure = new Problem(500, STATUS_WORDS[500] ?? "");
    return sendJson(run, 200, api.refuse(failure, run.seed, orders), null, orders);
  }
  const asArray = api.asArray(call);
  const type = asArray ? api.jsonType : api.streamType;
  const headers = {
    ...api.headers(run.seed),
    ...extraHeaders(orders),
    "content-type": type,
    "cache-control": "no-cache",
  };
  const frames = orders.flags.has("empty") ? [] : spoil(api.frames(answer), orders, () => api.failure(answer));
  const writing: Writing = {
    gapMs: numberFrom(orders, "gap", MAX_DELAY_MS),
    split: undefined,
    crlf: api.crlf || orders.flags.has("crlf"),
    asArray: asArray && !orders.flags.has("empty"),
  };
  return sendStream(run, frames, writing, headers, orders, usage);
}

async function answerCall(run: Running, call: Incoming): Promise<Response> {
  const { route, memory, entry } = run;
  const byHeader = call.orders;
  if (failsInstead(byHeader)) {
    const failure = await failInstead(run, byHeader);
    if (failure !== undefined) return failure;
  }
  const plain = route.plain?.(call, memory);
  const view = plain?.view ?? route.api.read(call, memory);
  entry.model = view.model;
  entry.streamed = view.stream;
  const byText = readText(spokenText(view));
  const orders = onlyFirst(mergeDirectives(byHeader, byText), memory);
  if (!failsInstead(byHeader) && failsInstead(orders)) {
    const failure = await failInstead(run, orders);
    if (failure !== undefined) return failure;
  }
  const ttfb = numberFrom(orders, "ttfb", MAX_DELAY_MS);
  if (ttfb !== undefined && ttfb > 0 && !(await stays(run.request.signal, ttfb))) {
    if (!orders.flags.has("keeps-charging")) return abandon(run);
    return abandon(run, plain?.usage ?? totalUsage(planChoices(view, orders)));
  }
  if (plain !== undefined) return sendJson(run, 200, plain.body, plain.usage, orders);
  const plans = planChoices(view, orders);
  if (orders.flags.has("charged-error"))
    for (const plan of plans) plan.usage = { ...plan.usage, output: 0, thinking: 0 };
  return write(run, call, { view, plans, seed: run.seed, orders, memory });
}

function checkKey(request: Request, query: URLSearchParams, api: Api): void {
  const bearer = (request.headers.get("authorization") ?? "").replace(/^Bearer\s*/i, "");
  const key = bearer || request.headers.get("x-api-key") || request.headers.get("x-goog-api-key") || query.get("key");
  if (!key) throw new Problem(401, api.keyMissing);
}

function parseBody(raw: string, api: Api): Record<string, unknown> {
  let body: unknown;
  try {
    body = JSON.parse(raw);
  } catch {
    throw invalid(api.notJson);
  }
  if (!isObject(body)) throw invalid(api.notJson);
  return body;
}

function showJournal(context: Context, request: Request, query: URLSearchParams): Response {
  if (request.method === "DELETE") {
    context.journal.clear();
    return new Response(null, { status: 204 });
  }
  const entries = context.journal.entries();
  const asArray = query.get("format") === "json" || (request.headers.get("accept") ?? "").includes("application/json");
  if (asArray) return Response.json(entries);
  const lines = entries.map((entry) => `${JSON.stringify(entry)}\n`).join("");
  return new Response(lines, { headers: { "content-type": "application/x-ndjson" } });
}

async function handle(context: Context, request: Request): Promise<Response> {
  const url = new URL(request.url);
  if (url.pathname === "/__journal") return showJournal(context, request, url.searchParams);
  const route = findRoute(request.method, url.pathname, request.headers);
  const raw = request.method === "POST" ? await request.text() : "";
  const entry: JournalEntry = {
    id: request.headers.get("x-request-id"),
    time: new Date().toISOString(),
    path: url.pathname,
    model: null,
    streamed: false,
    status: 0,
    bytesIn: Buffer.byteLength(raw),
    bytesOut: 0,
    usage: null,
    aborted: false,
    finished: false,
  };
  const run: Running = { ...context, request, route, seed: seedOf(raw === "" ? url.pathname : raw), entry };
  const orders = readHeader(request.headers.get("x-sim"));
  context.journal.open(entry);
  try {
    checkKey(request, url.searchParams, route.api);
    const body = request.method === "POST" && !route.isUnknown ? parseBody(raw, route.api) : {};
    const { pathModel, verb } = route;
    return await answerCall(run, {
      path: url.pathname,
      query: url.searchParams,
      headers: request.headers,
      raw,
      body,
      pathModel,
      verb,
      orders,
    });
  } catch (error) {
    const problem = error instanceof Problem ? error : new Problem(500, `The simulator failed: ${String(error)}`);
    return sendJson(run, problem.status, route.api.refuse(problem, run.seed, orders), null, orders);
  }
}

/** A new simulated provider with an empty journal and memory. */
export function createSimulator(options: SimulatorOptions = {}): Simulator {
  const journal = createJournal(options.journalFile);
  const memory: Memory = { prefixes: new Map(), cacheKeys: new Map(), responses: new Map(), failures: new Map() };
  return {
    fetch: (request) => handle({ journal, memory }, request),
    journal: () => journal.entries(),
    close: () => journal.stop(),
  };
}
