/**
 * Tries the candidates in order until one begins to answer: translate, send, wait for the first content; else the next.
 * The only place that retries, and never after a byte of content has reached the caller.
 */
import type { AttemptRecord } from "../core/call.ts";
import type { Candidate } from "../core/endpoint.ts";
import { GatewayError, invalidRequest, type UpstreamFailure } from "../core/error.ts";
import type { Loss } from "../core/loss.ts";
import { WIRE_FORMATS } from "../dialects/index.ts";
import { endsChargeOnAbort, type Provider } from "../providers/provider.ts";
import type { KeyIndex } from "../upstream/credentials.ts";
import { UpstreamFault, type UpstreamResponse } from "../upstream/http.ts";
import { SseLimitError } from "../upstream/sse.ts";
import { type Abandoned, Departure } from "./departure.ts";
import { conceal, fromFault, reasonOf, retryElsewhere, toError } from "./failure.ts";
import type { Inquiry } from "./inquiry.ts";
import { Meter } from "./meter.ts";
import type { Traffic } from "./traffic.ts";
import { translate } from "./translate.ts";
import type { Piece, ReplyStream, Translation } from "./translation.ts";
import { type CallLimits, callUpstream, type UpstreamCall } from "./upstream-call.ts";

export interface AttemptLimits extends CallLimits {
  readonly maxAttempts: number;
}

/** What attempts need of the gateway. */
export interface AttemptScope {
  readonly providers: ReadonlyMap<string, Provider>;
  readonly limits: AttemptLimits;
  readonly nowMs: () => number;
  /** What all calls together know of endpoints and keys. */
  readonly traffic: Traffic;
  /** Calls that are read on though their callers have left. */
  readonly abandoned: Abandoned;
  /** Aborted when the caller leaves. */
  readonly signal: AbortSignal;
  /** Filled with one record a try. */
  readonly attempts: AttemptRecord[];
  /** Is told of failed tries that a provider charged for. */
  readonly wasted: { wasted?: Charged[] };
}

/** An endpoint that was asked, and what it said that it used. */
export interface Charged {
  readonly inquiry: Inquiry;
  readonly candidate: Candidate;
  readonly meter: Meter;
}

/** The unread part of a stream. `ended`: the opening already holds its end. */
export interface Rest {
  readonly response: UpstreamResponse;
  readonly stream: ReplyStream;
  readonly ended: boolean;
  /** Where the provider charges on when the caller leaves; absent where the call is closed then. */
  readonly departure: Departure | undefined;
}

/** An endpoint that has begun to answer. `rest` is absent for a whole reply. */
export interface Served extends Charged {
  readonly translation: Translation;
  /** For the caller, in order: everything up to and including the first content, or the whole reply. */
  readonly opening: readonly (Uint8Array | string)[];
  readonly rest?: Rest;
  /** What must not be told of the provider's words, should it fail later. */
  readonly secrets: () => readonly string[];
}

/** What a caller is told who allowed no losses. Each is named as in the losses header. */
function tooLossy(losses: readonly Loss[]): GatewayError {
  const told = losses.map(({ field, kind }) => `${field} would be ${kind}`).join(", ");
  return invalidRequest(`No endpoint can take this request as it is, and x-sluice-strict forbids losses: ${told}.`);
}

/** The caller left before the first content. `served`: an upstream had accepted the call, and may charge for the prompt. */
export class CallerLeft extends UpstreamFault {
  readonly served: Served | undefined;

  constructor(served?: Served) {
    super("cancelled", undefined, served !== undefined);
    this.served = served;
  }
}

/** An attempt that ended before any content. */
class AttemptFailure extends Error {
  override readonly name = "AttemptFailure";
  readonly failure: UpstreamFailure;

  constructor(failure: UpstreamFailure) {
    super(failure.message);
    this.failure = failure;
  }
}

/** What the tries of a call have come to so far. */
interface Tries {
  /** The newest failure. */
  last?: UpstreamFailure;
  /** Every failure was a time-out. */
  timedOut: boolean;
  lossy: readonly Loss[];
  /** When the first of the endpoints that rest may be tried again. */
  restsUntilMs: number;
}

/**
 * The first candidate that begins to answer; for a strict caller those that lose nothing are the only ones. An endpoint
 * that rests is passed by; one whose key is refused or limited is tried with the next key. Throws the caller's own error
 * at once (invalid_request …), else after the last attempt `upstream_unavailable` or `upstream_timeout`; CallerLeft when
 * the caller has left, unless the upstream's answer was waited for and came all the same.
 */
