/**
 * Reads the recordings without this dialect, and brings two tellings of the same thing to one form.
 * Only `recordings.test.ts` uses it: whatever is normalised away here has its reason beside it.
 */
import type { Recording } from "../../../test/support/wire.ts";
import type { Reply } from "../../core/event.ts";
import { asArray, asObject, type Json, type JsonObject } from "../../core/json.ts";
import type { CanonicalRequest } from "../../core/request.ts";
import { emptyUsage } from "../../core/usage.ts";
import { SKIP_SIGNATURE } from "./wire.ts";

/** The last usageMetadata of an answer that counts anything, read without this dialect. */
export function recordedUsage(recording: Recording): JsonObject | undefined {
  const { sse, body } = recording.response;
  const chunks: Json[] =
    sse === undefined
      ? [body ?? null].flat()
      : sse
          .split(/\r?\n\r?\n/)
          .filter((block) => block.startsWith("data:"))
          .map((block) => JSON.parse(block.replace(/^data: ?/, "")));
  const list = chunks.map((chunk) => asObject(asObject(chunk)?.usageMetadata));
  return list.filter((usage) => usage?.promptTokenCount !== undefined || usage?.totalTokenCount !== undefined).at(-1);
}

function modality(usage: JsonObject, key: string, names: unknown[]): number {
  const entries = asArray(usage[key]).map((entry) => asObject(entry) ?? {});
  return entries
    .filter((one) => names.includes(one.modality))
    .reduce((sum, one) => sum + Number(one.tokenCount ?? 0), 0);
}

export function naiveUsage(usage: JsonObject, searches: number) {
  const count = (key: string) => Number(usage[key] ?? 0);
  const media = (names: unknown[]) =>
    Math.max(0, modality(usage, "promptTokensDetails", names) - modality(usage, "cacheTokensDetails", names)) +
    modality(usage, "toolUsePromptTokensDetails", names);
  const imageInput = media(["IMAGE", 2]);
  const audioInput = media(["AUDIO", 4]);
  const imageOutput = modality(usage, "candidatesTokensDetails", ["IMAGE", 2]);
  const audioOutput = modality(usage, "candidatesTokensDetails", ["AUDIO", 4]);
  const prompt = count("promptTokenCount") + count("toolUsePromptTokenCount");
  return {
    ...emptyUsage("measured"),
    input: prompt - count("cachedContentTokenCount") - imageInput - audioInput,
    cacheRead: count("cachedContentTokenCount"),
    imageInput,
    audioInput,
    output: count("candidatesTokenCount") - imageOutput - audioOutput,
    thinking: count("thoughtsTokenCount"),
    imageOutput,
    audioOutput,
    webSearches: searches,
  };
}

/** Web searches, from the raw text: the queries of the last list of each answer. */
export function naiveSearches(recording: Recording): number {
  const text = recording.response.sse ?? JSON.stringify(recording.response.body);
  const lists = [...text.matchAll(/"webSearchQueries": ?(\[[^\]]*\])/g)];
  return lists.length > 0 ? JSON.parse(lists.at(-1)?.[1] ?? "[]").length : 0;
}

/** A reply with neighbouring unsigned texts joined, and without what depends on their borders. */
export function joined(reply: Reply): Reply {
  const choices = reply.choices.map((choice) => {
    const parts: typeof choice.parts = [];
    for (const part of choice.parts) {
      const before = parts.at(-1);
      const isText = part.type === "text" || part.type === "thinking";
      if (before && isText && before.type === part.type && !("signature" in before)) {
        parts[parts.length - 1] = { ...before, ...part, text: before.text + part.text } as typeof part;
      } else parts.push(part);
    }
    return { ...choice, parts };
  });
  return { ...reply, choices };
}

/** A document without what is said equally by leaving it out, and without the ids that are made here. */
export function tidy(value: Json | undefined, key = ""): Json | undefined {
  if (value === null || value === undefined) return undefined;
  if (Array.isArray(value)) {
    const list = value.map((one) => tidy(one)).filter((one) => one !== undefined);
    return list.length > 0 ? list : undefined;
  }
  if (typeof value !== "object") return value;
  const result: JsonObject = {};
  for (const name of Object.keys(value).sort()) {
    const one = value[name];
    if (name === "id" && typeof one === "string" && one.startsWith("callgm_")) continue;
    if (name === "index" && one === 0) continue;
    if (name === "role" && one === "model") continue;
    if (name === "thought" && one === false) continue;
    if (key === "usageMetadata" && one === 0) continue;
    if (name === "text" && one === "") continue;
    const tidied = tidy(one, name);
    if (tidied !== undefined) result[name] = tidied;
  }
  return Object.keys(result).length > 0 ? result : undefined;
}

const snake = /([a-z0-9])_([a-z])/g;

/** Fields whose inside is the caller's own and is compared as it is. */
const VERBATIM = new Set(["args", "response", "executableCode", "codeExecutionResult", "toolCall", "toolResponse"]);

