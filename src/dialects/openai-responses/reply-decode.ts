/**
 * A whole OpenAI Responses answer as canonical events. Plain answers come through here, and the object that ends a stream:
 * `stream-decode.ts` shares the pieces, so that both ways tell the same.
 */
import type { CanonicalEvent, Finish, TokenLogprob } from "../../core/event.ts";
import { asArray, asNumber, asObject, asString, type Json, type JsonObject } from "../../core/json.ts";
import { streamFailure } from "./error.ts";
import { decodeItem } from "./items-decode.ts";
import { UntoldSearches } from "./server-items.ts";
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

/** What an answer held, as far as its end needs to know. */
export interface Said {
  hasCalls: boolean;
  hasRefusal: boolean;
  /** Searches of the web that the provider made. */
  searches: number;
  readonly untold: UntoldSearches;
}

/** Nothing said yet. */
export function nothingSaid(): Said {
  return { hasCalls: false, hasRefusal: false, searches: 0, untold: new UntoldSearches() };
}

/** Notes an item and the parts that it became. */
export function noteSaid(said: Said, item: JsonObject, parts: readonly OutputPart[]): void {
  if (isSearch(item)) said.searches++;
  said.untold.note(parts);
  for (const { type } of parts) {
    if (type === "tool-call") said.hasCalls = true;
    else if (type === "refusal") said.hasRefusal = true;
  }
}

/** Never throws: a body that is no response becomes an `error` event. */
export function decodeReply(body: Json): CanonicalEvent[] {
  const response = asObject(body);
  if (!response || (!Array.isArray(response.output) && response.status === undefined)) {
    return [{ type: "error", failure: notAResponse(response) }];
  }
  const events: CanonicalEvent[] = [messageStart(response)];
  const said = nothingSaid();
  let number = 0;
  for (const value of asArray(response.output)) {
    const item = asObject(value);
    if (!item) continue;
    let tokens = logprobsOf(item);
    const parts = decodeItem(item, true);
    noteSaid(said, item, parts);
    for (const part of parts) {
      pushPart(events, part, number++, tokens);
      tokens = NO_TOKENS;
    }
  }
  pushEnd(events, response, said, number);
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

export const NO_TOKENS: TokenLogprob[] = [];

/** A whole part as events, with the log probabilities of its item. */
export function pushPart(events: CanonicalEvent[], part: OutputPart, number: number, tokens = NO_TOKENS): void {
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
  if (tokens.length > 0) events.push({ type: "logprobs", choice: 0, kind: "content", tokens });
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

/** The log probabilities of all of a message's content. */
export function logprobsOf(item: JsonObject): TokenLogprob[] {
  if (item.type !== "message") return NO_TOKENS;
  const pieces = asArray(item.content).map((piece) => decodeLogprobs(asObject(piece)?.logprobs));
  return pieces.length === 1 ? (pieces[0] as TokenLogprob[]) : pieces.flat();
}

/** What ends a message: searches' results that no item told, its usage, how it finished or failed. `next` numbers parts. */
export function pushEnd(events: CanonicalEvent[], response: JsonObject, said: Said, next: number): void {
  for (const [index, part] of said.untold.results().entries()) pushPart(events, part, next + index);
  const used = decodeUsage(response, said.searches);
  if (used) events.push({ type: "usage", usage: used.usage, ...asExtras(used.extras) });
  if (response.status === "failed" || (response.error && response.status !== "completed")) {
    events.push({ type: "error", failure: streamFailure(response) });
    return;
  }
  const extras = asExtras(leftover(response, KNOWN));
  events.push({ type: "message-end", choice: 0, finish: finishOf(response, said), ...extras });
}

/** How the answer finished. The native word is the reason of an incomplete answer, else the status. */
function finishOf(response: JsonObject, said: Said): Finish {
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
  return { reason: said.hasCalls ? "tool-calls" : said.hasRefusal ? "refusal" : "stop", native };
}
