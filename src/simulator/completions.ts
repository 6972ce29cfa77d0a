/**
 * OpenAI's old text completions, in their simplest form.
 * The simulated provider's `/v1/completions`.
 */
import type { Answer, Api, Incoming } from "./api.ts";
import { chatApi } from "./chat.ts";
import { content, end, type Frame, mark } from "./frame.ts";
import { arrayOf, type Json, objectOf, stringOf } from "./json.ts";
import { checkDecimal, checkInteger, missing, readModel } from "./openai-common.ts";
import { type Plan, reportedOr, totalUsage } from "./plan.ts";
import { createView, seeUserText, type View } from "./reading.ts";
import { base62, secondsOf } from "./seed.ts";

const USUAL_LIMIT = 16;
const MAX_CHOICES = 128;

function read(call: Incoming): View {
  const { body } = call;
  const view = createView(call.raw, body, readModel(body, "you must provide a model parameter"));
  if (body.prompt === undefined) throw missing("prompt");
  for (const prompt of typeof body.prompt === "string" ? [body.prompt] : arrayOf(body.prompt))
    seeUserText(view, stringOf(prompt));
  checkDecimal(body, "temperature", 0, 2);
  view.maxTokens = checkInteger(body, "max_tokens", 0) ?? USUAL_LIMIT;
  view.choices = Math.min(checkInteger(body, "n", 1) ?? 1, MAX_CHOICES);
  view.stream = body.stream === true;
  view.stops = typeof body.stop === "string" ? [body.stop] : arrayOf(body.stop).map(stringOf);
  return view;
}

function usageOf(answer: Answer): Json {
  const [plan] = answer.plans;
  if (plan === undefined || !plan.reportsUsage) return {};
  const usage = totalUsage(answer.plans);
  const prompt = reportedOr(plan, "in", usage.input);
  const completion = reportedOr(plan, "out", usage.output);
  return { usage: { prompt_tokens: prompt, completion_tokens: completion, total_tokens: prompt + completion } };
}

const finishOf = (plan: Plan): string => (plan.stop === "length" ? "length" : "stop");

const shellOf = (answer: Answer): Json => ({
  id: `cmpl-${base62(answer.seed, 1, 29)}`,
  object: "text_completion",
  created: secondsOf(answer.seed),
  model: answer.view.model,
});

const textOf = (plan: Plan): string => plan.text.join("") + plan.refusal.join("");

function reply(answer: Answer): Json {
  const choices = answer.plans.map((plan, index) => ({
    text: textOf(plan),
    index,
    logprobs: null,
    finish_reason: finishOf(plan),
  }));
  return { ...shellOf(answer), choices, ...usageOf(answer) };
}

function* frames(answer: Answer): Generator<Frame> {
  const chunk = (choices: Json[], rest: Json = {}): string => JSON.stringify({ ...shellOf(answer), choices, ...rest });
  for (const [index, plan] of answer.plans.entries()) {
    for (const text of plan.text) yield content(chunk([{ text, index, logprobs: null, finish_reason: null }]), text);
    yield mark(chunk([{ text: "", index, logprobs: null, finish_reason: finishOf(plan) }]));
  }
  if (objectOf(answer.view.body.stream_options).include_usage === true) yield mark(chunk([], usageOf(answer)));
  yield end("[DONE]");
}

/** OpenAI's text completions. All that surrounds them is as in Chat. */
export const completionsApi: Api = { ...chatApi, read, reply, frames };
