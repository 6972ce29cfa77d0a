/**
 * What a reply says, in a form in which the tellings of two dialects are equal: text, thinking, calls, finish, usage.
 * `test/wire.test.ts` compares a recorded answer with what a caller of another dialect gets of it, whole and streamed.
 */
import type { CanonicalEvent, Choice, FinishReason, Reply } from "../../src/core/event.ts";
import { asObject, type Json, tryParse } from "../../src/core/json.ts";
import { collect } from "../../src/core/reply.ts";
import type { CanonicalRequest } from "../../src/core/request.ts";
import { completionTokens, emptyUsage, promptTokens, type Usage } from "../../src/core/usage.ts";
import { DIALECTS } from "../../src/dialects/index.ts";
import { contextFor, type MainDialect, REQUEST_ID } from "./exchanges.ts";
import { canonical } from "./requests.ts";

/** One answer's content. */
export interface Said {
  text: string;
  thinking: string;
  /** Name and arguments of each call, as one text. */
  calls: string[];
  finish: string;
}

export interface Told {
  choices: Said[];
  usage: Partial<Usage> | undefined;
}

/** The arguments as canonical JSON; what broke off or is no object counts as such, since every API completes it its own way. */
export function argumentsOf(value: Json | undefined): string {
  const parsed = typeof value === "string" ? tryParse(value || "{}") : value;
  return asObject(parsed) ? canonical(parsed as Json) : NO_OBJECT;
}

/** What a canonical reply says. */
export function said(choice: Choice): Said {
  const found: Said = { text: "", thinking: "", calls: [], finish: choice.finish.reason };
  for (const part of choice.parts) {
    if (part.type === "text" || part.type === "refusal") found.text += part.text;
    else if (part.type === "audio") found.text += part.transcript ?? "";
    else if (part.type === "thinking" && !part.redacted) found.thinking += part.text;
    else if (part.type === "tool-call") {
      const input = part.kind === "custom" ? canonical({ input: part.arguments }) : argumentsOf(part.arguments);
      found.calls.push(`${part.name} ${input}`);
    }
  }
  return found;
}

/** What a caller of `to` must be told of a reply: the same, but for what the format merges or has no word for. */
export function expected(reply: Reply, to: MainDialect): Told {
  const choices = SINGLE.has(to) ? reply.choices.slice(0, 1) : reply.choices;
  return {
    choices: choices.map((choice) => {
      const hasRefusal = choice.parts.some((part) => part.type === "refusal" && part.text !== "");
      const one = said(choice);
      return { ...one, finish: finishIn(to, choice.finish.reason, one, hasRefusal) };
    }),
    // Messages clients need the counts to be there, so what nobody told is zero.
    usage:
      to === "anthropic-messages"
        ? mergedUsage(to, reply.usage ?? emptyUsage())
        : reply.usage && { ...mergedUsage(to, reply.usage), ...toldSearches(to, reply) },
  };
}

/** Searches that a format counts by what the answer holds: items in Responses, queries in Gemini. */
function toldSearches(to: MainDialect, { choices }: Reply): Partial<Usage> {
  if (to !== "openai-responses" && to !== "gemini") return {};
  const told = to === "gemini" ? choices : choices.slice(0, 1);
  const searches = told
    .flatMap(({ parts }) => parts)
    .flatMap((part) => (part.type === "server-call" && part.call.kind === "web-search" ? [part.call.queries] : []));
  return { webSearches: to === "gemini" ? searches.flat().length : searches.length };
}

/** What stands for media in a Messages reply, which cannot carry them. */
const PLACEHOLDER = /\[The answer holds [^\]]*\](?:\n\n)?/g;

/** The first difference between what was to be told and what was, in words; undefined when there is none. */
export function difference(wanted: Told, got: Told): string | undefined {
  if (wanted.choices.length !== got.choices.length)
    return `choices: ${wanted.choices.length}, got ${got.choices.length}`;
  for (const [index, want] of wanted.choices.entries()) {
    const one = got.choices[index] as Said;
    const found = { ...one, text: one.text.replace(PLACEHOLDER, ""), calls: comparableCalls(one, want) };
    for (const field of ["text", "thinking", "calls", "finish"] as const) {
      if (!Bun.deepEquals(want[field], found[field])) return differs(field, want[field], found[field]);
    }
  }
  return Bun.deepEquals(wanted.usage, got.usage) ? undefined : differs("usage", wanted.usage, got.usage);
}

function differs(field: string, want: unknown, got: unknown): string {
  return `${field}: ${JSON.stringify(want)?.slice(0, 300)}, got ${JSON.stringify(got)?.slice(0, 300)}`;
}

