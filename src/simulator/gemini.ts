/**
 * Writes generateContent answers the way Gemini does: whole, as server-sent events, and as one JSON array.
 * The simulated provider's second half of `:generateContent` and `:streamGenerateContent`.
 */
import { type Answer, type Api, type Incoming, STATUS_WORDS } from "./api.ts";
import type { Directives } from "./directives.ts";
import { content, end, type Frame, mark } from "./frame.ts";
import { readGemini, showsThoughts } from "./gemini-read.ts";
import type { Json } from "./json.ts";
import { type Plan, reportedOr, totalUsage } from "./plan.ts";
import { Problem } from "./problem.ts";
import { base62, hex, sign } from "./seed.ts";
import { weigh } from "./tokens.ts";

const STATUSES: Record<number, string> = {
  400: "INVALID_ARGUMENT",
  401: "UNAUTHENTICATED",
  402: "FAILED_PRECONDITION",
  403: "PERMISSION_DENIED",
  404: "NOT_FOUND",
  408: "DEADLINE_EXCEEDED",
  413: "INVALID_ARGUMENT",
  429: "RESOURCE_EXHAUSTED",
  500: "INTERNAL",
  503: "UNAVAILABLE",
  504: "DEADLINE_EXCEEDED",
};
const CALL_SALT = 100;
const HARMS = ["HATE_SPEECH", "DANGEROUS_CONTENT", "HARASSMENT", "SEXUALLY_EXPLICIT"];

function errorJson(problem: Problem, orders: Directives): Json {
  const { status, message } = problem;
  const error: Json = { code: status, message, status: STATUSES[status] ?? (status >= 500 ? "INTERNAL" : "UNKNOWN") };
  const after = orders.values.get("retry-after");
  if (after !== undefined) {
    error.details = [{ "@type": "type.googleapis.com/google.rpc.RetryInfo", retryDelay: `${after}s` }];
  }
  return { error };
}

const responseId = (answer: Answer): string => base62(answer.seed, 1, 23);

/** Usage after `output` tokens of the visible answer; as in reality the visible count is absent while it is 0. */
function usageOf(answer: Answer, visible: number, thinking: number): Json {
  const [plan] = answer.plans;
  if (plan === undefined || !plan.reportsUsage) return {};
  const usage = totalUsage(answer.plans);
  const prompt = reportedOr(plan, "in", usage.input);
  const candidates = reportedOr(plan, "out", visible);
  const thoughts = reportedOr(plan, "think", thinking);
  const cached = reportedOr(plan, "cached", usage.cacheRead);
  return {
    usageMetadata: {
      promptTokenCount: prompt,
      ...(candidates === 0 ? {} : { candidatesTokenCount: candidates }),
      totalTokenCount: prompt + candidates + thoughts,
      ...(cached === 0 ? {} : { cachedContentTokenCount: cached }),
      promptTokensDetails: [{ modality: "TEXT", tokenCount: prompt }],
      ...(thoughts === 0 ? {} : { thoughtsTokenCount: thoughts }),
      serviceTier: "standard",
    },
  };
}

const tailOf = (answer: Answer): Json => ({ modelVersion: answer.view.model, responseId: responseId(answer) });

const finishOf = (plan: Plan): string =>
  plan.stop === "length" ? "MAX_TOKENS" : plan.stop === "refusal" ? "SAFETY" : "STOP";

/** Newer models sign whether or not thinking was asked for. */
const signs = (answer: Answer, plan: Plan): boolean =>
  plan.thinking.length > 0 || answer.view.model.includes("gemini-3");

const signature = (answer: Answer): string => sign("gemini", hex(answer.seed, 4, 16));

function callParts(answer: Answer, plan: Plan, choice: number): Json[] {
  const named = answer.view.model.includes("gemini-3");
  const parts: Json[] = [];
  for (const [index, call] of plan.calls.entries()) {
    if (!call.isWhole) continue;
    const id = named ? { id: base62(answer.seed, CALL_SALT + choice * 100 + index, 8).toLowerCase() } : {};
    const signed = index === 0 && signs(answer, plan) ? { thoughtSignature: signature(answer) } : {};
    parts.push({ functionCall: { name: call.name, args: call.input, ...id }, ...signed });
  }
  return parts;
}

const safety = (): Json[] =>
  HARMS.map((harm, index) => ({
    category: `HARM_CATEGORY_${harm}`,
    probability: index === 0 ? "HIGH" : "NEGLIGIBLE",
    ...(index === 0 ? { blocked: true } : {}),
  }));

