/**
 * The one place that opens connections to providers: a request out, a response in, with every wait and size bounded.
 * `gateway/attempt.ts` sends through it; what comes back goes through `sse.ts` to a dialect, or to the client as it is.
 *
 * What was measured of Bun 1.4.5's `fetch`, which does the work:
 * - Without `redirect: "manual"` it follows redirects, without `timeout: false` it gives up after 5 minutes.
 * - It reads no more than some 0.5 MB ahead of the reader. Its own inflating, when aborted, still works through what
 *   it has read (100 ms and 150 MB for a bomb, in the thread that serves all connections): it is off, and bodies that
 *   come compressed although nobody asked for it go through a DecompressionStream, which stops at once.
 * - Aborting its signal rejects a waiting read and closes the connection at once, also while connecting.
 * - It notices a kept connection that was closed while idle. If one dies as the next request is written, a GET is sent
 *   again by Bun itself, a POST fails with ECONNRESET: that one is sent again here.
 * - A length that is not reached, a chunked body without its end and a malformed response are errors; a body that only
 *   the connection's end delimits is complete however the connection ended. Headers over some 0.5 MB are refused.
 * - It has no connect timeout: see `origins.ts`.
 *
 * What this file adds to a bare `fetch`: 1.5 to 2 µs for a request, of which a third is the signal's listener, and 0.2 µs
 * for a chunk; against a server about 4 µs for a request, with what Bun does for a signal and for reading headers.
 */

import { isUncertain, type Origin, originOf, probe } from "./origins.ts";
import { unwatch, type Watched, watch } from "./watch.ts";

/** What went wrong: the closed list that retry policy and health decide by. */
export type FaultKind =
  | "connect"
  | "connect-timeout"
  | "tls"
  | "reset"
  | "first-byte-timeout"
  | "idle-timeout"
  | "too-large"
  | "protocol"
  | "cancelled";

/** The one error of this file. Its message names neither the URL nor a header, so it may be logged. */
export class UpstreamFault extends Error {
  readonly kind: FaultKind;
  /** The runtime's own code, where there was one. */
  readonly code: string | undefined;
  /** Whether the response's headers had come. */
  readonly hasResponse: boolean;

  constructor(kind: FaultKind, code: string | undefined, hasResponse: boolean) {
    super(code === undefined ? `upstream: ${kind}` : `upstream: ${kind} (${code})`);
    this.name = "UpstreamFault";
    this.kind = kind;
    this.code = code;
    this.hasResponse = hasResponse;
  }
}

/** What a call asks of a signal; an AbortSignal is one. */
export interface CallSignal {
  readonly aborted: boolean;
  addEventListener(type: "abort", listener: EventListenerObject): void;
  /** Called when the call is over, however it ended. */
  removeEventListener(type: "abort", listener: EventListenerObject): void;
}

/** One request. Header names are lower-case; `accept-encoding` is `identity` unless it is given. */
export interface UpstreamRequest {
  url: string;
  method: "GET" | "POST";
  headers: Record<string, string>;
  body?: Uint8Array | string;
  /**
   * The wait for a TCP connection to an origin that was not reached in the last minute; 0 for no limit (behind a
   * forward proxy, where a direct connection cannot be tried).
   */
  connectTimeoutMs: number;
  /** The wait for the response's headers, connecting included. */
  firstByteTimeoutMs: number;
  /** The wait for each piece of the body. Only while `next` or `readAll` waits: a slow reader is no silent upstream. */
  idleTimeoutMs: number;
  /** The limit of the body, inflated. */
  maxBytes: number;
  /** Ends the call at any point. */
  signal: CallSignal;
  /** Where the URL names a checked address: the name that the certificate must have, and a private authority. */
  tls?: { serverName?: string; ca?: string };
}

/** One response. Whoever holds it must read it to its end or cancel it. All its methods raise `UpstreamFault`. */
export interface UpstreamResponse {
  readonly status: number;
  /** As they came: of a compressed body, `content-encoding` and `content-length` do not fit what `next` gives. */
  readonly headers: Headers;
  /** The next piece of the body, undefined at its end. One call at a time; nothing is read before it is asked for. */
  next(): Promise<Uint8Array | undefined>;
  /**
   * The rest of the body. Over `maxBytes` (by default the request's) it is "too-large". A body of known length up to
   * 1 MiB has to come within the idle timeout as a whole.
   */
  readAll(maxBytes?: number): Promise<Uint8Array>;
  /** Ends the call; the upstream sees the connection close. Harmless after the end. */
  cancel(): void;
}

/** Bodies of known length up to here are read in one go. */
const WHOLE_BODY_BYTES = 1024 * 1024;
/** A kept connection that is dead fails within a round trip; what fails later may have been worked on upstream. */
const STALE_WINDOW_MS = 1000;

