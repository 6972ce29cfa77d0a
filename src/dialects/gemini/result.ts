/**
 * What a tool answered, between the wire's `functionResponse.response` object and the canon's list of texts and media.
 * Both directions of a request use it.
 */
import { asString, type Json, type JsonObject } from "../../core/json.ts";
import type { Losses } from "../../core/loss.ts";
import type { OpaquePart, ToolResultContent, ToolResultPart } from "../../core/request.ts";
import { opaqueText } from "../opaque-text.ts";
import { encodeMedia, jsonObjectText, type MediaPart } from "./media.ts";
import { GEMINI } from "./wire.ts";

/** Keys under which callers put a plain text: the API documents `output` and `error`, SDKs also write `result`. */
const TEXT_KEYS = ["result", "output"] as const;

/** A response object and its media as content. A text under a known key comes out bare, anything else as JSON text. */
export function decodeResultContent(
  response: JsonObject | undefined,
  media: MediaPart[],
): { content: ToolResultContent[]; isError: boolean } {
  const object = response ?? {};
  const isError = object.error !== undefined && object.error !== null;
  const text = isError ? bareText(object, "error") : TEXT_KEYS.map((key) => bareText(object, key)).find(isText);
  const isEmpty = Object.keys(object).length === 0;
  const content: ToolResultContent[] =
    isEmpty && media.length > 0 ? [] : [{ type: "text", text: text ?? (isEmpty ? "" : JSON.stringify(object)) }];
  return { content: [...content, ...media], isError };
}

function isText(value: string | undefined): boolean {
  return value !== undefined;
}

function bareText(object: JsonObject, key: string): string | undefined {
  return Object.keys(object).length === 1 ? asString(object[key]) : undefined;
}

/** A result for an upstream: the response object, media that go inside it, and media that have to stand beside it. */
export interface EncodedResult {
  response: JsonObject;
  media: JsonObject[];
}

/** The response for a result. Content of other providers and file ids of theirs are losses. */
export function encodeResult(result: ToolResultPart, losses: Losses): EncodedResult {
  const texts: string[] = [];
  const media: JsonObject[] = [];
  for (const part of result.content) {
    if (part.type === "text") texts.push(part.text);
    else if (part.type === "opaque") {
      if (part.dialect === GEMINI) media.push(part.value);
      else texts.push(inWords(part, losses));
    } else {
      const encoded = encodeMedia(part);
      if (!encoded) losses.add(`messages.${part.type}`);
      else if (typeof encoded.text === "string") texts.push(encoded.text);
      else media.push(encoded);
    }
  }
  return { response: responseObject(texts, result.isError === true, media.length > 0), media };
}

/** A result's content that only its origin knows is told to the model in words, or as its JSON. */
function inWords(part: OpaquePart, losses: Losses): string {
  losses.add(`messages.${asString(part.value.type) ?? "opaque"}`, "altered");
  return opaqueText(part) ?? JSON.stringify(part.value);
}

function responseObject(texts: string[], isError: boolean, hasMedia: boolean): JsonObject {
  if (texts.length === 0 && hasMedia) return isError ? { error: "The tool failed." } : {};
  const [only = "", ...more] = texts;
  const text = more.length > 0 ? texts.join("\n") : only;
  const object = jsonObjectText(text);
  if (!object) return isError ? { error: text } : { result: text };
  return isError && object.error === undefined ? { error: object as Json } : object;
}
