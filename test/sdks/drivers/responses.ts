/**
 * The `openai` client's Responses as a driver.
 * It keeps the conversation itself and asks for encrypted reasoning, as tools do that may not store anything at the provider's.
 */
import type OpenAI from "openai";
import { APIError } from "openai";
import type {
  Response,
  ResponseCreateParamsNonStreaming,
  ResponseInputContent,
  ResponseInputItem,
  ResponseOutputItem,
} from "openai/resources/responses/responses";
import { type Answer, type Driver, type Medium, type Question, type Turn, urlOf } from "./driver.ts";
import { openaiClient } from "./openai-client.ts";

function partOf(medium: Medium): ResponseInputContent {
  if (medium.kind === "image") return { type: "input_image", image_url: urlOf(medium), detail: "auto" };
  if (medium.kind === "file") return { type: "input_file", filename: medium.filename, file_data: urlOf(medium) };
  throw new Error("This client's types have no audio.");
}

function itemsOf(turn: Turn): ResponseInputItem[] {
  if ("said" in turn) return turn.said as ResponseInputItem[];
  if ("results" in turn) {
    return turn.results.map(({ call, text, image }) => ({
      type: "function_call_output",
      call_id: call.id,
      output: image ? [{ type: "input_text", text }, partOf({ kind: "image", ...image })] : text,
    }));
  }
  if (!turn.media) return [{ role: "user", content: turn.user }];
  return [{ role: "user", content: [{ type: "input_text", text: turn.user }, ...turn.media.map(partOf)] }];
}

function bodyOf(question: Question): ResponseCreateParamsNonStreaming {
  const { model, turns, system, tools, thinks, schema, maxTokens, stop } = question;
  if (stop) throw new Error("Responses has no stop sequences.");
  return {
    model,
    input: turns.flatMap(itemsOf),
    store: false,
    ...(system && { instructions: system }),
    ...(tools && { tools: tools.map((tool) => ({ type: "function" as const, strict: false, ...tool })) }),
    ...(thinks && {
      reasoning: { effort: "low" as const, summary: "auto" as const },
      include: ["reasoning.encrypted_content" as const],
    }),
    ...(schema && { text: { format: { type: "json_schema" as const, name: "answer", strict: true, schema } } }),
    ...(maxTokens && { max_output_tokens: maxTokens }),
  };
}

async function stream(client: OpenAI, question: Question): Promise<Response> {
  const runner = client.responses.stream({ ...bodyOf(question), stream: true }, { signal: question.signal });
  for await (const event of runner) if (event.type === "response.output_text.delta") question.onText?.();
  return runner.finalResponse();
}

function refusalOf(output: readonly ResponseOutputItem[]): string {
  const parts = output.flatMap((item) => (item.type === "message" ? item.content : []));
  return parts.map((part) => (part.type === "refusal" ? part.refusal : "")).join("");
}

const isCall = (item: ResponseOutputItem) => item.type === "function_call";
const isReasoning = (item: ResponseOutputItem) => item.type === "reasoning";

function thinkingOf(output: readonly ResponseOutputItem[]): string {
  const texts = output.filter(isReasoning).flatMap((item) => [...item.summary, ...(item.content ?? [])]);
  return texts.map((part) => part.text).join("");
}

async function ask(target: { url: string; key: string }, question: Question): Promise<Answer> {
  const { client, headers } = openaiClient(target);
  const whole = question.streamed
    ? await stream(client, question)
    : await client.responses.create(bodyOf(question), { signal: question.signal });
  const { usage, status, incomplete_details: incomplete } = whole;
  return {
    text: whole.output_text,
    refusal: refusalOf(whole.output),
    thinking: thinkingOf(whole.output),
    calls: whole.output
      .filter(isCall)
      .map((item) => ({ id: item.call_id, name: item.name, args: JSON.parse(item.arguments) })),
    finish: incomplete ? `${status}/${incomplete.reason}` : String(status),
    tokens: {
      input: usage?.input_tokens ?? -1,
      cacheRead: usage?.input_tokens_details.cached_tokens ?? 0,
      cacheWrite: usage?.input_tokens_details.cache_write_tokens ?? 0,
      output: usage?.output_tokens ?? -1,
      thinking: usage?.output_tokens_details.reasoning_tokens ?? 0,
    },
    model: whole.model,
    headers: headers(),
    said: whole.output,
  };
}

export const responses: Driver = {
  surface: "openai-responses",
  ask,
  failure: (thrown) =>
    thrown instanceof APIError
      ? { kind: thrown.constructor.name, status: thrown.status, message: thrown.message }
      : undefined,
};
