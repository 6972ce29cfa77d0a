/**
 * Writes chat completions the way OpenAI does: whole, and in chunks.
 * The simulated provider's second half of `/v1/chat/completions`.
 */
import type { Answer, Api } from "./api.ts";
import { STATUS_WORDS } from "./api.ts";
import type { PlannedCall } from "./calls.ts";
import { readChat } from "./chat-read.ts";
import { content, end, type Frame, mark } from "./frame.ts";
import { type Json, objectOf } from "./json.ts";
import { OPENAI_KEY_MISSING, OPENAI_NOT_JSON, openaiError, openaiHeaders, refuseAsOpenai } from "./openai-common.ts";
import { type Plan, reportedOr, totalUsage } from "./plan.ts";
import { Problem } from "./problem.ts";
import { base62, bindingOf, hex, secondsOf, sign } from "./seed.ts";

const CALL_SALT = 100;
const MOST_TOP_LOGPROBS = 20;

function usageOf(answer: Answer): Json | undefined {
  const [plan] = answer.plans;
  if (plan === undefined || !plan.reportsUsage) return undefined;
  const usage = totalUsage(answer.plans);
  const prompt = reportedOr(plan, "in", usage.input);
  const completion = reportedOr(plan, "out", usage.output);
  return {
    prompt_tokens: prompt,
    completion_tokens: completion,
    total_tokens: prompt + completion,
    prompt_tokens_details: { cached_tokens: reportedOr(plan, "cached", usage.cacheRead), audio_tokens: 0 },
    completion_tokens_details: {
      reasoning_tokens: reportedOr(plan, "think", usage.thinking),
      audio_tokens: 0,
      accepted_prediction_tokens: 0,
      rejected_prediction_tokens: 0,
    },
  };
}

/** A named tool choice ends with `stop` at OpenAI, although a tool is called. */
function finishOf(answer: Answer, plan: Plan): string {
  if (plan.stop === "length") return "length";
  if (plan.stop !== "calls") return "stop";
  if (isLegacy(answer)) return "function_call";
  return answer.view.choice.name === undefined ? "tool_calls" : "stop";
}

const isLegacy = (answer: Answer): boolean =>
  Array.isArray(answer.view.body.functions) && !Array.isArray(answer.view.body.tools);

const callId = (answer: Answer, choice: number, index: number): string =>
  `call_${base62(answer.seed, CALL_SALT + choice * 100 + index, 24)}`;

function callJson(answer: Answer, call: PlannedCall, choice: number, index: number): Json {
  const text = call.pieces.join("");
  const id = callId(answer, choice, index);
  if (call.kind === "custom") return { id, type: "custom", custom: { name: call.name, input: text } };
  return { id, type: "function", function: { name: call.name, arguments: text } };
}

function reasoningJson(answer: Answer, text: string): Json {
  const mode = answer.orders.values.get("reasoning");
  if (mode === "hidden" || text === "") return {};
  if (mode !== "details") return { reasoning_content: text };
  const signature = sign("chat", bindingOf(text));
  const detail = { type: "reasoning.text", text, signature, format: "anthropic-claude-v1", index: 0 };
  return { reasoning: text, reasoning_details: [detail] };
}

function logprobOf(answer: Answer, piece: string): Json {
  const bytes = [...Buffer.from(piece)];
  const one = { token: piece, logprob: -((piece.length * 7) % 100) / 100, bytes };
  const count = Math.min(Number(answer.view.body.top_logprobs ?? 0), MOST_TOP_LOGPROBS);
  const others = Array.from({ length: count }, (_, index) => ({
    ...one,
    token: index === 0 ? piece : `${piece}${index}`,
    logprob: one.logprob - index,
  }));
  return { ...one, top_logprobs: others };
}

const logprobsOf = (answer: Answer, pieces: readonly string[]): Json | null =>
  answer.view.body.logprobs === true
    ? { content: pieces.map((piece) => logprobOf(answer, piece)), refusal: null }
    : null;

function messageOf(answer: Answer, plan: Plan, choice: number): Json {
  const speaks = plan.refusal.length === 0 && (plan.calls.length === 0 || plan.text.length > 0);
  const message: Json = {
    role: "assistant",
    content: speaks ? plan.text.join("") : null,
    ...reasoningJson(answer, plan.thinking.join("")),
    refusal: plan.refusal.length > 0 ? plan.refusal.join("") : null,
    annotations: [],
  };
  if (plan.calls.length === 0) return message;
  const calls = plan.calls.map((call, index) => callJson(answer, call, choice, index));
  if (isLegacy(answer)) message.function_call = calls[0]?.function;
  else message.tool_calls = calls;
  return message;
}

const idOf = (answer: Answer): string => `chatcmpl-${base62(answer.seed, 1, 29)}`;
const fingerprint = (answer: Answer): string => `fp_${hex(answer.seed, 2, 10)}`;

