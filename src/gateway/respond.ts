/**
 * The headers of answers and the envelopes of refusals.
 * Response headers are made here, never copied from an upstream.
 */
import type { GatewayError } from "../core/error.ts";
import type { Loss } from "../core/loss.ts";
import type { RateDecision } from "../limits/limiter.ts";
import type { Visit } from "./gateway.ts";
import type { Inquiry } from "./inquiry.ts";
import { rateHeaders } from "./limit.ts";
import type { Call } from "./settle.ts";

/** What browsers may read of an answer; SDKs in the browser need it. */
const EXPOSED =
  "x-request-id, request-id, x-sluice-provider, x-sluice-model, x-sluice-cost-usd, x-sluice-losses, " +
  "x-sluice-max-output-tokens, retry-after, x-should-retry, x-ratelimit-limit-requests, x-ratelimit-remaining-requests, " +
  "x-ratelimit-reset-requests, x-ratelimit-limit-tokens, x-ratelimit-remaining-tokens, x-ratelimit-reset-tokens";

/** The headers of every answer, whatever route made it. */
export function commonHeaders(id: string): Record<string, string> {
  return {
    "x-request-id": id,
    "request-id": id,
    "access-control-allow-origin": "*",
    "access-control-expose-headers": EXPOSED,
  };
}

const MAX_LOSSES_HEADER = 2000;

/** Losses as a header: field names, an `~` before those that were altered rather than dropped. */
export function lossesHeader(losses: readonly Loss[]): string {
  const text = losses.map((loss) => (loss.kind === "altered" ? `~${loss.field}` : loss.field)).join(", ");
  return text.replace(/[^\x20-\x7e]/g, "?").slice(0, MAX_LOSSES_HEADER);
}

/** The headers of a served call. `cost` in US dollars is known for whole replies only. */
export function answerHeaders(inquiry: Inquiry, call: Call, cost: string | undefined): Record<string, string> {
  const headers = commonHeaders(call.id);
  const stream = inquiry.head.stream && inquiry.framing === "sse";
  headers["content-type"] = stream ? "text/event-stream; charset=utf-8" : "application/json";
  if (inquiry.head.stream) headers["cache-control"] = "no-cache";
  if (call.modelId) headers["x-sluice-model"] = call.modelId.replace(/[^\x20-\x7e]/g, "?");
  if (call.served) {
    headers["x-sluice-provider"] = call.served.candidate.endpoint.provider;
    const { losses } = call.served.translation;
    if (losses.length > 0) headers["x-sluice-losses"] = lossesHeader(losses);
  }
  if (inquiry.outputLimit !== undefined) headers["x-sluice-max-output-tokens"] = String(inquiry.outputLimit);
  if (cost !== undefined) headers["x-sluice-cost-usd"] = cost;
  if (call.rate?.state) Object.assign(headers, rateHeaders(call.rate.state));
  return headers;
}

/** An error in the caller's envelope, with what is left of its limits where they were asked. */
export function refuse(visit: Visit, id: string, error: GatewayError, rate?: RateDecision): Response {
  const reply = visit.dialect.encodeError(error, id);
  const limits = rate?.state ? rateHeaders(rate.state) : {};
  return Response.json(reply.body, {
    status: reply.status,
    headers: { ...commonHeaders(id), ...limits, ...reply.headers },
  });
}