function closingOf(plan: Plan): Json {
  if (plan.stop === "refusal") return { finishReason: "SAFETY", safetyRatings: safety() };
  const message = plan.stop === "calls" ? { finishMessage: "Model generated function call(s)." } : {};
  return { finishReason: finishOf(plan), ...message };
}

function candidate(answer: Answer, plan: Plan, index: number): Json {
  if (plan.stop === "refusal") return { content: {}, ...closingOf(plan), index };
  const parts: Json[] = [];
  if (plan.thinking.length > 0 && showsThoughts(answer.view))
    parts.push({ text: plan.thinking.join(""), thought: true });
  const calls = callParts(answer, plan, index);
  if (plan.text.length > 0) {
    const signed = calls.length === 0 && signs(answer, plan) ? { thoughtSignature: signature(answer) } : {};
    parts.push({ text: plan.text.join(""), ...signed });
  }
  parts.push(...calls);
  const said = parts.length === 0 ? { role: "model" } : { parts, role: "model" };
  return { content: said, ...closingOf(plan), index };
}

/** Gemini counts thoughts beside the visible answer, and refused words not at all. */
const visibleOf = (answer: Answer): number => {
  const usage = totalUsage(answer.plans);
  return answer.plans[0]?.stop === "refusal" ? 0 : usage.output - usage.thinking;
};

function reply(answer: Answer): Json {
  return {
    candidates: answer.plans.map((plan, index) => candidate(answer, plan, index)),
    ...usageOf(answer, visibleOf(answer), totalUsage(answer.plans).thinking),
    ...tailOf(answer),
  };
}

interface Counter {
  visible: number;
  thinking: number;
}

function* candidateFrames(answer: Answer, plan: Plan, index: number, counter: Counter): Generator<Frame> {
  const chunk = (parts: Json[], closing: Json = {}): string =>
    JSON.stringify({
      candidates: [{ content: { parts, role: "model" }, ...closing, index }],
      ...usageOf(answer, counter.visible, counter.thinking),
      ...tailOf(answer),
    });
  const shows = showsThoughts(answer.view);
  for (const piece of plan.thinking) {
    counter.thinking += weigh(piece);
    if (shows) yield content(chunk([{ text: piece, thought: true }]), piece);
  }
  if (plan.stop === "refusal") {
    const closed = { candidates: [{ content: {}, ...closingOf(plan), index }] };
    yield mark(JSON.stringify({ ...closed, ...usageOf(answer, 0, counter.thinking), ...tailOf(answer) }));
    return;
  }
  for (const piece of plan.text) {
    counter.visible += weigh(piece);
    yield content(chunk([{ text: piece }]), piece);
  }
  const calls = callParts(answer, plan, index);
  let position = 0;
  for (const call of plan.calls) {
    const tokens = call.pieces.reduce((sum, piece) => sum + weigh(piece), 0);
    counter.visible += tokens;
    if (!call.isWhole) continue;
    yield { ...mark(chunk([calls[position++] ?? {}])), tokens };
  }
  const last =
    calls.length === 0 && signs(answer, plan) ? { text: "", thoughtSignature: signature(answer) } : { text: "" };
  yield end(chunk([last], closingOf(plan)));
}

function* frames(answer: Answer): Generator<Frame> {
  const counter: Counter = { visible: 0, thinking: 0 };
  const pads = answer.orders.flags.has("pad");
  for (const [index, plan] of answer.plans.entries()) {
    for (const frame of candidateFrames(answer, plan, index, counter)) {
      yield pads ? { ...frame, data: `${frame.data.slice(0, -1)}    }` } : frame;
    }
  }
}

function* failure(answer: Answer): Generator<Frame> {
  if (answer.orders.flags.has("charged-error")) {
    yield mark(JSON.stringify({ ...usageOf(answer, 0, 0), ...tailOf(answer) }));
  }
  yield mark(JSON.stringify(errorJson(new Problem(503, STATUS_WORDS[503] ?? ""), answer.orders)));
}

/** Gemini's generateContent. */
export const geminiApi: Api = {
  read: (call: Incoming) => readGemini(call),
  reply,
  frames,
  refuse: (problem, _seed, orders) => errorJson(problem, orders),
  failure,
  headers: () => ({ vary: "Origin, X-Origin, Referer", "server-timing": "gfet4t7; dur=12" }),
  keyMissing:
    "Request is missing required authentication credential. Expected OAuth 2 access token, login cookie or other valid authentication credential. See https://developers.google.com/identity/sign-in/web/devconsole-project.",
  notJson: "Invalid JSON payload received. Expected an object.",
  jsonType: "application/json; charset=UTF-8",
  streamType: "text/event-stream",
  crlf: true,
  asArray: (call) => call.query.get("alt") !== "sse",
};
