/**
 * Writes Responses the way OpenAI does: whole, and in events.
 * The simulated provider's second half of `/v1/responses`.
 */
import { type Answer, type Api, type Incoming, type Memory, STATUS_WORDS } from "./api.ts";
import { content, end, type Frame, mark } from "./frame.ts";
import { arrayOf, type Json, objectOf } from "./json.ts";
import { OPENAI_KEY_MISSING, OPENAI_NOT_JSON, openaiHeaders, refuseAsOpenai } from "./openai-common.ts";
import type { Plain } from "./plain.ts";
import { type Plan, reportedOr } from "./plan.ts";
import { Problem } from "./problem.ts";
import { promptTokens } from "./reading.ts";
import { keepResponse, readResponses } from "./responses-read.ts";
import { base62, hex, secondsOf, sign } from "./seed.ts";

const MAX_STORED = 500;
const CALL_SALT = 100;
const ITEM_SALT = 200;

function onlyPlan(answer: Answer): Plan {
  const [plan] = answer.plans;
  if (plan === undefined) throw new Problem(500, "no plan");
  return plan;
}

const responseId = (answer: Answer): string => `resp_${hex(answer.seed, 1, 50)}`;
const itemId = (answer: Answer, prefix: string, index: number): string =>
  `${prefix}_${hex(answer.seed, ITEM_SALT + index, 50)}`;
const callId = (answer: Answer, index: number): string => `call_${base62(answer.seed, CALL_SALT + index, 24)}`;

/** One output item: what is streamed of it, and how it looks at its start and end. */
interface Item {
  kind: "reasoning" | "text" | "refusal" | "function" | "custom";
  pieces: string[];
  id: string;
  started: Json;
  done: Json;
}

const wantsSummary = (answer: Answer): boolean => typeof objectOf(answer.view.body.reasoning).summary === "string";

function reasoningItem(answer: Answer, plan: Plan, index: number): Item {
  const id = itemId(answer, "rs", index);
  const text = plan.thinking.join("");
  const encrypts = arrayOf(answer.view.body.include).includes("reasoning.encrypted_content");
  // as in reality the first of the two is not the one to send back
  const started = encrypts ? { encrypted_content: sign("responses-started", hex(answer.seed, 6, 16)) } : {};
  const done = encrypts ? { encrypted_content: sign("responses", hex(answer.seed, 6, 16)) } : {};
  const summary = wantsSummary(answer) ? [{ type: "summary_text", text }] : [];
  return {
    kind: "reasoning",
    pieces: wantsSummary(answer) ? plan.thinking : [],
    id,
    started: { id, type: "reasoning", ...started, summary: [] },
    done: { id, type: "reasoning", ...done, summary },
  };
}

function messageItem(answer: Answer, plan: Plan, index: number): Item {
  const id = itemId(answer, "msg", index);
  const refuses = plan.refusal.length > 0;
  const pieces = refuses ? plan.refusal : plan.text;
  const text = pieces.join("");
  const part = refuses
    ? { type: "refusal", refusal: text }
    : { type: "output_text", annotations: [], logprobs: [], text };
  const status = plan.stop === "length" ? "incomplete" : "completed";
  return {
    kind: refuses ? "refusal" : "text",
    pieces,
    id,
    started: { id, type: "message", status: "in_progress", content: [], role: "assistant" },
    done: { id, type: "message", status, content: [part], role: "assistant" },
  };
}

function itemsOf(answer: Answer): Item[] {
  const plan = onlyPlan(answer);
  const items: Item[] = [];
  if (answer.view.thinks) items.push(reasoningItem(answer, plan, 0));
  if (plan.text.length > 0 || plan.refusal.length > 0 || (plan.calls.length === 0 && plan.stop !== "length")) {
    items.push(messageItem(answer, plan, items.length));
  }
  for (const [index, call] of plan.calls.entries()) {
    const isCustom = call.kind === "custom";
    const id = itemId(answer, isCustom ? "ctc" : "fc", items.length);
    const type = isCustom ? "custom_tool_call" : "function_call";
    const field = isCustom ? "input" : "arguments";
    const shared = { call_id: callId(answer, index), name: call.name };
    const status = call.isWhole ? "completed" : "incomplete";
    items.push({
      kind: isCustom ? "custom" : "function",
      pieces: call.pieces,
      id,
      started: { id, type, status: "in_progress", [field]: "", ...shared },
      done: { id, type, status, [field]: call.pieces.join(""), ...shared },
    });
  }
  return items;
}