function reply(answer: Answer): Json {
  const usage = usageOf(answer);
  return {
    id: idOf(answer),
    object: "chat.completion",
    created: secondsOf(answer.seed),
    model: answer.view.model,
    choices: answer.plans.map((plan, index) => ({
      index,
      message: messageOf(answer, plan, index),
      logprobs: logprobsOf(answer, plan.text),
      finish_reason: finishOf(answer, plan),
    })),
    ...(usage === undefined ? {} : { usage }),
    service_tier: "default",
    system_fingerprint: fingerprint(answer),
  };
}

/** The unchanging text around a chunk's delta, made once for a stream. */
interface Envelope {
  head: string;
  tail: string;
}

function envelopeOf(answer: Answer): Envelope {
  const wantsUsage = objectOf(answer.view.body.stream_options).include_usage === true;
  const shared = {
    id: idOf(answer),
    object: "chat.completion.chunk",
    created: secondsOf(answer.seed),
    model: answer.view.model,
    service_tier: "default",
    system_fingerprint: fingerprint(answer),
  };
  const pad = answer.orders.flags.has("pad") ? `,"obfuscation":"${base62(answer.seed, 3, 9)}"` : "";
  return {
    head: `${JSON.stringify(shared).slice(0, -1)},"choices":[`,
    tail: `]${wantsUsage ? ',"usage":null' : ""}${pad}}`,
  };
}

function* callFrames(answer: Answer, plan: Plan, chunk: (delta: string) => string, choice: number): Generator<Frame> {
  const legacy = isLegacy(answer);
  for (const [index, call] of plan.calls.entries()) {
    const head = callJson(answer, { ...call, pieces: [] }, choice, index);
    const start = legacy ? { function_call: head.function } : { tool_calls: [{ index, ...head }] };
    yield mark(chunk(JSON.stringify(start)));
    for (const piece of call.pieces) {
      const text = JSON.stringify(piece);
      if (legacy) yield content(chunk(`{"function_call":{"arguments":${text}}}`), piece);
      else if (call.kind === "custom")
        yield content(chunk(`{"tool_calls":[{"index":${index},"custom":{"input":${text}}}]}`), piece);
      else yield content(chunk(`{"tool_calls":[{"index":${index},"function":{"arguments":${text}}}]}`), piece);
    }
  }
}

function* choiceFrames(answer: Answer, plan: Plan, choice: number, envelope: Envelope): Generator<Frame> {
  const chunk = (delta: string, logprobs = "null", finish = "null"): string =>
    `${envelope.head}{"index":${choice},"delta":${delta},"logprobs":${logprobs},"finish_reason":${finish}}${envelope.tail}`;
  const refuses = plan.refusal.length > 0;
  const opening = refuses
    ? { content: null, refusal: "" }
    : { content: plan.text.length > 0 || plan.calls.length === 0 ? "" : null, refusal: null };
  yield mark(chunk(JSON.stringify({ role: "assistant", ...opening })));
  const mode = answer.orders.values.get("reasoning");
  if (mode !== "hidden") {
    for (const piece of plan.thinking) {
      const delta = mode === "details" ? reasoningJson(answer, piece) : { reasoning_content: piece };
      yield content(chunk(JSON.stringify(delta)), piece);
    }
  }
  for (const piece of plan.refusal) yield content(chunk(`{"refusal":${JSON.stringify(piece)}}`), piece);
  const scores = answer.view.body.logprobs === true;
  for (const piece of plan.text) {
    const logprobs = scores ? JSON.stringify(logprobsOf(answer, [piece])) : "null";
    yield content(chunk(`{"content":${JSON.stringify(piece)}}`, logprobs), piece);
  }
  yield* callFrames(answer, plan, chunk, choice);
  yield mark(chunk("{}", "null", JSON.stringify(finishOf(answer, plan))));
}

/** Takes one frame from each choice in turn, as the real API interleaves them. */
function* interleave(streams: Iterator<Frame>[]): Generator<Frame> {
  let running = streams;
  while (running.length > 0) {
    const next: Iterator<Frame>[] = [];
    for (const stream of running) {
      const step = stream.next();
      if (step.done) continue;
      yield step.value;
      next.push(stream);
    }
    running = next;
  }
}

function* frames(answer: Answer): Generator<Frame> {
  const envelope = envelopeOf(answer);
  const [only] = answer.plans;
  if (answer.plans.length === 1 && only !== undefined) yield* choiceFrames(answer, only, 0, envelope);
  else yield* interleave(answer.plans.map((plan, index) => choiceFrames(answer, plan, index, envelope)));
  const usage = usageOf(answer);
  if (usage !== undefined && envelope.tail.includes('"usage":null')) {
    yield mark(`${envelope.head}${envelope.tail.replace('"usage":null', `"usage":${JSON.stringify(usage)}`)}`);
  }
  yield end("[DONE]");
}

function* failure(answer: Answer): Generator<Frame> {
  const usage = usageOf(answer);
  if (answer.orders.flags.has("charged-error")) yield mark(JSON.stringify({ id: idOf(answer), choices: [], usage }));
  yield mark(JSON.stringify(openaiError(new Problem(500, STATUS_WORDS[500] ?? ""))));
}

/** OpenAI's chat completions. */
export const chatApi: Api = {
  read: readChat,
  reply,
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
