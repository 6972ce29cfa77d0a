/**
 * The `@anthropic-ai/sdk` client's Messages as a driver.
 * Streams go through its own accumulator, whose message is what its users put back into the conversation.
 */
import Anthropic, { APIError } from "@anthropic-ai/sdk";
import {
  type Answer,
  CLIENT_TIMEOUT_MS,
  type Driver,
  keepHeaders,
  type Medium,
  type Question,
  type Turn,
} from "./driver.ts";

/** The format demands a limit. */
const DEFAULT_MAX_TOKENS = 4000;
const THINKING_BUDGET = 1024;

function imageOf(medium: { mediaType: string; base64: string } | { url: string }): Anthropic.ImageBlockParam {
  if ("url" in medium) return { type: "image", source: { type: "url", url: medium.url } };
  const { mediaType, base64 } = medium;
  return { type: "image", source: { type: "base64", media_type: mediaType as "image/png", data: base64 } };
}

function blockOf(medium: Medium): Anthropic.ContentBlockParam {
  if (medium.kind === "image") return imageOf(medium);
  if (medium.kind === "audio") throw new Error("This client's types have no audio.");
  const { mediaType, base64: data, filename: title } = medium;
  const source =
    mediaType === "application/pdf"
      ? { type: "base64" as const, media_type: "application/pdf" as const, data }
      : { type: "text" as const, media_type: "text/plain" as const, data: Buffer.from(data, "base64").toString() };
  return { type: "document", source, ...(title && { title }) };
}

function messageOf(turn: Turn): Anthropic.MessageParam {
  if ("said" in turn) return { role: "assistant", content: turn.said as Anthropic.ContentBlockParam[] };
  if ("results" in turn) {
    const content = turn.results.map(({ call, text, image, isError }) => ({
      type: "tool_result" as const,
      tool_use_id: call.id,
      content: image ? [{ type: "text" as const, text }, imageOf(image)] : text,
      ...(isError && { is_error: true }),
    }));
    return { role: "user", content };
  }
  if (!turn.media) return { role: "user", content: turn.user };
  return { role: "user", content: [...turn.media.map(blockOf), { type: "text", text: turn.user }] };
}

function bodyOf(question: Question): Anthropic.MessageCreateParamsNonStreaming {
  const { model, turns, system, tools, thinks, schema, stop, maxTokens } = question;
  return {
    model,
    max_tokens: maxTokens ?? DEFAULT_MAX_TOKENS,
    messages: turns.map(messageOf),
    ...(system && { system }),
    ...(tools && {
      tools: tools.map(({ name, parameters }) => ({ name, input_schema: { type: "object" as const, ...parameters } })),
    }),
    ...(thinks && { thinking: { type: "enabled" as const, budget_tokens: THINKING_BUDGET } }),
    ...(schema && { output_config: { format: { type: "json_schema" as const, schema } } }),
    ...(stop && { stop_sequences: [stop] }),
  };
}

async function ask(target: { url: string; key: string }, question: Question): Promise<Answer> {
  const kept = keepHeaders();
  const client = new Anthropic({
    apiKey: target.key,
    baseURL: target.url,
    maxRetries: 0,
    timeout: CLIENT_TIMEOUT_MS,
    fetch: kept.fetch,
  });
  const options = { signal: question.signal };
  const whole = question.streamed
    ? await client.messages
        .stream(bodyOf(question), options)
        .on("text", () => question.onText?.())
        .finalMessage()
    : await client.messages.create(bodyOf(question), options);
  const { content, usage, stop_reason: reason, stop_sequence: sequence } = whole;
  const read = usage.cache_read_input_tokens ?? 0;
  const written = usage.cache_creation_input_tokens ?? 0;
  return {
    text: content.map((block) => (block.type === "text" ? block.text : "")).join(""),
    refusal: "",
    thinking: content.map((block) => (block.type === "thinking" ? block.thinking : "")).join(""),
    calls: content.flatMap((block) =>
      block.type === "tool_use" ? [{ id: block.id, name: block.name, args: block.input }] : [],
    ),
    finish: sequence === null ? String(reason) : `${reason}/${sequence}`,
    tokens: {
      input: usage.input_tokens + read + written,
      cacheRead: read,
      cacheWrite: written,
      output: usage.output_tokens,
      thinking: usage.output_tokens_details?.thinking_tokens ?? 0,
    },
    model: whole.model,
    headers: kept.headers(),
    said: content,
  };
}

export const messages: Driver = {
  surface: "anthropic-messages",
  ask,
  failure: (thrown) =>
    thrown instanceof APIError
      ? { kind: thrown.constructor.name, status: thrown.status, message: thrown.message }
      : undefined,
};
