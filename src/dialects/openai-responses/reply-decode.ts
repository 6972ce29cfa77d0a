/**
 * A whole OpenAI Responses answer as canonical events. Plain answers come through here, and the object that ends a stream:
 * `stream-decode.ts` shares the pieces, so that both ways tell the same.
 */
import type { CanonicalEvent, Finish, TokenLogprob } from "../../core/event.ts";
import { asArray, asNumber, asObject, asString, type Json, type JsonObject } from "../../core/json.ts";
import { streamFailure } from "./error.ts";
import { decodeItem } from "./items-decode.ts";
import { decodeUsage, isSearch } from "./usage.ts";
import { asExtras, leftover, type OutputPart, OWN } from "./wire.ts";

const KNOWN = new Set([
  "id",
  "object",
  "created_at",
  "model",
  "output",
  "output_text",
  "usage",
  "status",
  "error",
  "incomplete_details",
]);

/** Never throws: a body that is no response becomes an `error` event. */
export function decodeReply(body: Json): CanonicalEvent[] {
  const response = asObject(body);
  if (!response || (!Array.isArray(response.output) && response.status === undefined)) {
    return [{ type: "error", failure: notAResponse(response) }];
  }
  const events: CanonicalEvent[] = [messageStart(response)];
  const items = asArray(response.output);
  let number = 0;
  let hasCalls = false;
  for (const value of items) {
    const item = asObject(value);
    if (!item) continue;
    for (const part of decodeItem(item, true)) {
      hasCalls ||= part.type === "tool-call";
      pushPart(events, part, number++);
    }
  }
  for (const item of items) pushLogprobs(events, asObject(item));
  pushEnd(events, response, hasCalls, items.filter(isSearch).length);
  return events;
}

function notAResponse(response: JsonObject | undefined) {
  if (response?.error) return streamFailure(response);
  return { kind: "server" as const, status: 502, code: "invalid_response", message: "" };
}

/** The event that begins a message. */
export function messageStart(response: JsonObject): CanonicalEvent {
  const event: Extract<CanonicalEvent, { type: "message-start" }> = { type: "message-start" };
  const id = asString(response.id);
  const model = asString(response.model);
  const createdAt = asNumber(response.created_at);
  if (id) event.id = id;
  if (model) event.model = model;
  if (createdAt !== undefined) event.createdAt = createdAt;
  return { ...event, ...asExtras(leftover(response, KNOWN)) };
}

/** A whole part as events. */
export function pushPart(events: CanonicalEvent[], part: OutputPart, number: number): void {
  const place = { choice: 0, part: number };
  switch (part.type) {
    case "text": {
      const { text, annotations, signature: _, cache: __, ...start } = part;
      events.push({ type: "part-start", ...place, start });
      if (text !== "") events.push({ type: "text-delta", ...place, text });
      for (const annotation of annotations ?? []) events.push({ type: "annotation", ...place, annotation });
      break;
    }
    case "refusal": {
      const { text, cache: _, ...start } = part;
      events.push({ type: "part-start", ...place, start }, { type: "text-delta", ...place, text });
      break;
    }
    case "thinking": {
      if (part.redacted) {
        events.push({ type: "part", ...place, value: part });
        return;
      }
      const { text, signature, redacted: _, cache: __, ...start } = part;
      events.push({ type: "part-start", ...place, start });
      if (text !== "") events.push({ type: "thinking-delta", ...place, text });
      if (signature) events.push({ type: "signature", ...place, signature });
      break;
    }
    case "tool-call": {
      const { arguments: text, signature: _, cache: __, ...start } = part;
      events.push({ type: "part-start", ...place, start });
      if (text !== "") events.push({ type: "tool-call-delta", ...place, arguments: text });
      break;
    }
    default:
      events.push({ type: "part", ...place, value: part });
      return;
  }
  events.push({ type: "part-end", ...place });
}

/** Log probabilities as the canon has them. */
export function decodeLogprobs(value: Json | undefined): TokenLogprob[] {
  const tokens: TokenLogprob[] = [];
  for (const one of asArray(value)) {
    const entry = asObject(one);
    const token = asString(entry?.token);
    const logprob = asNumber(entry?.logprob);
    if (!entry || token === undefined || logprob === undefined) continue;
    const decoded: TokenLogprob = { token, logprob };
    if (Array.isArray(entry.bytes) || entry.bytes === null) decoded.bytes = entry.bytes as number[] | null;
    const top = decodeLogprobs(entry.top_logprobs);
    if (Array.isArray(entry.top_logprobs)) decoded.top = top;
    tokens.push(decoded);
  }
  return tokens;
}

function pushLogprobs(events: CanonicalEvent[], item: JsonObject | undefined): void {
  if (item?.type !== "message") return;
  for (const piece of asArray(item.content)) {
    const tokens = decodeLogprobs(asObject(piece)?.logprobs);
    if (tokens.length > 0) events.push({ type: "logprobs", choice: 0, kind: "content", tokens });
  }
}

/** What ends a message: its usage, and how it finished or failed. */
export function pushEnd(events: CanonicalEvent[], response: JsonObject, hasCalls: boolean, searches: number): void {
  const used = decodeUsage(response, searches);
  if (used) events.push({ type: "usage", usage: used.usage, ...asExtras(used.extras) });
  if (response.status === "failed" || (response.error && response.status !== "completed")) {
    events.push({ type: "error", failure: streamFailure(response) });
    return;
  }
  const extras = asExtras(leftover(response, KNOWN));
  events.push({ type: "message-end", choice: 0, finish: finishOf(response, hasCalls), ...extras });
}

/** How the answer finished. The native word is the reason of an incomplete answer, else the status. */
function finishOf(response: JsonObject, hasCalls: boolean): Finish {
  const status = asString(response.status) ?? "completed";
  if (status === "incomplete") {
    const why = asString(asObject(response.incomplete_details)?.reason) ?? "incomplete";
    const reason =
      why === "max_output_tokens" || why === "max_tokens" ? "length" : why === "content_filter" ? why : undefined;
    const said = reason === "content_filter" ? "content-filter" : (reason ?? "other");
    return { reason: said, native: { dialect: OWN, value: why } };
  }
  const native: Finish["native"] = { dialect: OWN, value: status };
  if (status !== "completed") return { reason: "other", native };
  return { reason: hasCalls ? "tool-calls" : "stop", native };
}