export async function attempt(
  inquiry: Inquiry,
  candidates: readonly Candidate[],
  scope: AttemptScope,
): Promise<Served> {
  const { traffic } = scope;
  const tries: Tries = { timedOut: true, lossy: [], restsUntilMs: Number.POSITIVE_INFINITY };
  traffic.budget.call();
  for (const candidate of candidates) {
    if (scope.attempts.length >= scope.limits.maxAttempts) break;
    const translation = translate(inquiry, candidate);
    if (inquiry.strict && translation.losses.length > 0) {
      tries.lossy = translation.losses;
      continue;
    }
    let key = traffic.keys(candidate.endpoint.provider)?.pick();
    do {
      if (!mayTry(candidate, tries, scope)) break;
      const found = await tryNoting(inquiry, candidate, translation, key, tries, scope);
      if ("served" in found) return found.served;
      key = found.nextKey;
    } while (key !== undefined);
  }
  throw inTheEnd(tries, scope);
}

/** Whether another try may be made, and made there. */
function mayTry({ endpoint }: Candidate, tries: Tries, { attempts, limits, traffic }: AttemptScope): boolean {
  if (attempts.length >= limits.maxAttempts) return false;
  if (!traffic.health.mayTry(endpoint.id)) {
    tries.restsUntilMs = Math.min(tries.restsUntilMs, traffic.health.restsUntilMs(endpoint.id) ?? 0);
    return false;
  }
  if (attempts.length === 0 || traffic.budget.mayRetry()) return true;
  traffic.health.untold(endpoint.id);
  return false;
}

/** One try, told to the record and to all who keep count. Throws what ends the call. */
async function tryNoting(
  inquiry: Inquiry,
  candidate: Candidate,
  translation: Translation,
  key: KeyIndex | undefined,
  tries: Tries,
  scope: AttemptScope,
): Promise<{ served: Served } | { nextKey: KeyIndex | undefined }> {
  const { id, provider, contextTokens } = candidate.endpoint;
  const { traffic } = scope;
  const startedMs = scope.nowMs();
  const meter = new Meter();
  const note = (outcome: AttemptRecord["outcome"], status: number, reason?: string) => {
    const durationMs = Math.round(scope.nowMs() - startedMs);
    scope.attempts.push({ endpoint: id, provider, dialect: candidate.dialect, status, durationMs, outcome, reason });
  };
  try {
    const served = await tryOne(inquiry, candidate, translation, meter, scope, key);
    note("served", 200);
    traffic.health.served(id, scope.nowMs() - startedMs);
    if (key !== undefined) traffic.keys(provider)?.worked(key);
    return { served };
  } catch (thrown) {
    const hasLeft = scope.signal.aborted;
    if (!(thrown instanceof AttemptFailure)) traffic.health.untold(id);
    if (hasLeft && thrown instanceof UpstreamFault && thrown.kind === "cancelled") {
      note("cancelled", meter.accepted ? 200 : 0);
      const served = { inquiry, candidate, translation, meter, opening: [], secrets: none };
      throw new CallerLeft(meter.accepted ? served : undefined);
    }
    if (!(thrown instanceof AttemptFailure)) throw thrown;
    if (meter.isReported()) waste(scope, { inquiry, candidate, meter });
    const failure = conceal(thrown.failure, secretsOf(scope.providers.get(provider)));
    tries.last = failure;
    note("failed", failure.status, reasonOf(failure));
    const nextKey = traffic.failed(id, provider, key, failure);
    if (hasLeft) throw new CallerLeft();
    if (!retryElsewhere(failure)) throw toError(failure, { bytes: inquiry.bytes.length, contextTokens });
    if (failure.kind !== "timeout") tries.timedOut = false;
    return { nextKey };
  }
}

/** What the caller is told when nothing was left to try. */
function inTheEnd({ last, timedOut, lossy, restsUntilMs }: Tries, { nowMs }: AttemptScope): GatewayError {
  if (last) {
    const error = toError(last);
    return error.code === "upstream_timeout" && !timedOut ? toError({ ...last, kind: "server" }) : error;
  }
  if (lossy.length > 0) return tooLossy(lossy);
  if (restsUntilMs === Number.POSITIVE_INFINITY)
    return new GatewayError("internal_error", "There was no endpoint to try.");
  return new GatewayError(
    "upstream_unavailable",
    "Every provider of this model rests after failures. Try again shortly.",
    {
      retryAfterMs: Math.max(1000, restsUntilMs - nowMs()),
    },
  );
}

/** Nothing is told of an upstream to a caller who has left. */
const none = () => [];

function waste({ wasted }: AttemptScope, charged: Charged): void {
  wasted.wasted ??= [];
  wasted.wasted.push(charged);
}