/**
 * Sends a request and waits for the response's headers. Redirects are returned, never followed. A POST that fails
 * within a second by a reset, where a kept connection may have been used, is sent once more on a fresh one.
 */
export async function send(request: UpstreamRequest): Promise<UpstreamResponse> {
  const call = new Call(request);
  let response: Response;
  try {
    response = await fetch(request.url, call.options(request, true));
  } catch (error) {
    const fault = call.faultOf(error);
    if (!call.mayBeStale(fault)) throw call.close(fault);
    try {
      response = await fetch(request.url, call.options(request, false));
    } catch (again) {
      throw call.close(call.faultOf(again));
    }
  }
  call.begin(response);
  return call;
}

/** `timeout` is Bun's own and not in its types. */
type FetchOptions = BunFetchRequestInit & { timeout: false };

class Call implements UpstreamResponse, Watched {
  status = 0;
  readonly #controller = new AbortController();
  readonly #signal: CallSignal;
  readonly #origin: Origin;
  readonly #startMs = performance.now();
  readonly #idleTimeoutMs: number;
  readonly #maxBytes: number;
  #connectDeadlineMs = Number.POSITIVE_INFINITY;
  #deadlineMs: number;
  #response: Response | undefined;
  #reader: ReadableStreamDefaultReader<Uint8Array> | undefined;
  #receivedBytes = 0;
  #fault: UpstreamFault | undefined;
  #isDone = false;

