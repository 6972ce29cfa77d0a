/**
 * Writes Messages the way Anthropic does: whole, and in events.
 * The simulated provider's second half of `/v1/messages`.
 */
import { readAnthropic } from "./anthropic-read.ts";
import { type Answer, type Api, STATUS_WORDS } from "./api.ts";
import { content, end, type Frame, mark } from "./frame.ts";
import { type Json, objectOf } from "./json.ts";
import { type Plan, reportedOr } from "./plan.ts";
import { Problem } from "./problem.ts";
import { base62, bindingOf, type Seed, sign } from "./seed.ts";

const TYPES: Record<number, string> = {
  401: "authentication_error",
  402: "billing_error",
  403: "permission_error",
  404: "not_found_error",
  413: "request_too_large",
  429: "rate_limit_error",
  504: "timeout_error",
  529: "overloaded_error",
};
const CALL_SALT = 100;
const PADS = ["", " ", "      ", "   ", "          ", "  "];

const requestId = (seed: Seed): string => `req_011C${base62(seed, 90, 20)}`;

function errorJson(problem: Problem, seed: Seed): Json {
  const type = TYPES[problem.status] ?? (problem.status >= 500 ? "api_error" : "invalid_request_error");
  return { type: "error", error: { type, message: problem.message }, request_id: requestId(seed) };
}

function stopReason(plan: Plan): string {
  const reasons = {
    end: "end_turn",
    length: "max_tokens",
    "stop-sequence": "stop_sequence",
    calls: "tool_use",
    refusal: "refusal",
  } as const;
  return reasons[plan.stop];
}

function stopDetails(plan: Plan): Json | null {
  if (plan.stop !== "refusal") return null;
  return { type: "refusal", category: null, explanation: plan.refusal.join("") };
}

function inputUsage(plan: Plan): Json {
  const { usage } = plan;
  const written = usage.cacheWrite5m + usage.cacheWrite1h;
  return {
    input_tokens: reportedOr(plan, "in", usage.input - usage.cacheRead - written),
    cache_creation_input_tokens: reportedOr(plan, "write", written),
    cache_read_input_tokens: reportedOr(plan, "cached", usage.cacheRead),
  };
}

function fullUsage(plan: Plan, output: number): Json {
  const { usage } = plan;
  return {
    ...inputUsage(plan),
    cache_creation: {
      ephemeral_5m_input_tokens: usage.cacheWrite5m,
      ephemeral_1h_input_tokens: usage.cacheWrite1h,
    },
    output_tokens: output,
    service_tier: "standard",
    inference_geo: "not_available",
    server_tool_use: null,
  };
}

/** The final counts, with what part of the output was thought. */
const closing = (plan: Plan): Json => ({
  output_tokens: reportedOr(plan, "out", plan.usage.output),
  output_tokens_details: { thinking_tokens: reportedOr(plan, "think", plan.usage.thinking) },
});

const isOmitted = (answer: Answer): boolean => objectOf(answer.view.body.thinking).display === "omitted";

const callId = (answer: Answer, index: number): string => `toolu_01${base62(answer.seed, CALL_SALT + index, 22)}`;

const signatureOf = (plan: Plan): string => sign("messages", bindingOf(plan.thinking.join("")));

function messageBase(answer: Answer): Json {
  return { model: answer.view.model, id: `msg_01${base62(answer.seed, 1, 22)}`, type: "message", role: "assistant" };
}

const redactedBlock = (answer: Answer): Json => ({
  type: "redacted_thinking",
  data: sign("messages-redacted", base62(answer.seed, 5, 12)),
});

const isRedacted = (answer: Answer, plan: Plan): boolean =>
  answer.orders.flags.has("redacted") && plan.thinking.length > 0;

function blocksOf(answer: Answer, plan: Plan): Json[] {
  const blocks: Json[] = [];
  if (isRedacted(answer, plan)) blocks.push(redactedBlock(answer));
  else if (plan.thinking.length > 0) {
    const thinking = isOmitted(answer) ? "" : plan.thinking.join("");
    blocks.push({ type: "thinking", thinking, signature: signatureOf(plan) });
  }
  if (plan.text.length > 0) blocks.push({ type: "text", text: plan.text.join(""), citations: null });
  for (const [index, call] of plan.calls.entries()) {
    if (!call.isWhole) continue;
    blocks.push({
      type: "tool_use",
      id: callId(answer, index),
      name: call.name,
      input: call.input,
      caller: { type: "direct" },
    });
  }
  return blocks;
}

function onlyPlan(answer: Answer): Plan {
  const [plan] = answer.plans;
  if (plan === undefined) throw new Problem(500, "no plan");
  return plan;
}

function reply(answer: Answer): Json {
  const plan = onlyPlan(answer);
  const usage = plan.reportsUsage ? { usage: { ...fullUsage(plan, plan.usage.output), ...closing(plan) } } : {};
  return {
    ...messageBase(answer),
    content: blocksOf(answer, plan),
    container: null,
    diagnostics: null,
    stop_reason: stopReason(plan),
    stop_sequence: plan.stopSequence,
    stop_details: stopDetails(plan),
    ...usage,
  };
}