async function tryOne(
  inquiry: Inquiry,
  candidate: Candidate,
  translation: Translation,
  meter: Meter,
  scope: AttemptScope,
  key: KeyIndex | undefined,
): Promise<Served> {
  const { signal } = scope;
  const { stream: isStreamed } = inquiry.head;
  const provider = scope.providers.get(candidate.endpoint.provider);
  const departure =
    provider && endsChargeOnAbort(provider, isStreamed) ? undefined : new Departure(signal, scope.abandoned);
  const response = await request(inquiry, candidate, translation, scope, { signal: departure ?? signal, key });
  try {
    if (response.status >= 300) throw await refused(candidate, response);
    meter.accepted = true;
    const secrets = () => secretsOf(provider);
    const served = { inquiry, candidate, translation, meter, secrets };
    if (!isStreamed) {
      const piece = translation.whole(await response.readAll(scope.limits.maxReplyBytes));
      meter.observe(piece.events, scope.nowMs);
      if (meter.failure) throw new AttemptFailure(meter.failure);
      if (!meter.started) throw new AttemptFailure(EMPTY);
      return { ...served, opening: [piece.output] };
    }
    const stream = translation.stream();
    const { opening, ended } = await untilContent(response, stream, meter, scope);
    return { ...served, opening, rest: { response, stream, ended, departure } };
  } catch (thrown) {
    response.cancel();
    if (thrown instanceof AttemptFailure) throw thrown;
    if (thrown instanceof SseLimitError) throw new AttemptFailure(tooLong(thrown));
    throw failureOf(thrown);
  }
}

/** A fault of the connection as the attempt's failure. A call that was closed from here has not failed. */
function failureOf(thrown: unknown): unknown {
  if (!(thrown instanceof UpstreamFault) || thrown.kind === "cancelled") return thrown;
  return new AttemptFailure(fromFault(thrown));
}

/** An event beyond the limit, as a failure of the upstream. */
export function tooLong(error: SseLimitError): UpstreamFailure {
  return { kind: "server", status: 0, message: error.message, code: "event_too_long" };
}

async function request(
  inquiry: Inquiry,
  candidate: Candidate,
  translation: Translation,
  scope: AttemptScope,
  how: Pick<UpstreamCall, "signal" | "key">,
): Promise<UpstreamResponse> {
  const { upstreamPath: path, headers, body } = translation;
  try {
    const maxBytes = inquiry.head.stream ? MAX_STREAM_BYTES : scope.limits.maxReplyBytes;
    return await callUpstream(scope, candidate, {
      id: inquiry.id,
      path,
      headers,
      body,
      maxBytes,
      ...how,
    });
  } catch (thrown) {
    throw failureOf(thrown);
  }
}

/** Nothing of a stream is kept, so only one that never ends is cut. */
const MAX_STREAM_BYTES = 2 ** 36;

const MIN_SECRET = 6;

/** What an upstream was sent and nobody else may read, should it repeat it: keys, configured headers, its own address. */
function secretsOf(provider: Provider | undefined): string[] {
  if (!provider) return [];
  const host = URL.canParse(provider.baseUrl) ? new URL(provider.baseUrl).host : "";
  // Of a key in two parts (`ID:SECRET`) either may be repeated alone.
  const parts = provider.credentials.filter((one) => !one.startsWith("{")).flatMap((one) => one.split(":"));
  const all = [...provider.credentials, ...parts, ...Object.values(provider.headers), host];
  return all.filter((secret) => secret.length >= MIN_SECRET);
}

const MAX_ERROR_BYTES = 256 * 1024;

async function refused(candidate: Candidate, response: UpstreamResponse): Promise<AttemptFailure> {
  const body = new TextDecoder().decode(await response.readAll(MAX_ERROR_BYTES));
  if (response.status < 400) {
    return new AttemptFailure({
      kind: "server",
      status: response.status,
      message: "unexpected redirect",
      code: "redirect",
    });
  }
  return new AttemptFailure(WIRE_FORMATS[candidate.dialect].decodeError(response.status, response.headers, body));
}

/** Reads until the first content. Nothing of it has reached the caller yet, so any failure here may still go elsewhere. */
async function untilContent(
  response: UpstreamResponse,
  stream: ReplyStream,
  meter: Meter,
  scope: AttemptScope,
): Promise<{ opening: (Uint8Array | string)[]; ended: boolean }> {
  const opening: (Uint8Array | string)[] = [];
  let openingBytes = 0;
  while (!meter.started) {
    const chunk = await response.next();
    const piece: Piece = chunk ? stream.push(chunk) : stream.end();
    meter.observe(piece.events, scope.nowMs);
    if (meter.failure && !meter.started) throw new AttemptFailure(meter.failure);
    opening.push(piece.output);
    openingBytes += piece.output.length;
    if (openingBytes > MAX_OPENING_BYTES) throw new AttemptFailure(EMPTY);
    if (chunk) continue;
    if (!meter.started) throw new AttemptFailure(EMPTY);
    return { opening, ended: true };
  }
  return { opening, ended: false };
}

/** Comments and pings before the first content; a stream that sends more than this of them never will begin. */
const MAX_OPENING_BYTES = 1024 * 1024;

const EMPTY: UpstreamFailure = {
  kind: "server",
  status: 200,
  message: "the answer ended without any content",
  code: "empty_answer",
};
