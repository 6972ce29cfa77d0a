/**
 * Load on all four formats, streamed and whole, with what each caller saw of its call.
 * The tests of this folder compare that with the upstream's journal and the books.
 */
import { RAW_SURFACES, type RawSurface } from "../support/surfaces.ts";

/** What a caller saw. */
export interface Seen {
  /** The gateway's id of the call, once there was a response. */
  id: string | undefined;
  /** 0 when there was no response. */
  status: number;
  /** It neither ended nor broke in time. */
  stuck: boolean;
  /** The end of the format was read: the whole answer, or the last event of the stream. */
  complete: boolean;
  readonly surface: string;
  readonly streamed: boolean;
  readonly text: string;
  /** `Retry-After` of an answer that is not a success. */
  retryAfter?: string | undefined;
  /** The answer's body, when it is not a success. */
  error?: string;
}

/** One call to be made. */
export interface Shape {
  readonly surface: RawSurface;
  readonly streamed: boolean;
  readonly model: string;
  /** Orders to the simulated provider. */
  readonly text: string;
  /** Leaves after the first bytes. */
  readonly leaves?: boolean;
}

/** What a stream of each format says last. */
const LAST: Readonly<Record<string, RegExp>> = {
  chat: /data: \[DONE\]/,
  responses: /"type":"response\.(completed|incomplete)"/,
  messages: /"type":"message_stop"/,
  gemini: /"finishReason"/,
};

const MAX_ERROR = 2000;
/** Nothing here takes that long, unless it never ends. */
const CALL_WITHIN_MS = 30_000;

/** Makes one call. Never rejects: a connection that broke is what the caller saw. */
export async function call(url: string, key: string, shape: Shape, signal?: AbortSignal): Promise<Seen> {
  const { surface, streamed, model, text } = shape;
  const seen: Seen = { id: undefined, status: 0, stuck: false, complete: false, surface: surface.name, streamed, text };
  const leaving = new AbortController();
  const timer = setTimeout(() => {
    seen.stuck = true;
    leaving.abort();
  }, CALL_WITHIN_MS);
  try {
    const response = await fetch(url + surface.path(model, streamed), {
      method: "POST",
      headers: { authorization: `Bearer ${key}`, "content-type": "application/json" },
      body: JSON.stringify(surface.body(model, text, streamed)),
      signal: signal ? AbortSignal.any([signal, leaving.signal]) : leaving.signal,
    });
    seen.id = response.headers.get("x-request-id") ?? undefined;
    seen.status = response.status;
    if (response.status !== 200) {
      seen.retryAfter = response.headers.get("retry-after") ?? undefined;
      seen.error = (await response.text()).slice(0, MAX_ERROR);
    } else if (!streamed) {
      await response.json();
      seen.complete = true;
    } else await readStream(response, seen, shape, leaving);
  } catch {
    // What was seen until now is what there is.
  } finally {
    clearTimeout(timer);
  }
  return seen;
}

async function readStream(response: Response, seen: Seen, shape: Shape, leaving: AbortController): Promise<void> {
  const decoder = new TextDecoder();
  const last = LAST[seen.surface];
  let tail = "";
  let isOver = false;
  for await (const bytes of response.body ?? []) {
    tail = tail.slice(-100) + decoder.decode(bytes as Uint8Array, { stream: true });
    if (last?.test(tail)) isOver = true;
    // Gemini has no last event: there the end of the connection says that nothing more comes.
    if (isOver && seen.surface !== "gemini") seen.complete = true;
    if (shape.leaves && !isOver) return leaving.abort();
  }
  if (isOver) seen.complete = true;
}

const pick = <T>(list: readonly T[]): T => list[Math.floor(Math.random() * list.length)] as T;

/** Every surface, streamed and whole, in turn. */
export function shapeOf(number: number, model: string, text: string): Shape {
  const surface = RAW_SURFACES[number % RAW_SURFACES.length] as RawSurface;
  return { surface, streamed: (number >> 2) % 2 === 0, model, text };
}

/** What goes well, and how calls go wrong. */
const STREAM_ORDERS = ["words=30 gap=6ms", "words=12 gap=15ms", "words=20 gap=8ms", "words=5"];
const WHOLE_ORDERS = ["words=20 ttfb=40ms", "words=9 ttfb=120ms", "words=5"];
const ODD_ORDERS = ["status=503", "words=20 gap=6ms no-usage", "words=20 gap=6ms cut-after=4", "words=9 error-after=3"];

/** Whether the upstream was told to do something wrong, after which its own account and what it reported may differ. */
export function isOdd(text: string): boolean {
  return /status=|no-usage|cut-after|error-after/.test(text);
}

/** A call of any format, mostly a good one; only good ones if so wished. */
export function anyShape(models: readonly string[], onlyGood = false): Shape {
  const streamed = Math.random() < 0.6;
  const odd = onlyGood ? 0.5 : Math.random();
  const orders = odd < 0.15 ? ODD_ORDERS : streamed ? STREAM_ORDERS : WHOLE_ORDERS;
  const leaves = streamed && odd > 0.93;
  return { surface: pick(RAW_SURFACES), streamed, model: pick(models), text: `Say ${pick(orders)}`, leaves };
}

/** Runs at most `count` calls, so many at a time, until `stopped` says so. What each saw, in order of their ends. */
export async function drive(options: {
  readonly count: number;
  readonly atATime: number;
  readonly next: (number: number) => { url: string; key: string; shape: Shape };
  readonly stopped?: () => boolean;
  readonly signal?: AbortSignal;
}): Promise<Seen[]> {
  const seen: Seen[] = [];
  let begun = 0;
  const worker = async () => {
    while (begun < options.count && !options.stopped?.()) {
      const { url, key, shape } = options.next(begun++);
      seen.push(await call(url, key, shape, options.signal));
    }
  };
  await Promise.all(Array.from({ length: options.atATime }, worker));
  return seen;
}
