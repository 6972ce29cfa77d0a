/**
 * Reads Gemini's usageMetadata into token classes and writes it back.
 * Its prompt count includes cached tokens but not what tools brought in, and its candidates exclude thoughts; the counts of all decoders meet in `settle`.
 */
import { asArray, asObject, asString, type Json, type JsonObject } from "../../core/json.ts";
import { completionTokens, emptyUsage, promptTokens, split, tokenCount, type Usage } from "../../core/usage.ts";
import { others } from "./keys.ts";
import { MODALITY_BY_NUMBER } from "./wire.ts";

const COUNTS = new Set([
  "promptTokenCount",
  "cachedContentTokenCount",
  "candidatesTokenCount",
  "thoughtsTokenCount",
  "totalTokenCount",
]);

/** The tokens of one modality in a list of details; modalities come by name or by number. */
function ofModality(details: Json | undefined, wanted: string): number {
  let sum = 0;
  for (const entry of asArray(details)) {
    const { modality, tokenCount: count } = asObject(entry) ?? {};
    const name = typeof modality === "number" ? MODALITY_BY_NUMBER[modality] : asString(modality);
    if (name === wanted) sum += tokenCount(count);
  }
  return sum;
}

/** Whether the metadata counts anything; some chunks carry only a traffic type. */
export function hasCounts(metadata: JsonObject): boolean {
  for (const key of COUNTS) if (metadata[key] !== undefined) return true;
  return false;
}

/** The usage that the metadata states. Counts that are missing follow from the total where it is known. */
export function decodeUsage(metadata: JsonObject, webSearches = 0): Usage {
  const prompt = tokenCount(metadata.promptTokenCount);
  const tools = tokenCount(metadata.toolUsePromptTokenCount);
  const total = tokenCount(metadata.totalTokenCount);
  const thoughts = tokenCount(metadata.thoughtsTokenCount);
  const candidates =
    metadata.candidatesTokenCount === undefined
      ? Math.max(0, total - prompt - tools - thoughts)
      : tokenCount(metadata.candidatesTokenCount);
  // An imitator that counts thoughts among the candidates shows it by its total.
  const isInside = thoughts > 0 && thoughts <= candidates && total === prompt + tools + candidates;

  const { promptTokensDetails: sent, cacheTokensDetails: cached, toolUsePromptTokensDetails: brought } = metadata;
  const { candidatesTokensDetails: made } = metadata;
  const input = (name: string) =>
    Math.max(0, ofModality(sent, name) - ofModality(cached, name)) + ofModality(brought, name);
  const [text, cacheRead = 0, image = 0, audio = 0] = split(
    prompt + tools,
    Math.min(tokenCount(metadata.cachedContentTokenCount), prompt),
    input("IMAGE"),
    input("AUDIO"),
  );
  const [output, thinkingInside = 0, imageOutput = 0, audioOutput = 0] = split(
    candidates,
    isInside ? thoughts : 0,
    ofModality(made, "IMAGE"),
    ofModality(made, "AUDIO"),
  );
  return {
    ...emptyUsage("measured"),
    input: text,
    cacheRead,
    imageInput: image,
    audioInput: audio,
    output,
    thinking: isInside ? thinkingInside : thoughts,
    imageOutput,
    audioOutput,
    webSearches,
  };
}

/** What the metadata says besides the counts that the classes hold. */
export function usageExtras(metadata: JsonObject): JsonObject | undefined {
  return others(metadata, COUNTS);
}

/** The metadata for a caller. `extras` are this dialect's own fields, kept from an upstream of the same format. */
export function encodeUsage(usage: Usage, extras: JsonObject | undefined): JsonObject {
  const tools = tokenCount(extras?.toolUsePromptTokenCount);
  const prompt = Math.max(0, promptTokens(usage) - tools);
  const thoughts = usage.thinking;
  const candidates = completionTokens(usage) - thoughts;
  return {
    promptTokenCount: prompt,
    candidatesTokenCount: candidates,
    totalTokenCount: prompt + tools + candidates + thoughts,
    ...(usage.cacheRead > 0 && { cachedContentTokenCount: usage.cacheRead }),
    ...(thoughts > 0 && { thoughtsTokenCount: thoughts }),
    ...(extras ?? modalityDetails(usage)),
  };
}

function modalityDetails(usage: Usage): JsonObject {
  const { imageInput, audioInput, imageOutput, audioOutput } = usage;
  const details: JsonObject = {};
  const list = (image: number, audio: number, total: number) => {
    const [text] = split(total, image, audio);
    const entries: [string, number][] = [
      ["TEXT", text],
      ["IMAGE", image],
      ["AUDIO", audio],
    ];
    return entries.filter(([, count]) => count > 0).map(([modality, count]) => ({ modality, tokenCount: count }));
  };
  if (imageInput + audioInput > 0) {
    details.promptTokensDetails = list(imageInput, audioInput, promptTokens(usage));
  }
  if (imageOutput + audioOutput > 0) {
    details.candidatesTokensDetails = list(imageOutput, audioOutput, completionTokens(usage) - usage.thinking);
  }
  return details;
}
