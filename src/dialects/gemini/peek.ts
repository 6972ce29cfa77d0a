/**
 * Reads the head of a request: what routing and holds need to know, without decoding the conversation.
 * It runs on every request, also on those that are relayed, so it looks and copies nothing.
 */
import type { Capability, Head } from "../../core/head.ts";
import { asArray, asObject, asString, type Json, type JsonObject } from "../../core/json.ts";
import type { Edit } from "../../core/patch.ts";
import { optionalInteger, optionalObject, optionalString } from "../../core/read.ts";
import type { PathFacts, RelayTarget } from "../dialect.ts";
import { searchesOf } from "../web-search.ts";
import { camelObject } from "./keys.ts";
import { modelName } from "./request-decode.ts";

/** A field in either spelling. */
function either(object: JsonObject, camel: string, snake: string): Json | undefined {
  return object[camel] ?? object[snake];
}

/** How this body spells the object of settings. */
export function configKey(body: JsonObject): "generationConfig" | "generation_config" {
  return body.generationConfig === undefined && body.generation_config !== undefined
    ? "generation_config"
    : "generationConfig";
}

/** Throws `invalid_request` when one of the facts has a wrong type. */
export function peek(body: JsonObject, path: PathFacts): Head {
  const config = camelObject(optionalObject(body, configKey(body))) ?? {};
  const maxOutputTokens = optionalInteger(config, "maxOutputTokens", "generationConfig");
  const candidates = optionalInteger(config, "candidateCount", "generationConfig");
  const searches = searchesOf(asArray(body.tools));
  return {
    model: modelName(path.model ?? optionalString(body, "model") ?? ""),
    stream: path.stream ?? false,
    ...(maxOutputTokens !== undefined && { maxOutputTokens }),
    candidates: Math.max(1, candidates ?? 1),
    needs: [...needs(body, config)],
    wantsStreamUsage: true,
    ...(searches !== undefined && { searches }),
  };
}

function needs(body: JsonObject, config: JsonObject): Set<Capability> {
  const found = new Set<Capability>();
  for (const group of asArray(body.tools)) {
    const object = asObject(group);
    if (object && asArray(either(object, "functionDeclarations", "function_declarations")).length > 0) {
      found.add("tools");
    }
  }
  for (const content of asArray(body.contents)) mediaNeeds(asObject(content)?.parts, found);
  if (config.responseSchema || config.responseJsonSchema || config.responseMimeType === "application/json") {
    found.add("structured-output");
  }
  for (const modality of asArray(config.responseModalities)) {
    const name = asString(modality)?.toUpperCase();
    if (name === "IMAGE") found.add("image-output");
    if (name === "AUDIO") found.add("audio-output");
  }
  const thinking = camelObject(config.thinkingConfig);
  if (thinking && thinking.thinkingBudget !== 0 && (thinking.thinkingBudget || thinking.thinkingLevel)) {
    found.add("thinking");
  }
  return found;
}

/** Adds what the media among the parts need. */
export function mediaNeeds(parts: Json | undefined, found: Set<Capability>): void {
  for (const entry of asArray(parts)) {
    const part = asObject(entry);
    if (!part) continue;
    const blob = asObject(either(part, "inlineData", "inline_data")) ?? asObject(either(part, "fileData", "file_data"));
    if (blob) found.add(mediaNeed(asString(either(blob, "mimeType", "mime_type")) ?? ""));
    const response = asObject(either(part, "functionResponse", "function_response"));
    if (response) mediaNeeds(response.parts, found);
  }
}

function mediaNeed(mediaType: string): Capability {
  if (mediaType.startsWith("image/")) return "images";
  if (mediaType.startsWith("audio/")) return "audio";
  return mediaType.startsWith("video/") ? "video" : "files";
}

/**
 * The target's output limit, among the settings as the caller spells them. The path names the model; a name in the body
 * would be the caller's, which an upstream does not know.
 */
export function relayEdits(_head: Head, { maxOutputTokens }: RelayTarget, body: JsonObject): Edit[] {
  const edits: Edit[] = [{ path: ["model"], remove: true }];
  if (maxOutputTokens === undefined) return edits;
  const key = configKey(body);
  edits.push({ path: [key, "max_output_tokens"], remove: true });
  edits.push({ path: [key, "maxOutputTokens"], value: String(maxOutputTokens) });
  return edits;
}
