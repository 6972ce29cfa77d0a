/**
 * A canonical reply as an OpenAI Responses object for a caller, and the object's shell that streams begin and end with.
 * Calls come back in the kind and namespace in which the caller offered the tool, whatever the upstream made of it.
 */
import type { Finish, Reply, TokenLogprob } from "../../core/event.ts";
import type { JsonObject } from "../../core/json.ts";
import { collectLosses } from "../../core/loss.ts";
import type { CanonicalRequest, ServerCallPart, ServerResult, ToolCallPart } from "../../core/request.ts";
import type { EncodeContext } from "../dialect.ts";
import { ownForm, resultsByCall, type ServerPart } from "../server-tools.ts";
import { restoreToolCall, type ToolNames, toolNames } from "../tool-names.ts";
import { isCompacting, sealReply } from "./compaction.ts";
import {
  encodeCall,
  encodeImageCall,
  encodeLoneSignature,
  encodeOutputContent,
  encodeReasoning,
} from "./items-encode.ts";
import { formatOnWire, reasoningOnWire, wireReasoning } from "./request-encode.ts";
import { encodeServerItem } from "./server-items.ts";
import { encodeToolChoice, encodeTools } from "./tools.ts";
import { encodeUsage } from "./usage.ts";
import { idBody, itemNote, type OutputPart, OWN, restoreFields, transportOf } from "./wire.ts";

/** How a finish is told here. */
export interface WireFinish {
  status: string;
  incomplete: JsonObject | null;
}

/** The whole reply. Only the first answer: the format has no others. */
export function encodeReply(answer: Reply, context: EncodeContext): JsonObject {
  const reply = isCompacting(context.request) ? sealReply(answer, context) : answer;
  const choice = reply.choices[0];
  const finish = reply.failure ? { status: "failed", incomplete: null } : finishOnWire(choice?.finish);
  const output = encodeOutput(choice?.parts ?? [], context, finish, choice?.logprobs?.content);
  const extras = { ...reply.extras?.[OWN], ...choice?.extras?.[OWN] };
  return {
    ...echo(context.request),
    ...extras,
    id: responseId(reply.id, context),
    object: "response",
    created_at: reply.createdAt ?? context.createdAt,
    status: finish.status,
    error: reply.failure ? { code: "server_error", message: "The model's provider failed." } : null,
    incomplete_details: finish.incomplete,
    model: context.model,
    output,
    usage: reply.usage && reply.usage.source !== "none" ? encodeUsage(reply.usage, reply.usageExtras?.[OWN]) : null,
  };
}

/** The reply's own id when it has this format's form, else one derived from the request's. */
export function responseId(id: string | undefined, context: EncodeContext): string {
  return id?.startsWith("resp_") ? id : `resp_${idBody(context.id)}`;
}

/** Status and reason of incompleteness. A native word of this dialect is said again. */
export function finishOnWire(finish: Finish | undefined): WireFinish {
  const native = finish?.native?.dialect === OWN ? finish.native.value : undefined;
  switch (finish?.reason) {
    case "length":
    case "context-length":
      return { status: "incomplete", incomplete: { reason: "max_output_tokens" } };
    case "content-filter":
      return { status: "incomplete", incomplete: { reason: "content_filter" } };
    case "other":
      if (native === "queued" || native === "in_progress" || native === "cancelled") {
        return { status: native, incomplete: null };
      }
      if (typeof native === "string" && native !== "completed") {
        return { status: "incomplete", incomplete: { reason: native } };
      }
      return { status: "completed", incomplete: null };
    default:
      return { status: "completed", incomplete: null };
  }
}