/** A recorded request in the spelling and with the fields that this dialect writes. */
function normalised(value: Json | undefined, key = ""): Json | undefined {
  if (value === null || value === undefined) return undefined;
  if (VERBATIM.has(key)) return value;
  if (Array.isArray(value)) return value.map((one) => normalised(one, key)).filter((one) => one !== undefined);
  if (typeof value !== "object") return value;
  const result: JsonObject = {};
  for (const name in value) {
    const camel = name.replace(snake, (_, before: string, letter: string) => before + letter.toUpperCase());
    const one = normalised(value[name], camel);
    if (one === undefined || (camel === "thought" && one === false)) continue;
    // A signature that stands for none is written again by the encoder where it is needed.
    if (camel === "thoughtSignature" && one === SKIP_SIGNATURE) continue;
    if (camel === "response" || camel === "args") result[camel] = one;
    else result[camel] = one;
  }
  return result;
}

/** What the encoder is expected to make of a request, apart from schemas, which have their own tests. */
export function comparable(body: JsonObject): JsonObject {
  const top = normalised(body) as JsonObject;
  const config = asObject(top.generationConfig) ?? {};
  const { responseSchema, responseJsonSchema, responseMimeType, thinkingConfig, candidateCount, ...numbers } = config;
  const thinking = asObject(thinkingConfig);
  const tools = asArray(top.tools).flatMap((group) => {
    const { functionDeclarations, ...own } = asObject(group) ?? {};
    const declared = asArray(functionDeclarations).map((one) => {
      const { name, description } = asObject(one) ?? {};
      return { name, ...(description !== undefined && { description }) };
    });
    return [...declared, ...Object.keys(own).map((name) => ({ own: name }))];
  });
  return {
    contents: joinTurns(asArray(top.contents)),
    // A role of the instruction says nothing.
    system: asArray(asObject(top.systemInstruction)?.parts),
    tools: tools.sort((a, b) => Number("own" in a) - Number("own" in b)),
    toolConfig: top.toolConfig,
    numbers,
    hasSchema: responseSchema !== undefined || responseJsonSchema !== undefined,
    isJson: responseMimeType === "application/json",
    // Thoughts are left out unless asked for, so saying so is the same as not.
    thinking: thinking && {
      ...thinking,
      includeThoughts: thinking.includeThoughts === true,
      ...(typeof thinking.thinkingLevel === "string" && { thinkingLevel: thinking.thinkingLevel.toUpperCase() }),
    },
    several: candidateCount === 1 ? undefined : candidateCount,
    safety: asArray(top.safetySettings),
    cachedContent: top.cachedContent,
    modelArmorConfig: top.modelArmorConfig,
  };
}

/** Turns of one role that stand together are written as one. */
function joinTurns(contents: Json[]): JsonObject[] {
  const turns: JsonObject[] = [];
  for (const entry of contents) {
    const { role = "user", parts } = asObject(entry) ?? {};
    const last = turns.at(-1);
    const list = asArray(parts)
      .map(comparablePart)
      .filter((part) => Object.keys(part).length > 0);
    if (last?.role === role) last.parts = [...asArray(last.parts), ...list];
    else turns.push({ role, parts: list });
  }
  // Responses come before other parts of the same turn.
  for (const turn of turns) {
    const isResponse = (part: Json) => asObject(part)?.functionResponse !== undefined;
    const parts = asArray(turn.parts);
    turn.parts = [...parts.filter(isResponse), ...parts.filter((part) => !isResponse(part))];
  }
  return turns;
}

function comparablePart(part: Json): JsonObject {
  const result = { ...asObject(part) };
  // An empty text without a signature says nothing.
  if (result.text === "" && result.thoughtSignature === undefined) return {};
  const call = asObject(result.functionCall);
  const response = asObject(result.functionResponse);
  if (call) result.functionCall = { args: {}, ...call };
  if (response) {
    // Texts come back under the key that the encoder prefers, or as the object that they are the JSON of.
    const inner = asObject(response.response) ?? {};
    const text = Object.keys(inner).length === 1 ? (inner.result ?? inner.output) : undefined;
    let object: Json | undefined;
    try {
      object = typeof text === "string" ? JSON.parse(text) : undefined;
    } catch {
      object = undefined;
    }
    const written = asObject(object) ?? (typeof text === "string" ? { result: text } : inner);
    const isEmpty = Object.keys(written).length === 0 && response.parts === undefined;
    result.functionResponse = { ...response, response: isEmpty ? { result: "" } : written };
  }
  return result;
}

/** A canonical request without what is said equally by leaving it out: `$schema`, a wish for text, borders of turns. */
export function meaning(request: CanonicalRequest): CanonicalRequest {
  const { outputFormat, ...copy } = JSON.parse(
    JSON.stringify(request, (key, value) => (key === "$schema" ? undefined : value)),
  ) as CanonicalRequest;
  const messages: CanonicalRequest["messages"] = [];
  for (const message of copy.messages) {
    const last = messages.at(-1);
    if (last?.role === message.role) (last.content as unknown[]).push(...message.content);
    else messages.push(message);
  }
  return { ...copy, messages, ...(outputFormat && outputFormat.type !== "text" && { outputFormat }) };
}