function usageOf(plan: Plan): Json | null {
  if (!plan.reportsUsage) return null;
  const input = reportedOr(plan, "in", plan.usage.input);
  const output = reportedOr(plan, "out", plan.usage.output);
  return {
    input_tokens: input,
    input_tokens_details: { cached_tokens: reportedOr(plan, "cached", plan.usage.cacheRead), cache_write_tokens: 0 },
    output_tokens: output,
    output_tokens_details: { reasoning_tokens: reportedOr(plan, "think", plan.usage.thinking) },
    total_tokens: input + output,
  };
}

function echoedTools(body: Json): unknown[] {
  return arrayOf(body.tools).map((given) => {
    const tool = objectOf(given);
    if (tool.type !== "function") return tool;
    const { description = null, name, parameters = null, strict = true } = tool;
    return { type: "function", description, name, parameters, strict };
  });
}

function responseJson(answer: Answer, status: string, output: unknown[], rest: Json = {}): Json {
  const { body, model } = answer.view;
  const reasoning = objectOf(body.reasoning);
  const text = objectOf(body.text);
  return {
    id: responseId(answer),
    object: "response",
    created_at: secondsOf(answer.seed),
    status,
    background: body.background ?? false,
    completed_at: status === "completed" ? secondsOf(answer.seed) + 1 : null,
    error: null,
    frequency_penalty: 0,
    incomplete_details: null,
    instructions: body.instructions ?? null,
    max_output_tokens: body.max_output_tokens ?? null,
    max_tool_calls: body.max_tool_calls ?? null,
    model,
    output,
    parallel_tool_calls: body.parallel_tool_calls ?? true,
    presence_penalty: 0,
    previous_response_id: body.previous_response_id ?? null,
    prompt_cache_key: body.prompt_cache_key ?? null,
    prompt_cache_retention: body.prompt_cache_retention ?? null,
    reasoning: { effort: reasoning.effort ?? null, summary: reasoning.summary ?? null },
    safety_identifier: body.safety_identifier ?? null,
    service_tier: status === "in_progress" ? "auto" : "default",
    store: body.store ?? true,
    temperature: body.temperature ?? 1,
    text: { format: text.format ?? { type: "text" }, verbosity: text.verbosity ?? "medium" },
    tool_choice: body.tool_choice ?? "auto",
    tools: echoedTools(body),
    top_logprobs: body.top_logprobs ?? 0,
    top_p: body.top_p ?? 1,
    truncation: body.truncation ?? "disabled",
    usage: null,
    user: body.user ?? null,
    metadata: body.metadata ?? {},
    ...rest,
  };
}

function closedJson(answer: Answer, items: Item[]): Json {
  const plan = onlyPlan(answer);
  const output = items.map((item) => item.done);
  keepResponse(answer.memory, answer.view, responseId(answer), output, MAX_STORED);
  if (plan.stop !== "length") return responseJson(answer, "completed", output, { usage: usageOf(plan) });
  const rest = { usage: usageOf(plan), incomplete_details: { reason: "max_output_tokens" } };
  return responseJson(answer, "incomplete", output, rest);
}

type Emit = (type: string, rest: Json, piece?: string) => Frame;

function* summaryFrames(item: Item, at: Json, emit: Emit): Generator<Frame> {
  if (item.pieces.length === 0) return;
  const here = { ...at, summary_index: 0 };
  const text = item.pieces.join("");
  yield emit("response.reasoning_summary_part.added", { ...here, part: { type: "summary_text", text: "" } });
  for (const delta of item.pieces) yield emit("response.reasoning_summary_text.delta", { ...here, delta }, delta);
  yield emit("response.reasoning_summary_text.done", { ...here, text });
  yield emit("response.reasoning_summary_part.done", { ...here, part: { type: "summary_text", text } });
}