/** What a response repeats of its request: everything that the official types require. */
export function echo(request: CanonicalRequest): JsonObject {
  const extras: JsonObject = { ...transportOf(request), ...request.extras?.[OWN] };
  const losses = collectLosses();
  const instructions = request.system?.filter((part) => part.extras?.[OWN]?.$instructions).map((part) => part.text);
  return {
    background: extras.background ?? false,
    instructions: instructions?.length ? instructions.join("\n\n") : null,
    max_output_tokens: request.maxOutputTokens ?? null,
    max_tool_calls: extras.max_tool_calls ?? null,
    metadata: request.metadata ?? {},
    parallel_tool_calls: request.parallelToolCalls ?? true,
    previous_response_id: extras.previous_response_id ?? null,
    prompt_cache_key: request.cacheKey ?? null,
    reasoning: {
      effort: null,
      summary: null,
      ...wireReasoning(request.extras),
      ...reasoningOnWire(request.reasoning ?? {}),
    },
    safety_identifier: extras.$user === undefined ? null : (request.endUser ?? null),
    service_tier: request.serviceTier ?? "default",
    store: extras.store ?? false,
    temperature: request.temperature ?? 1,
    text: {
      format: formatOnWire(request.outputFormat ?? { type: "text" }),
      verbosity: request.verbosity ?? "medium",
    },
    tool_choice:
      extras.tool_choice ?? (request.toolChoice ? encodeToolChoice(request.toolChoice, request.tools) : "auto"),
    tools: encodeTools(request.tools ?? [], losses),
    top_logprobs: request.topLogprobs ?? 0,
    top_p: request.topP ?? 1,
    truncation: extras.truncation ?? "disabled",
    user: extras.$user === undefined ? (request.endUser ?? null) : null,
  };
}

const PREFIX = { message: "msg", reasoning: "rs", function_call: "fc", custom_tool_call: "ctc", image: "ig" } as const;

/** The id of the item at a place of the output. */
export function itemId(kind: keyof typeof PREFIX, context: EncodeContext, index: number): string {
  return `${PREFIX[kind]}_${idBody(context.id)}_${index}`;
}

/** What an item has before its content. The fields that its decoder noted come first. */
export function itemHead(
  kind: keyof typeof PREFIX,
  part: Pick<OutputPart, "extras">,
  context: EncodeContext,
  index: number,
): JsonObject {
  return { id: itemId(kind, context, index), ...itemNote(part) };
}

/** Names of the caller's tools, made when the first call comes. */
export function lazyNames(context: EncodeContext): () => ToolNames {
  let names: ToolNames | undefined;
  return () => {
    names ??= toolNames(context.request.tools);
    return names;
  };
}

function encodeOutput(
  parts: readonly OutputPart[],
  context: EncodeContext,
  finish: WireFinish,
  logprobs: TokenLogprob[] | undefined,
): JsonObject[] {
  const output: JsonObject[] = [];
  const names = lazyNames(context);
  let message: JsonObject[] | undefined;
  let tokens = logprobs;
  const results = resultsByCall(parts);
  for (const part of parts) {
    if (part.type === "text" || part.type === "refusal") {
      if (!message || itemNote(part)) {
        message = [];
        const head = itemHead("message", part, context, output.length);
        output.push({ ...head, type: "message", status: "completed", role: "assistant", content: message });
      }
      const piece = encodeOutputContent(part, true);
      if (part.type === "text") {
        piece.logprobs = tokens ? encodeLogprobs(tokens) : [];
        tokens = undefined;
      }
      message.push(piece);
      if (part.type === "text" && part.signature) {
        const head = { id: itemId("reasoning", context, output.length) };
        output.push(encodeLoneSignature(part.signature, head));
        message = undefined;
      }
      continue;
    }
    const before = output.length;
    if (part.type === "server-call") output.push(serverItem(part, results.get(part.id)?.result));
    else if (part.type !== "server-result") pushItems(output, part, context, names);
    if (output.length > before) message = undefined;
  }
  const last = output.at(-1);
  if (finish.status === "incomplete" && last?.status === "completed" && !ALWAYS_WHOLE.has(String(last.type))) {
    last.status = "incomplete";
  }
  return output;
}

