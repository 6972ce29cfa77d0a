/**
 * Bodies of the Responses format that arrive on Chat's surface: Cursor sends them there, and reads Chat's answers.
 * Such a body is read by that format's own decoder, and can only be converted.
 */
import type { Head } from "../../core/head.ts";
import { asArray, asObject, type JsonObject } from "../../core/json.ts";
import type { CanonicalRequest } from "../../core/request.ts";
import { peek as peekResponses } from "../openai-responses/head.ts";
import { decodeRequest as decodeResponses } from "../openai-responses/request-decode.ts";

/** Whether a body has the other format's `input` in place of `messages`. */
export function isBorrowed(body: JsonObject): boolean {
  return (body.input ?? null) !== null && asArray(body.messages).length === 0;
}

/** Whether a tool is written the other format's way, with the function's fields on the tool itself. */
export function hasFlatTools(body: JsonObject): boolean {
  return asArray(body.tools).some((value) => {
    const tool = asObject(value);
    const type = tool?.type ?? "function";
    return typeof tool?.name === "string" && (type === "function" || type === "custom") && tool[type] === undefined;
  });
}

/** The head of such a body. */
export function peekBorrowed(body: JsonObject, outputLimit: number | undefined): Head {
  const head = peekResponses(body);
  const limit = head.maxOutputTokens ?? outputLimit;
  return { ...head, ...(limit !== undefined && { maxOutputTokens: limit }), shape: "openai-responses" };
}

/** The request that it says. Fields that only Chat has are taken out, since an upstream of the other format refuses them. */
export function decodeBorrowed(body: JsonObject, outputLimit: number | undefined): CanonicalRequest {
  const { messages: _, n: __, max_tokens: ___, max_completion_tokens: ____, ...others } = body;
  const { include_usage: _____, ...options } = asObject(body.stream_options) ?? {};
  delete others.stream_options;
  if (Object.keys(options).length > 0) others.stream_options = options;
  // What nobody said means other things in the two formats.
  others.store ??= false;
  const request = decodeResponses(others);
  if (outputLimit !== undefined) request.maxOutputTokens ??= outputLimit;
  return request;
}