function* partFrames(item: Item, at: Json, emit: Emit): Generator<Frame> {
  const here = { ...at, content_index: 0 };
  const [part] = arrayOf(item.done.content);
  const text = item.pieces.join("");
  if (item.kind === "refusal") {
    yield emit("response.content_part.added", { ...here, part: { type: "refusal", refusal: "" } });
    for (const delta of item.pieces) yield emit("response.refusal.delta", { ...here, delta }, delta);
    yield emit("response.refusal.done", { ...here, refusal: text });
  } else {
    yield emit("response.content_part.added", {
      ...here,
      part: { type: "output_text", annotations: [], logprobs: [], text: "" },
    });
    for (const delta of item.pieces) yield emit("response.output_text.delta", { ...here, delta, logprobs: [] }, delta);
    yield emit("response.output_text.done", { ...here, text, logprobs: [] });
  }
  yield emit("response.content_part.done", { ...here, part });
}

function* callFrames(item: Item, at: Json, emit: Emit): Generator<Frame> {
  const [stem, field] =
    item.kind === "custom" ? ["custom_tool_call_input", "input"] : ["function_call_arguments", "arguments"];
  for (const delta of item.pieces) yield emit(`response.${stem}.delta`, { ...at, delta }, delta);
  yield emit(`response.${stem}.done`, { ...at, [field as string]: item.pieces.join("") });
}

function* itemFrames(item: Item, index: number, emit: Emit): Generator<Frame> {
  yield emit("response.output_item.added", { item: item.started, output_index: index });
  const at = { item_id: item.id, output_index: index };
  if (item.kind === "reasoning") yield* summaryFrames(item, at, emit);
  else if (item.kind === "text" || item.kind === "refusal") yield* partFrames(item, at, emit);
  else yield* callFrames(item, at, emit);
  yield emit("response.output_item.done", { item: item.done, output_index: index });
}

function createEmit(answer: Answer): Emit {
  let sequence = 0;
  const pads = answer.orders.flags.has("pad");
  return (type, rest, piece) => {
    const padding = pads && piece !== undefined ? { obfuscation: base62(answer.seed, sequence, 8) } : {};
    const data = JSON.stringify({ type, ...rest, ...padding, sequence_number: sequence++ });
    return piece === undefined ? mark(data, type) : content(data, piece, type);
  };
}

function* frames(answer: Answer): Generator<Frame> {
  const emit = createEmit(answer);
  const items = itemsOf(answer);
  const opening = { response: responseJson(answer, "in_progress", []) };
  yield emit("response.created", opening);
  yield emit("response.in_progress", opening);
  for (const [index, item] of items.entries()) yield* itemFrames(item, index, emit);
  const closed = closedJson(answer, items);
  const last = emit(`response.${String(closed.status)}`, { response: closed });
  yield end(last.data, last.event);
}

function* failure(answer: Answer): Generator<Frame> {
  const message = STATUS_WORDS[500] ?? "";
  const error = { type: "server_error", code: "server_error", message, param: null };
  const sequence = 1_000_000;
  const usage = answer.orders.flags.has("charged-error") ? usageOf(onlyPlan(answer)) : null;
  const response = responseJson(answer, "failed", [], { error: { code: "server_error", message }, usage });
  if (usage) {
    yield mark(JSON.stringify({ type: "response.failed", sequence_number: sequence, response }), "response.failed");
    return;
  }
  yield mark(JSON.stringify({ type: "error", sequence_number: sequence, error }), "error");
  yield mark(JSON.stringify({ type: "response.failed", sequence_number: sequence + 1, response }), "response.failed");
}

/** `POST /v1/responses/input_tokens`. */
export function countResponses(call: Incoming, memory: Memory): Plain {
  const view = readResponses(call, memory);
  view.stream = false;
  return { view, body: { object: "response.input_tokens", input_tokens: promptTokens(view) }, usage: null };
}

/** OpenAI's Responses. */
export const responsesApi: Api = {
  read: readResponses,
  reply: (answer) => closedJson(answer, itemsOf(answer)),
  frames,
  refuse: refuseAsOpenai,
  failure,
  headers: openaiHeaders,
  keyMissing: OPENAI_KEY_MISSING,
  notJson: OPENAI_NOT_JSON,
  jsonType: "application/json",
  streamType: "text/event-stream; charset=utf-8",
  crlf: false,
  asArray: () => false,
};