/** Items that are never told as cut off. */
const ALWAYS_WHOLE: ReadonlySet<string> = new Set(["image_generation_call", "web_search_call"]);

/** The item of a call of a provider's own tool, as the API told it or made of what another one did. */
export function serverItem(call: ServerCallPart, result: ServerResult | undefined): JsonObject {
  const own = ownForm(call, OWN);
  return own ? { ...own } : encodeServerItem(call, result);
}

function pushItems(
  output: JsonObject[],
  part: Exclude<OutputPart, { type: "text" | "refusal" } | ServerPart>,
  context: EncodeContext,
  names: () => ToolNames,
): void {
  switch (part.type) {
    case "tool-call":
      if (part.signature) {
        output.push(encodeLoneSignature(part.signature, { id: itemId("reasoning", context, output.length) }));
      }
      output.push(encodeRestoredCall(restoreToolCall(part, names()), context, output.length));
      return;
    default: {
      const item = wholeItem(part, context, output.length);
      if (item) output.push(item);
    }
  }
}

/** A call, already in the kind it was offered in, as a finished item. */
export function encodeRestoredCall(call: ToolCallPart, context: EncodeContext, index: number): JsonObject {
  const kind = call.kind === "custom" ? "custom_tool_call" : "function_call";
  return encodeCall(call, { ...itemHead(kind, call, context, index), status: "completed" });
}

/** The finished item of a part that is neither text nor a call; undefined for what this format cannot say. */
export function wholeItem(
  part: Exclude<OutputPart, { type: "text" | "refusal" | "tool-call" } | ServerPart>,
  context: EncodeContext,
  index: number,
): JsonObject | undefined {
  switch (part.type) {
    case "thinking":
      return encodeReasoning(part, itemHead("reasoning", part, context, index), true);
    case "image":
      return encodeImageCall(part, itemHead("image", part, context, index));
    case "audio": {
      if (!part.transcript) return undefined;
      const content = [{ type: "output_text", text: part.transcript, annotations: [], logprobs: [] }];
      const head = itemHead("message", part, context, index);
      return { ...head, type: "message", status: "completed", role: "assistant", content };
    }
    case "opaque":
      return part.dialect === OWN ? { ...part.value } : undefined;
    case "file":
      return undefined;
  }
}

/** Log probabilities on the wire. */
export function encodeLogprobs(tokens: readonly TokenLogprob[]): JsonObject[] {
  return tokens.map(({ token, logprob, bytes, top }) => ({
    token,
    logprob,
    bytes: bytes ?? [],
    top_logprobs: top ? encodeLogprobs(top).map(({ top_logprobs: _, ...one }) => one) : [],
  }));
}

/** The response object without its echo, as the text of JSON fields; `echoed` is the echo's. */
export function shellText(
  fields: {
    id: string;
    createdAt: number;
    model: string;
    status: string;
    error?: JsonObject;
    incomplete: JsonObject | null;
  },
  output: string,
  usage: string,
  echoed: string,
): string {
  const { id, createdAt, model, status, error, incomplete } = fields;
  return `{"id":${JSON.stringify(id)},"object":"response","created_at":${createdAt},"status":${JSON.stringify(status)},"error":${JSON.stringify(error ?? null)},"incomplete_details":${JSON.stringify(incomplete)},"model":${JSON.stringify(model)},"output":${output},"usage":${usage},${echoed}}`;
}

/** An echo as the text of JSON fields without braces. */
export function echoText(request: CanonicalRequest, extras: JsonObject | undefined): string {
  const fields = echo(request);
  if (extras) Object.assign(fields, withoutNotes(extras));
  return JSON.stringify(fields).slice(1, -1);
}

function withoutNotes(extras: JsonObject): JsonObject {
  const free: JsonObject = {};
  restoreFields(free, extras);
  return free;
}