  constructor(request: UpstreamRequest) {
    this.#signal = request.signal;
    this.#idleTimeoutMs = request.idleTimeoutMs;
    this.#maxBytes = request.maxBytes;
    this.#origin = originOf(request.url);
    this.#deadlineMs = this.#startMs + request.firstByteTimeoutMs;
    if (request.signal.aborted) throw new UpstreamFault("cancelled", undefined, false);
    let shortestMs = Math.min(request.firstByteTimeoutMs, request.idleTimeoutMs);
    if (request.connectTimeoutMs > 0 && isUncertain(this.#origin, this.#startMs)) {
      this.#connectDeadlineMs = this.#startMs + request.connectTimeoutMs;
      shortestMs = Math.min(shortestMs, request.connectTimeoutMs);
      probe(this.#origin, request.url, request.connectTimeoutMs);
    }
    // The call is the listener itself (`handleEvent`): no closure per call.
    request.signal.addEventListener("abort", this);
    watch(this, shortestMs);
  }

  options(request: UpstreamRequest, keepalive: boolean): FetchOptions {
    return {
      method: request.method,
      headers: { "accept-encoding": "identity", ...request.headers },
      body: request.body,
      redirect: "manual",
      signal: this.#controller.signal,
      keepalive,
      decompress: false,
      tls: request.tls,
      timeout: false,
    };
  }

  /** Not copied at once: the runtime takes 2 µs to build them. */
  get headers(): Headers {
    return this.#response?.headers ?? new Headers();
  }

  begin(response: Response): void {
    this.status = response.status;
    this.#response = response;
    this.#deadlineMs = Number.POSITIVE_INFINITY;
    this.#connectDeadlineMs = Number.POSITIVE_INFINITY;
    const nowMs = performance.now();
    this.#origin.reachedMs = nowMs;
    this.#origin.answeredMs = nowMs;
  }

  async next(): Promise<Uint8Array | undefined> {
    if (this.#fault !== undefined) throw this.#fault;
    if (this.#isDone) return undefined;
    this.#reader ??= this.#open();
    const reader = this.#reader;
    if (reader === undefined) return undefined;
    this.#deadlineMs = performance.now() + this.#idleTimeoutMs;
    let value: Uint8Array | undefined;
    try {
      // Not destructured with `done`: only the end has no value.
      value = (await reader.read()).value;
    } catch (error) {
      throw this.#stop(this.faultOf(error));
    }
    this.#deadlineMs = Number.POSITIVE_INFINITY;
    // A cancelled reader is told that its stream has ended.
    if (this.#fault !== undefined) throw this.#fault;
    if (value === undefined) {
      this.close(undefined);
      return undefined;
    }
    this.#receivedBytes += value.length;
    if (this.#receivedBytes > this.#maxBytes) throw this.#abort("too-large");
    return value;
  }

  async readAll(maxBytes = this.#maxBytes): Promise<Uint8Array> {
    const limit = Math.min(this.#receivedBytes + maxBytes, this.#maxBytes);
    if (this.#reader === undefined && this.#fault === undefined && !this.#isDone) {
      const length = this.#knownLength();
      if (length !== undefined && length > limit) throw this.#abort("too-large");
      if (length !== undefined && length <= WHOLE_BODY_BYTES) return this.#readWhole();
    }
    const chunks: Uint8Array[] = [];
    let size = 0;
    for (let chunk = await this.next(); chunk !== undefined; chunk = await this.next()) {
      if (this.#receivedBytes > limit) throw this.#abort("too-large");
      chunks.push(chunk);
      size += chunk.length;
    }
    return chunks.length === 1 && chunks[0] !== undefined ? chunks[0] : Buffer.concat(chunks, size);
  }

  cancel(): void {
    if (!this.#isDone) this.#abort("cancelled");
  }

  handleEvent(): void {
    this.cancel();
  }

  check(nowMs: number): void {
    if (nowMs >= this.#deadlineMs) this.#abort(this.#response === undefined ? "first-byte-timeout" : "idle-timeout");
    else if (nowMs >= this.#connectDeadlineMs) {
      const origin = this.#origin;
      const isUnreached = origin.reachedMs < this.#startMs;
      if (isUnreached && (origin.probe !== undefined || origin.unreachableMs >= this.#startMs)) {
        this.#abort("connect-timeout");
      } else this.#connectDeadlineMs = Number.POSITIVE_INFINITY;
    }
  }

  /** The fault that a failed fetch or read stands for. */
  faultOf(error: unknown): UpstreamFault {
    if (this.#fault !== undefined) return this.#fault;
    const code = error instanceof Error && "code" in error ? String(error.code) : undefined;
    return new UpstreamFault(kindOf(code, this.#response !== undefined), code, this.#response !== undefined);
  }

  mayBeStale(fault: UpstreamFault): boolean {
    if (fault.kind !== "reset" || this.#fault !== undefined) return false;
    return this.#origin.answeredMs > 0 && performance.now() - this.#startMs < STALE_WINDOW_MS;
  }

  /** Lets go of clock and signal; gives the fault back for throwing. */
  close<T extends UpstreamFault | undefined>(fault: T): T {
    this.#isDone = true;
    this.#fault ??= fault;
    unwatch(this);
    this.#signal.removeEventListener("abort", this);
    return fault;
  }

  #abort(kind: FaultKind): UpstreamFault {
    return this.#stop(this.#fault ?? new UpstreamFault(kind, undefined, this.#response !== undefined));
  }

  #stop(fault: UpstreamFault): UpstreamFault {
    this.close(fault);
    this.#controller.abort();
    // Nobody may be reading: the rejection that the abort causes then belongs to nobody.
    this.#reader?.cancel().catch(ignore);
    return fault;
  }

  #open(): ReadableStreamDefaultReader<Uint8Array> | undefined {
    const body = this.#response?.body ?? undefined;
    const encoding = this.headers.get("content-encoding")?.trim().toLowerCase() ?? "identity";
    if (body === undefined || encoding === "identity" || encoding === "") {
      if (body === undefined) this.close(undefined);
      return body?.getReader() as ReadableStreamDefaultReader<Uint8Array> | undefined;
    }
    const format = FORMATS.get(encoding);
    if (format === undefined) throw this.#abort("protocol");
    return body.pipeThrough(new DecompressionStream(format)).getReader() as ReadableStreamDefaultReader<Uint8Array>;
  }

  #knownLength(): number | undefined {
    const headers = this.headers;
    const length = headers.get("content-length");
    return length === null || headers.has("content-encoding") ? undefined : Number(length);
  }

  async #readWhole(): Promise<Uint8Array> {
    this.#deadlineMs = performance.now() + this.#idleTimeoutMs;
    try {
      const bytes = (await this.#response?.bytes()) ?? new Uint8Array();
      if (this.#fault !== undefined) throw this.#fault;
      this.#receivedBytes = bytes.length;
      this.close(undefined);
      return bytes;
    } catch (error) {
      throw this.close(this.faultOf(error));
    }
  }
}

function ignore(): void {}

const FORMATS = new Map<string, Bun.CompressionFormat>([
  ["gzip", "gzip"],
  ["x-gzip", "gzip"],
  ["deflate", "deflate"],
  ["br", "brotli"],
  ["zstd", "zstd"],
]);

const RESET_CODES = new Set(["ECONNRESET", "ECONNABORTED", "EPIPE", "ConnectionClosed"]);
const CONNECT_CODES = new Set([
  "ECONNREFUSED",
  "ENOTFOUND",
  "EHOSTUNREACH",
  "ENETUNREACH",
  "EADDRNOTAVAIL",
  "EAI_AGAIN",
  "ConnectionRefused",
  "FailedToOpenSocket",
]);

function kindOf(code: string | undefined, hasResponse: boolean): FaultKind {
  if (code === undefined) return "protocol";
  if (RESET_CODES.has(code)) return "reset";
  if (CONNECT_CODES.has(code) || code.startsWith("EAI_") || code.startsWith("DNS_")) return "connect";
  if (code === "ETIMEDOUT") return hasResponse ? "reset" : "connect-timeout";
  if (code === "EPROTO" || /TLS|SSL|CERT|UNABLE_TO|CRL|SELF_SIGNED/.test(code)) return "tls";
  return "protocol";
}