const event = (type: string, rest: Json = {}): Frame => mark(JSON.stringify({ type, ...rest }), type);

function* thinkingFrames(answer: Answer, plan: Plan, index: number): Generator<Frame> {
  yield event("content_block_start", { index, content_block: { type: "thinking", thinking: "", signature: "" } });
  if (!isOmitted(answer)) {
    const head = `{"type":"content_block_delta","index":${index},"delta":{"type":"thinking_delta","thinking":`;
    for (const piece of plan.thinking) yield content(`${head}${JSON.stringify(piece)}}}`, piece, "content_block_delta");
  }
  yield event("content_block_delta", { index, delta: { type: "signature_delta", signature: signatureOf(plan) } });
  yield event("content_block_stop", { index });
}

function* textFrames(plan: Plan, index: number): Generator<Frame> {
  yield event("content_block_start", { index, content_block: { type: "text", text: "" } });
  const head = `{"type":"content_block_delta","index":${index},"delta":{"type":"text_delta","text":`;
  for (const piece of plan.text) yield content(`${head}${JSON.stringify(piece)}}}`, piece, "content_block_delta");
  yield event("content_block_stop", { index });
}

function* callFrames(answer: Answer, plan: Plan, from: number): Generator<Frame> {
  for (const [position, call] of plan.calls.entries()) {
    const index = from + position;
    const block = {
      type: "tool_use",
      id: callId(answer, position),
      name: call.name,
      input: {},
      caller: { type: "direct" },
    };
    yield event("content_block_start", { index, content_block: block });
    const head = `{"type":"content_block_delta","index":${index},"delta":{"type":"input_json_delta","partial_json":`;
    yield mark(`${head}""}}`, "content_block_delta");
    const isEmpty = call.pieces.join("") === "{}";
    if (!isEmpty) {
      for (const piece of call.pieces) yield content(`${head}${JSON.stringify(piece)}}}`, piece, "content_block_delta");
    }
    yield event("content_block_stop", { index });
  }
}

function* blockFrames(answer: Answer, plan: Plan): Generator<Frame> {
  let index = 0;
  if (isRedacted(answer, plan)) {
    yield event("content_block_start", { index, content_block: redactedBlock(answer) });
    yield event("content_block_stop", { index });
    index += 1;
  } else if (plan.thinking.length > 0) {
    yield* thinkingFrames(answer, plan, index);
    index += 1;
  }
  if (plan.text.length > 0) {
    yield* textFrames(plan, index);
    index += 1;
  }
  yield* callFrames(answer, plan, index);
}

function* plainFrames(answer: Answer): Generator<Frame> {
  const plan = onlyPlan(answer);
  const opening = plan.reportsUsage ? { usage: fullUsage(plan, Math.min(1, plan.usage.output)) } : {};
  const message = {
    ...messageBase(answer),
    content: [],
    stop_reason: null,
    stop_sequence: null,
    stop_details: null,
    ...opening,
  };
  yield event("message_start", { message });
  let pinged = false;
  for (const frame of blockFrames(answer, plan)) {
    yield frame;
    if (!pinged) yield mark('{"type": "ping"}', "ping");
    pinged = true;
  }
  const delta: Json = { stop_reason: stopReason(plan), stop_sequence: plan.stopSequence };
  if (plan.stop === "refusal") delta.stop_details = stopDetails(plan);
  const usage = plan.reportsUsage ? { usage: { ...inputUsage(plan), ...closing(plan) } } : {};
  yield event("message_delta", { delta, ...usage });
  yield end('{"type":"message_stop"}', "message_stop");
}

function* frames(answer: Answer): Generator<Frame> {
  const pads = answer.orders.flags.has("pad");
  let count = 0;
  for (const frame of plainFrames(answer)) {
    yield pads ? { ...frame, data: `${frame.data.slice(0, -1)}${PADS[count++ % PADS.length]}}` } : frame;
  }
}

function* failure(answer: Answer): Generator<Frame> {
  if (answer.orders.flags.has("charged-error")) {
    const [opening] = plainFrames(answer);
    if (opening) yield opening;
  }
  yield mark(JSON.stringify(errorJson(new Problem(529, STATUS_WORDS[529] ?? ""), answer.seed)), "error");
}

/** Anthropic's Messages. */
export const anthropicApi: Api = {
  read: (call, memory) => readAnthropic(call, memory),
  reply,
  frames,
  refuse: errorJson,
  failure,
  headers: (seed) => ({
    "request-id": requestId(seed),
    "anthropic-ratelimit-requests-limit": "10000",
    "anthropic-ratelimit-requests-remaining": "9999",
    "anthropic-ratelimit-tokens-limit": "9500000",
    "anthropic-ratelimit-tokens-remaining": "9500000",
  }),
  keyMissing: "x-api-key header is required",
  notJson: "The request body is not valid JSON.",
  jsonType: "application/json",
  streamType: "text/event-stream; charset=utf-8",
  crlf: false,
  asArray: () => false,
};
