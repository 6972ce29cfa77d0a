/**
 * The headers of answers and the envelopes of refusals.
 * Response headers are made here, never copied from an upstream.
 */
import type { GatewayError } from "../core/error.ts";
import type { Loss } from "../core/loss.ts";
import type { Visit } from "./gateway.ts";
import type { Inquiry } from "./inquiry.ts";
import type { Call } from "./settle.ts";

/** What browsers may read of an answer; SDKs in the browser need it. */
const EXPOSED =
  "x-request-id, request-id, x-sluice-provider, x-sluice-model, x-sluice-cost-usd, x-sluice-losses, retry-after, x-should-retry";

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
  if (cost !== undefined) headers["x-sluice-cost-usd"] = cost;
  return headers;
}

/** An error in the caller's envelope. */
export function refuse(visit: Visit, id: string, error: GatewayError): Response {
  const reply = visit.dialect.encodeError(error, id);
  return Response.json(reply.body, { status: reply.status, headers: { ...commonHeaders(id), ...reply.headers } });
}