/**
 * The calls, those that broke off as the original has them: where a format knows whole objects only, what came of the
 * arguments is completed, or the call left out since nobody may carry it out.
 */
function comparableCalls({ calls }: Said, want: Said): string[] {
  const comparable: string[] = [];
  let next = 0;
  for (const call of want.calls) {
    const name = call.slice(0, call.indexOf(" "));
    const isBroken = call === `${name} ${NO_OBJECT}`;
    if (isBroken) {
      comparable.push(call);
      if (calls[next]?.startsWith(`${name} `)) next++;
    } else {
      const found = calls[next++] ?? "(missing)";
      // Of a namespace nobody asked for, a format without them makes a part of the name.
      comparable.push(found.endsWith(`__${call}`) ? call : found);
    }
  }
  return [...comparable, ...calls.slice(next)];
}

const NO_OBJECT = "(no object)";

/** The formats that have one answer only. */
const SINGLE: ReadonlySet<MainDialect> = new Set(["openai-responses", "anthropic-messages"]);

/** The class of finish that remains in a format. What the calls and refusals say comes first, as for every decoder. */
function finishIn(to: MainDialect, reason: FinishReason, { calls }: Said, hasRefusal: boolean): string {
  const told = to === "anthropic-messages" ? "content-filter" : to === "gemini" ? "stop" : "refusal";
  const plain = calls.length > 0 ? "tool-calls" : hasRefusal ? told : "stop";
  switch (reason) {
    case "length":
      return "length";
    case "context-length":
      return to === "anthropic-messages" ? "context-length" : "length";
    case "content-filter":
      return "content-filter";
    case "refusal":
      return to === "anthropic-messages" || to === "gemini" ? "content-filter" : plain;
    case "pause":
      return to === "anthropic-messages" ? "pause" : to === "gemini" ? "other" : plain;
    case "malformed-tool-call":
      return to === "gemini" ? "malformed-tool-call" : plain;
    case "other":
      return to === "gemini" ? "other" : plain;
    default:
      return plain;
  }
}

/**
 * The classes that remain in a format. Chat says them all; Responses has no hour-long cache writes and no media; Messages
 * no media; Gemini no cache writes. The last two do not count searches among the usage.
 */
export function mergedUsage(to: MainDialect, usage: Usage): Partial<Usage> {
  const { source: _, ...counts } = usage;
  const media = { imageInput: 0, audioInput: 0, imageOutput: 0, audioOutput: 0 };
  const input = usage.input + usage.imageInput + usage.audioInput;
  const output = usage.output + usage.imageOutput + usage.audioOutput;
  const written = usage.cacheWrite5m + usage.cacheWrite1h;
  switch (to) {
    case "openai-chat":
      return counts;
    case "openai-responses":
      return { ...counts, ...media, input, output, cacheWrite5m: written, cacheWrite1h: 0, webSearches: 0 };
    case "anthropic-messages":
      return { ...counts, ...media, input, output };
    case "gemini":
      return { ...counts, input: usage.input + written, cacheWrite5m: 0, cacheWrite1h: 0, webSearches: 0 };
  }
}

/** What the official clients show of usage: the totals and the two shares that all have. */
export function totals(usage: Partial<Usage> | undefined): Partial<Usage> | undefined {
  if (!usage) return undefined;
  const all = { ...emptyUsage(), ...usage };
  return {
    input: promptTokens(all),
    cacheRead: all.cacheRead,
    output: completionTokens(all),
    thinking: all.thinking,
  };
}

/** The reply as a whole body of the other dialect, read again by its own decoder. */
export function throughBody(reply: Reply, to: MainDialect, request: CanonicalRequest | undefined): Told {
  const body = DIALECTS[to].encodeReply(reply, contextFor(request));
  return toldBy(to, JSON.parse(JSON.stringify(body)) as Json);
}

/** What a whole body says. */
export function toldBy(to: MainDialect, body: Json): Told {
  const reply = collect(DIALECTS[to].decodeReply(body, { id: REQUEST_ID }));
  const { source: _, ...usage } = reply.usage ?? emptyUsage();
  return { choices: reply.choices.map(said), usage: reply.usage && usage };
}

/** The events as the text of a stream of the other dialect. */
export function streamText(
  events: readonly CanonicalEvent[],
  to: MainDialect,
  request: CanonicalRequest | undefined,
): string {
  const encoder = DIALECTS[to].streamEncoder(contextFor(request), "sse");
  let text = "";
  for (const event of events) if (event.type !== "error") text += encoder.event(event);
  return text + encoder.end();
}
