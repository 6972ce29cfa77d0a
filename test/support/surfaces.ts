/**
 * The four surfaces as tests call them without an SDK: path, body, and where each keeps the texts and errors of an answer.
 * For tests that send what no SDK would send.
 */
import type { JsonObject } from "../../src/core/json.ts";

export interface RawSurface {
  readonly name: string;
  path(model: string, stream: boolean): string;
  body(model: string, text: string, stream: boolean): JsonObject;
  /** The fields every error body of this format has; throws when the body is not of its form. */
  errorMessage(body: JsonObject): string;
}

function nested(body: JsonObject): JsonObject {
  const error = body.error;
  if (typeof error !== "object" || error === null || Array.isArray(error)) {
    throw new Error(`no error object in ${JSON.stringify(body)}`);
  }
  return error;
}

function text(value: unknown, place: string): string {
  if (typeof value !== "string" || value === "") throw new Error(`no text at ${place}`);
  return value;
}

/** OpenAI's envelope: message and type, with param and code present even when null. */
function openaiError(body: JsonObject): string {
  const error = nested(body);
  text(error.type, "error.type");
  if (!("param" in error) || !("code" in error)) throw new Error("param or code is missing");
  return text(error.message, "error.message");
}

export const RAW_SURFACES: readonly RawSurface[] = [
  {
    name: "chat",
    path: () => "/v1/chat/completions",
    body: (model, content, stream) => ({ model, stream, messages: [{ role: "user", content }] }),
    errorMessage: openaiError,
  },
  {
    name: "responses",
    path: () => "/v1/responses",
    body: (model, input, stream) => ({ model, stream, input }),
    errorMessage: openaiError,
  },
  {
    name: "messages",
    path: () => "/v1/messages",
    body: (model, content, stream) => ({ model, stream, max_tokens: 4000, messages: [{ role: "user", content }] }),
    errorMessage(body) {
      if (body.type !== "error") throw new Error("type is not error");
      text(body.request_id, "request_id");
      const error = nested(body);
      text(error.type, "error.type");
      return text(error.message, "error.message");
    },
  },
  {
    name: "gemini",
    path: (model, stream) => `/v1beta/models/${model}:${stream ? "streamGenerateContent?alt=sse" : "generateContent"}`,
    body: (_model, content) => ({ contents: [{ role: "user", parts: [{ text: content }] }] }),
    errorMessage(body) {
      const error = nested(body);
      if (typeof error.code !== "number") throw new Error("error.code is no number");
      text(error.status, "error.status");
      return text(error.message, "error.message");
    },
  },
];

const SCHEMA = { type: "object", properties: { a: { type: "string" } } };

/** What a rich request of each format has besides its plain form: tools, a tool round trip, instructions, sampling. */
const RICH: Record<string, JsonObject> = {
  chat: {
    tools: [{ type: "function", function: { name: "f", description: "d", parameters: SCHEMA } }],
    tool_choice: "auto",
    response_format: { type: "text" },
    stop: ["x"],
    temperature: 1,
    max_tokens: 50,
    stream_options: { include_usage: true },
    messages: [
      { role: "system", content: "s" },
      { role: "user", content: [{ type: "text", text: "hi" }] },
      {
        role: "assistant",
        content: null,
        tool_calls: [{ id: "c", type: "function", function: { name: "f", arguments: "{}" } }],
      },
      { role: "tool", tool_call_id: "c", content: "r" },
    ],
  },
  responses: {
    instructions: "s",
    tools: [{ type: "function", name: "f", description: "d", parameters: SCHEMA, strict: false }],
    reasoning: { effort: "low", summary: "auto" },
    text: { format: { type: "text" } },
    input: [
      { role: "user", content: [{ type: "input_text", text: "hi" }] },
      { type: "function_call", call_id: "c", name: "f", arguments: "{}" },
      { type: "function_call_output", call_id: "c", output: "r" },
    ],
  },
  messages: {
    system: [{ type: "text", text: "s", cache_control: { type: "ephemeral" } }],
    tools: [{ name: "f", description: "d", input_schema: SCHEMA }],
    tool_choice: { type: "auto" },
    thinking: { type: "enabled", budget_tokens: 1024 },
    stop_sequences: ["x"],
    messages: [
      { role: "user", content: [{ type: "text", text: "hi" }] },
      { role: "assistant", content: [{ type: "tool_use", id: "c", name: "f", input: {} }] },
      { role: "user", content: [{ type: "tool_result", tool_use_id: "c", content: "r" }] },
    ],
  },
  gemini: {
    systemInstruction: { parts: [{ text: "s" }] },
    tools: [{ functionDeclarations: [{ name: "f", description: "d", parameters: SCHEMA }] }],
    generationConfig: { temperature: 1, stopSequences: ["x"], thinkingConfig: { includeThoughts: true } },
    contents: [
      { role: "user", parts: [{ text: "hi" }] },
      { role: "model", parts: [{ functionCall: { name: "f", args: {} } }] },
      { role: "user", parts: [{ functionResponse: { name: "f", response: { r: 1 } } }] },
    ],
  },
};

/** A request that uses much of a format, to put wrong values into. A copy each time. */
export function richBody(surface: RawSurface, model: string): JsonObject {
  return structuredClone({ ...surface.body(model, "hi", false), ...RICH[surface.name] });
}
