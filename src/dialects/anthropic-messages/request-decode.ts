/**
 * Reads a caller's Messages request into canonical form.
 * `convert` calls it once per request; a value of a wrong type is an `invalid_request` that names its path.
 */
import { invalidRequest } from "../../core/error.ts";
import { type JsonObject, rest } from "../../core/json.ts";
import {
  at,
  optionalArray,
  optionalBoolean,
  optionalInteger,
  optionalNumber,
  optionalObject,
  optionalString,
  requiredArray,
  requiredString,
  toText,
} from "../../core/read.ts";
import type { CanonicalRequest, Message, OutputFormat, TextPart } from "../../core/request.ts";
import { markBillingHeader } from "../system-text.ts";
import { decodeBlocks, decodeMessages, isText } from "./messages-decode.ts";
import { decodeReasoning } from "./thinking.ts";
import { decodeToolChoice, decodeTools } from "./tools.ts";
import { OWN, ownExtras } from "./wire.ts";

const KNOWN = new Set([
  "model",
  "stream",
  "system",
  "messages",
  "tools",
  "tool_choice",
  "max_tokens",
  "temperature",
  "top_p",
  "top_k",
  "stop_sequences",
  "service_tier",
  "metadata",
  "thinking",
  "output_config",
  "output_format",
]);

/** The canonical request. Throws `invalid_request` for a value of a wrong type; unknown fields become extras. */
export function decodeRequest(body: JsonObject): CanonicalRequest {
  const request: CanonicalRequest = {
    model: requiredString(body, "model"),
    stream: optionalBoolean(body, "stream") ?? false,
    messages: decodeMessages(requiredArray(body, "messages")),
  };
  const system = [...decodeSystem(body), ...takeLeadingSystem(request)];
  if (system.length > 0) request.system = system;
  decodeSampling(body, request);
  const tools = decodeTools(optionalArray(body, "tools") ?? []);
  if (tools.length > 0) request.tools = tools;
  Object.assign(request, decodeToolChoice(optionalObject(body, "tool_choice")));
  const extras = { ...rest(body, KNOWN) };
  decodeNested(body, request, extras);
  for (const key in extras) if (extras[key] === null) delete extras[key];
  if (Object.keys(extras).length > 0) Object.assign(request, ownExtras(extras));
  return request;
}

function decodeSystem(body: JsonObject): TextPart[] {
  const { system } = body;
  if (system === undefined || system === null) return [];
  if (typeof system === "string") return system === "" ? [] : [markBillingHeader({ type: "text", text: system })];
  if (!Array.isArray(system)) throw invalidRequest("system: expected a string or an array of text blocks.", "system");
  return decodeBlocks(system, "system").map((part, index) => {
    if (part.type === "text") return markBillingHeader(part);
    throw invalidRequest(
      `system[${index}].type: only text blocks can be instructions.`,
      at(at("system", index), "type"),
    );
  });
}

/** Instructions that open the conversation belong to the others, unless they say more than text. */
function takeLeadingSystem(request: CanonicalRequest): TextPart[] {
  const taken: TextPart[] = [];
  for (let first = request.messages[0]; first?.role === "system" && isPlain(first); first = request.messages[0]) {
    taken.push(...first.content.filter(isText));
    request.messages = request.messages.slice(1);
  }
  return taken;
}

function isPlain(message: Message): boolean {
  return Object.keys(message.extras?.[OWN] ?? {}).every((key) => key === "$role");
}

function decodeSampling(body: JsonObject, request: CanonicalRequest): void {
  const read = <K extends keyof CanonicalRequest>(key: K, value: CanonicalRequest[K] | undefined) => {
    if (value !== undefined) request[key] = value;
  };
  read("maxOutputTokens", optionalInteger(body, "max_tokens"));
  read("temperature", optionalNumber(body, "temperature"));
  read("topP", optionalNumber(body, "top_p"));
  read("topK", optionalInteger(body, "top_k"));
  const stop = optionalArray(body, "stop_sequences")?.map((text, index) => toText(text, at("stop_sequences", index)));
  read("stop", stop);
  read("serviceTier", optionalString(body, "service_tier"));
}

/** Objects of which the canon knows some fields; the others stay in extras under the same name. */
function decodeNested(body: JsonObject, request: CanonicalRequest, extras: JsonObject): void {
  const keep = (name: string, fields: JsonObject | undefined) => {
    if (fields && Object.keys(fields).length > 0) extras[name] = fields;
  };
  const metadata = optionalObject(body, "metadata");
  const endUser = metadata && optionalString(metadata, "user_id", "metadata");
  if (endUser !== undefined) request.endUser = endUser;
  keep("metadata", metadata && rest(metadata, new Set(["user_id"])));
  const { reasoning, thinking, outputConfig } = decodeReasoning(body);
  if (reasoning) request.reasoning = reasoning;
  if (reasoning?.effort && body.thinking == null) extras.$effortOnly = true;
  keep("thinking", thinking);
  const { format, ...config } = outputConfig ?? {};
  const wanted = optionalObject({ format }, "format", "output_config") ?? optionalObject(body, "output_format");
  const decoded = wanted && decodeFormat(wanted, format ? "output_config.format" : "output_format");
  if (decoded) request.outputFormat = decoded;
  else if (wanted) config.format = wanted;
  keep("output_config", config);
}

function decodeFormat(format: JsonObject, path: string): OutputFormat | undefined {
  if (format.type !== "json_schema") return undefined;
  const schema = optionalObject(format, "schema", path);
  if (!schema) throw invalidRequest(`${path}.schema: expected an object, got nothing.`, at(path, "schema"));
  return { type: "json-schema", schema, strict: true };
}
