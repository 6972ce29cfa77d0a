/**
 * The OpenAI Responses dialect: what Codex, the OpenAI SDKs and the AI SDK speak by default.
 * Everything that the gateway knows of this wire format goes through the one object exported here.
 */
import type { Capability, Head } from "../../core/head.ts";
import { asArray, asObject, asString, type JsonObject } from "../../core/json.ts";
import {
  optionalArray,
  optionalBoolean,
  optionalInteger,
  optionalObject,
  optionalString,
  requiredString,
} from "../../core/read.ts";
import type { Dialect } from "../dialect.ts";
import { tokenCounting } from "./count.ts";
import { decodeError, encodeError, encodeStreamFailure } from "./error.ts";
import { decodeReply } from "./reply-decode.ts";
import { encodeReply } from "./reply-encode.ts";
import { decodeRequest } from "./request-decode.ts";
import { encodeRequest } from "./request-encode.ts";
import { streamDecoder } from "./stream-decode.ts";
import { streamEncoder } from "./stream-encode.ts";
import { idBody, OWN } from "./wire.ts";

const NEED_OF_CONTENT: Record<string, Capability> = {
  input_image: "images",
  input_file: "files",
  input_audio: "audio",
};

function peek(body: JsonObject): Head {
  const head: Head = {
    model: requiredString(body, "model"),
    stream: optionalBoolean(body, "stream") ?? false,
    candidates: 1,
    needs: needsOf(body),
    wantsStreamUsage: true,
  };
  const limit = optionalInteger(body, "max_output_tokens");
  if (limit !== undefined) head.maxOutputTokens = limit;
  const session = optionalString(body, "prompt_cache_key") ?? optionalString(body, "previous_response_id");
  if (session !== undefined) head.session = session;
  const endUser = optionalString(body, "safety_identifier") ?? optionalString(body, "user");
  if (endUser !== undefined) head.endUser = endUser;
  return head;
}

function needsOf(body: JsonObject): Capability[] {
  const needs = new Set<Capability>();
  if ((optionalArray(body, "tools")?.length ?? 0) > 0) needs.add("tools");
  for (const value of asArray(body.input)) {
    const item = asObject(value);
    if (!item) continue;
    if (item.type === "additional_tools") needs.add("tools");
    for (const piece of asArray(item.content ?? item.output)) {
      const need = NEED_OF_CONTENT[asString(asObject(piece)?.type) ?? ""];
      if (need) needs.add(need);
    }
  }
  if (asObject(optionalObject(body, "text")?.format)?.type === "json_schema") needs.add("structured-output");
  const effort = asString(optionalObject(body, "reasoning")?.effort);
  if (effort !== undefined && effort !== "none") needs.add("thinking");
  return [...needs];
}

/** See `Dialect`. */
export const openaiResponses: Dialect = {
  id: OWN,
  tokenCounting,
  peek,
  decodeRequest,
  encodeRequest,
  upstreamPath: () => "/responses",
  forwardedHeaders: ["openai-beta"],
  defaultHeaders: {},
  relayEdits: (_head, { model }) => [{ path: ["model"], value: JSON.stringify(model) }],
  isUsageOnly: () => false,
  decodeReply,
  streamDecoder,
  encodeReply,
  streamEncoder,
  keepAlive: () => ": keep-alive\n\n",
  decodeError,
  encodeError,
  encodeStreamError(error, requestId) {
    const { failed, event } = encodeStreamFailure(error, requestId);
    const response = {
      id: `resp_${idBody(requestId)}`,
      object: "response",
      status: "failed",
      error: failed,
      incomplete_details: null,
      output: [],
      usage: null,
    };
    const data = JSON.stringify({ type: "response.failed", response });
    const before = event ? `event: error\ndata: ${JSON.stringify({ type: "error", error: event })}\n\n` : "";
    return `${before}event: response.failed\ndata: ${data}\n\n`;
  },
};
