/**
 * Attempts at upstreams that are handlers or addresses, in order, and what came of them.
 * For tests of failover and of callers who leave before the first content.
 */
import type { AttemptRecord } from "../../src/core/call.ts";
import type { Candidate } from "../../src/core/endpoint.ts";
import type { GatewayError } from "../../src/core/error.ts";
import type { JsonObject } from "../../src/core/json.ts";
import type { DialectId } from "../../src/core/request.ts";
import { type AttemptScope, attempt, type Charged, type Served } from "../../src/gateway/attempt.ts";
import { createTraffic, type Traffic } from "../../src/gateway/traffic.ts";
import type { Provider } from "../../src/providers/provider.ts";
import { candidate, chatStream, httpUpstream, inquiryIn, provider, streamed } from "./calls.ts";

export const REPLY = {
  id: "c1",
  object: "chat.completion",
  choices: [{ index: 0, message: { role: "assistant", content: "good" }, finish_reason: "stop" }],
  usage: { prompt_tokens: 3, completion_tokens: 1, total_tokens: 4 },
};
export const good = () => Response.json(REPLY);
export const goodStream = () => streamed(chatStream("good"));
export const refuse =
  (status: number, error: JsonObject = { message: "no", type: "x" }) =>
  () =>
    Response.json({ error }, { status });
/** Nothing listens at this address. */
export const NOWHERE = "http://127.0.0.1:1/v1";

export interface Options {
  /** Leaves the rest of the stream to the test. */
  keep?: boolean;
  stream?: boolean;
  signal?: AbortSignal;
  /** How long, and how many, calls are read on whose callers have left. */
  abandonMs?: number;
  maxAbandoned?: number;
  maxAttempts?: number;
  firstByteTimeoutMs?: number;
  idleTimeoutMs?: number;
  providers?: Provider[];
  /** The format of each upstream, Chat by default. */
  dialects?: DialectId[];
  /** The caller wants no losses. */
  strict?: boolean;
  body?: JsonObject;
  /** What earlier calls have left; new by default. */
  traffic?: Traffic;
}

/** Tries upstreams in order: handlers, or base URLs. */
export async function tryAll(
  upstreams: (string | ((request: Request) => Response | Promise<Response>))[],
  options: Options = {},
): Promise<{ served?: Served; error?: GatewayError; attempts: AttemptRecord[]; wasted: Charged[] }> {
  const urls = upstreams.map((one) => (typeof one === "string" ? one : httpUpstream(one)));
  const providers = options.providers ?? urls.map((url, index) => provider(`p${index}`, url));
  const candidates: Candidate[] = providers.map(({ id }, index) =>
    candidate(options.dialects?.[index] ?? "openai-chat", { id: `${id}/up`, provider: id }),
  );
  const attempts: AttemptRecord[] = [];
  const wasted: { wasted?: Charged[] } = {};
  const scope: AttemptScope = {
    providers: new Map(providers.map((one) => [one.id, one])),
    limits: {
      maxAttempts: options.maxAttempts ?? 3,
      maxReplyBytes: 1_000_000,
      connectTimeoutMs: 5000,
      firstByteTimeoutMs: options.firstByteTimeoutMs ?? 5000,
      idleTimeoutMs: options.idleTimeoutMs ?? 5000,
    },
    nowMs: () => performance.now(),
    traffic: options.traffic ?? createTraffic(providers, { nowMs: () => performance.now() }),
    abandoned: { settings: { timeMs: options.abandonMs ?? 5000, maxCalls: options.maxAbandoned ?? 10 }, count: 0 },
    signal: options.signal ?? new AbortController().signal,
    attempts,
    wasted,
  };
  const { stream = false, strict = false, body } = options;
  const inquiry = inquiryIn("openai-chat", { stream, strict, ...(body && { body }) });
  try {
    const served = await attempt(inquiry, candidates, scope);
    if (!options.keep) served.rest?.response.cancel();
    return { served, attempts, wasted: wasted.wasted ?? [] };
  } catch (error) {
    return { error: error as GatewayError, attempts, wasted: wasted.wasted ?? [] };
  }
}

export function outcomes(attempts: AttemptRecord[]): string[] {
  return attempts.map(({ provider, outcome, status, reason }) =>
    `${provider} ${outcome} ${status} ${reason ?? ""}`.trim(),
  );
}
