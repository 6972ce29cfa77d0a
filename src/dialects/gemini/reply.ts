/**
 * Whole answers in both directions: a document of an upstream to canonical events, a canonical reply to a document.
 * Streams are in `stream.ts`; both share the decoder of chunks and the words for parts.
 */
import type { CanonicalEvent, Choice, Reply } from "../../core/event.ts";
import { asObject, type Json, type JsonObject } from "../../core/json.ts";
import type { DecodeContext, EncodeContext } from "../dialect.ts";
import { isServerPart } from "../server-tools.ts";
import { type ToolNames, toolNames } from "../tool-names.ts";
import { type Note, writeGrounding } from "./grounding.ts";
import { writeLogprobs } from "./logprobs.ts";
import { callPart, endFields, finishWord, isCutOff, isPromptBlocked, ownOf, signed, wholePart } from "./part-encode.ts";
import { ReplyDecoder } from "./reply-decode.ts";
import { noteSearch, type Searches } from "./server-parts.ts";
import { encodeUsage } from "./usage.ts";
import { GEMINI } from "./wire.ts";

/** Never throws: a body that makes no sense becomes an `error` event. An array is a stream that came at once. */
export function decodeReply(body: Json, context: DecodeContext): CanonicalEvent[] {
  const isStream = Array.isArray(body);
  const decoder = new ReplyDecoder(context, isStream);
  return [...decoder.chunk(body), ...decoder.finish(!isStream)];
}

/** The document for a caller. */
export function encodeReply(reply: Reply, context: EncodeContext): JsonObject {
  const names = toolNames(context.request.tools);
  const own = ownOf(reply.extras);
  const blocked = reply.choices.length === 1 && reply.choices[0] && isPromptBlocked(reply.choices[0].finish);
  const response: JsonObject = {};
  const candidates = reply.choices.map((choice, index) => {
    Object.assign(response, endFields(choice.extras).response);
    return candidate(choice, index, names);
  });
  return {
    ...(blocked ? {} : { candidates }),
    ...(reply.usage && { usageMetadata: encodeUsage(reply.usage, ownOf(reply.usageExtras)) }),
    modelVersion: context.model,
    responseId: (own && reply.id) ?? context.id,
    ...own,
    ...response,
  };
}

function candidate(choice: Choice, index: number, names: ToolNames): JsonObject {
  const parts: JsonObject[] = [];
  const notes: Note[] = [];
  const searches: Searches = { queries: [], pages: [] };
  let said = 0;
  let hasBrokenCalls = false;
  for (const part of choice.parts) {
    if (part.type === "tool-call") {
      const isOwn = choice.finish.native?.dialect === GEMINI;
      const call = callPart(part, names, !isOwn && part === choice.parts.find(({ type }) => type === "tool-call"));
      if (call.complete || !isCutOff(choice.finish)) parts.push(call.part);
      else hasBrokenCalls = true;
      continue;
    }
    if (isServerPart(part)) noteSearch(searches, part);
    const encoded = part.type === "audio" && part.transcript ? audioParts(part) : [wholePart(part)];
    for (const one of encoded) if (one) parts.push(one);
    if (part.type === "text") {
      for (const annotation of part.annotations ?? []) notes.push({ annotation, text: part.text, before: said });
      said += Buffer.byteLength(part.text);
    }
  }
  const { candidate: fields } = endFields(choice.extras);
  const tokens = choice.logprobs?.content;
  const grounding = fields.groundingMetadata === undefined ? writeGrounding(notes, searches) : undefined;
  return {
    content: { ...asObject(ownOf(choice.extras)?.content), parts: grounding ? joinTexts(parts) : parts, role: "model" },
    finishReason: finishWord(choice.finish, hasBrokenCalls),
    index,
    ...(tokens && { logprobsResult: writeLogprobs(tokens) }),
    ...(grounding && { groundingMetadata: grounding }),
    ...fields,
  };
}

/** Neighbouring texts as one part: the API counts a citation's place in its part, and clients in the whole text. */
function joinTexts(parts: readonly JsonObject[]): JsonObject[] {
  const joined: JsonObject[] = [];
  for (const part of parts) {
    const last = joined.at(-1);
    if (last && isBareText(last) && isBareText(part)) joined[joined.length - 1] = { text: `${last.text}${part.text}` };
    else joined.push(part);
  }
  return joined;
}

function isBareText(part: JsonObject): boolean {
  return typeof part.text === "string" && Object.keys(part).length === 1;
}

function audioParts(part: Extract<Choice["parts"][number], { type: "audio" }>): (JsonObject | undefined)[] {
  return [wholePart(part), { text: part.transcript, ...signed(undefined) }];
}
