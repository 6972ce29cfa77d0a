/**
 * The `openai` client's Chat Completions as a driver.
 * Reasoning is no part of its types; as its users do, it is read from and put back into the fields that compatible servers use.
 */
import type OpenAI from "openai";
import { APIError } from "openai";
import type {
  ChatCompletion,
  ChatCompletionContentPart,
  ChatCompletionCreateParamsNonStreaming,
  ChatCompletionMessage,
  ChatCompletionMessageParam,
} from "openai/resources/chat/completions";
import { type Answer, type Driver, type Medium, type Question, type Turn, urlOf } from "./driver.ts";
import { openaiClient } from "./openai-client.ts";

interface Reasoning {
  reasoning_content?: string;
  reasoning_details?: unknown[];
}
type Message = ChatCompletionMessage & Reasoning;

function partOf(medium: Medium): ChatCompletionContentPart {
  if (medium.kind === "image") return { type: "image_url", image_url: { url: urlOf(medium) } };
  const { mediaType, base64, filename } = medium;
  if (medium.kind === "file")
    return { type: "file", file: { file_data: urlOf(medium), ...(filename && { filename }) } };
  const format = mediaType === "audio/wav" ? "wav" : "mp3";
  return { type: "input_audio", input_audio: { data: base64, format } };
}

/** The types have no image in a tool's message, so its users show it in a turn of their own. */
function messagesOf(turn: Turn): ChatCompletionMessageParam[] {
  if ("said" in turn) return [turn.said as ChatCompletionMessageParam];
  if ("results" in turn) {
    const images = turn.results.flatMap(({ image }) => (image ? [partOf({ kind: "image", ...image })] : []));
    return [
      ...turn.results.map(({ call, text }) => ({ role: "tool" as const, tool_call_id: call.id, content: text })),
      ...(images.length > 0 ? [{ role: "user" as const, content: images }] : []),
    ];
  }
  if (!turn.media) return [{ role: "user", content: turn.user }];
  return [{ role: "user", content: [{ type: "text", text: turn.user }, ...turn.media.map(partOf)] }];
}

function bodyOf(question: Question): ChatCompletionCreateParamsNonStreaming {
  const { model, turns, system, tools, thinks, schema, stop, maxTokens } = question;
  return {
    model,
    messages: [...(system ? [{ role: "system" as const, content: system }] : []), ...turns.flatMap(messagesOf)],
    ...(tools && { tools: tools.map((tool) => ({ type: "function" as const, function: { ...tool } })) }),
    ...(thinks && { reasoning_effort: "low" as const }),
    ...(schema && { response_format: { type: "json_schema", json_schema: { name: "answer", strict: true, schema } } }),
    ...(stop && { stop: [stop] }),
    ...(maxTokens && { max_completion_tokens: maxTokens }),
  };
}

/** Streams by the client's helper. What the helper does not know of a delta it does not join, so reasoning is joined here. */
async function stream(client: OpenAI, question: Question): Promise<ChatCompletion> {
  const body = { ...bodyOf(question), stream: true as const, stream_options: { include_usage: true } };
  const runner = client.chat.completions.stream(body, { signal: question.signal });
  let reasoning = "";
  const details: unknown[] = [];
  const signatures = new Map<number, unknown>();
  for await (const chunk of runner) {
    const delta = chunk.choices[0]?.delta as (typeof chunk.choices)[0]["delta"] & Reasoning;
    if (delta?.content) question.onText?.();
    reasoning += delta?.reasoning_content ?? "";
    details.push(...(delta?.reasoning_details ?? []));
    for (const call of delta?.tool_calls ?? []) {
      if ("extra_content" in call) signatures.set(call.index, call.extra_content);
    }
  }
  const whole = await runner.finalChatCompletion();
  const message = whole.choices[0]?.message as Message | undefined;
  if (message && reasoning) message.reasoning_content = reasoning;
  if (message && details.length > 0) message.reasoning_details = details;
  for (const [index, extra] of signatures) Object.assign(message?.tool_calls?.[index] ?? {}, { extra_content: extra });
  return whole;
}

async function ask(target: { url: string; key: string }, question: Question): Promise<Answer> {
  const { client, headers } = openaiClient(target);
  const whole = question.streamed
    ? await stream(client, question)
    : await client.chat.completions.create(bodyOf(question), { signal: question.signal });
  const choice = whole.choices[0];
  const message = choice?.message as Message;
  const { usage } = whole;
  return {
    text: message.content ?? "",
    refusal: message.refusal ?? "",
    thinking: message.reasoning_content ?? "",
    calls: (message.tool_calls ?? []).flatMap((call) =>
      call.type === "function"
        ? [{ id: call.id, name: call.function.name, args: JSON.parse(call.function.arguments) }]
        : [],
    ),
    finish: choice?.finish_reason ?? "",
    tokens: {
      input: usage?.prompt_tokens ?? -1,
      cacheRead: usage?.prompt_tokens_details?.cached_tokens ?? 0,
      cacheWrite: (usage?.prompt_tokens_details as { cache_write_tokens?: number })?.cache_write_tokens ?? 0,
      output: usage?.completion_tokens ?? -1,
      thinking: usage?.completion_tokens_details?.reasoning_tokens ?? 0,
    },
    model: whole.model,
    headers: headers(),
    said: message,
  };
}

export const chat: Driver = {
  surface: "openai-chat",
  ask,
  failure: (thrown) =>
    thrown instanceof APIError
      ? { kind: thrown.constructor.name, status: thrown.status, message: thrown.message }
      : undefined,
};
