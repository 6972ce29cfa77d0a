/**
 * What the benchmarks' upstream says: one answer in each format, whole and as a stream of equal pieces.
 * Of the shape and size that the real providers' answers have.
 */

const TEXT = "The quick brown fox jumps over the lazy dog and runs off into the forest. ".repeat(6);
const line = (value: unknown) => `data: ${JSON.stringify(value)}\n\n`;
const event = (name: string, value: unknown) => `event: ${name}\n${line(value)}`;

const chatUsage = { prompt_tokens: 40, completion_tokens: 90, total_tokens: 130 };
const chat = {
  id: "chatcmpl-BenchBenchBenchBench00",
  created: 1_760_000_000,
  model: "bench-1",
  system_fingerprint: "fp_0123456789",
};
const chatChunk = (choices: unknown[], usage: unknown = null) =>
  line({ ...chat, object: "chat.completion.chunk", choices, usage });

const response = {
  id: "resp_bench",
  object: "response",
  created_at: 1_760_000_000,
  status: "completed",
  model: "bench-1",
  output: [
    {
      id: "msg_bench",
      type: "message",
      status: "completed",
      role: "assistant",
      content: [{ type: "output_text", text: TEXT, annotations: [], logprobs: [] }],
    },
  ],
  usage: {
    input_tokens: 40,
    input_tokens_details: { cached_tokens: 0 },
    output_tokens: 90,
    output_tokens_details: { reasoning_tokens: 0 },
    total_tokens: 130,
  },
};
const place = { item_id: "msg_bench", output_index: 0, content_index: 0 };

const message = {
  id: "msg_bench",
  type: "message",
  role: "assistant",
  model: "bench-1",
  content: [{ type: "text", text: TEXT }],
  stop_reason: "end_turn",
  stop_sequence: null,
  usage: { input_tokens: 40, output_tokens: 90, cache_creation_input_tokens: 0, cache_read_input_tokens: 0 },
};

const candidate = (text: string, finish?: string) => ({
  candidates: [
    { content: { parts: [{ text }], role: "model" }, index: 0, ...(finish ? { finishReason: finish } : {}) },
  ],
  usageMetadata: { promptTokenCount: 40, candidatesTokenCount: 90, totalTokenCount: 130 },
  modelVersion: "bench-1",
  responseId: "bench",
});

/** Whole answers. */
export const PLAIN = {
  chat: JSON.stringify({
    ...chat,
    object: "chat.completion",
    choices: [
      {
        index: 0,
        message: { role: "assistant", content: TEXT, refusal: null, annotations: [] },
        logprobs: null,
        finish_reason: "stop",
      },
    ],
    usage: chatUsage,
  }),
  responses: JSON.stringify(response),
  messages: JSON.stringify(message),
  gemini: JSON.stringify(candidate(TEXT, "STOP")),
};

type Texts = { [F in keyof typeof PLAIN]: string };

/** What comes before the pieces. */
export const STREAM_HEAD: Texts = {
  chat: chatChunk([{ index: 0, delta: { role: "assistant", content: "" }, logprobs: null, finish_reason: null }]),
  responses:
    event("response.created", {
      type: "response.created",
      sequence_number: 0,
      response: { ...response, status: "in_progress", output: [], usage: null },
    }) +
    event("response.output_item.added", {
      type: "response.output_item.added",
      sequence_number: 1,
      output_index: 0,
      item: { id: "msg_bench", type: "message", status: "in_progress", role: "assistant", content: [] },
    }) +
    event("response.content_part.added", {
      type: "response.content_part.added",
      sequence_number: 2,
      ...place,
      part: { type: "output_text", text: "", annotations: [], logprobs: [] },
    }),
  messages:
    event("message_start", { type: "message_start", message: { ...message, content: [], stop_reason: null } }) +
    event("content_block_start", { type: "content_block_start", index: 0, content_block: { type: "text", text: "" } }),
  gemini: "",
};

/** One piece: a few words. */
export const STREAM_PIECE: Texts = {
  chat: chatChunk([{ index: 0, delta: { content: " some more words" }, logprobs: null, finish_reason: null }]),
  responses: event("response.output_text.delta", {
    type: "response.output_text.delta",
    sequence_number: 3,
    ...place,
    delta: " some more words",
    logprobs: [],
    obfuscation: "a1b2c3",
  }),
  messages: event("content_block_delta", {
    type: "content_block_delta",
    index: 0,
    delta: { type: "text_delta", text: " some more words" },
  }),
  gemini: line(candidate(" some more words")).replaceAll("\n", "\r\n"),
};

/** What comes after the pieces. */
export const STREAM_TAIL: Texts = {
  chat: `${chatChunk([{ index: 0, delta: {}, logprobs: null, finish_reason: "stop" }])}${chatChunk([], chatUsage)}data: [DONE]\n\n`,
  responses:
    event("response.output_text.done", {
      type: "response.output_text.done",
      sequence_number: 4,
      ...place,
      text: TEXT,
      logprobs: [],
    }) +
    event("response.output_item.done", {
      type: "response.output_item.done",
      sequence_number: 5,
      output_index: 0,
      item: response.output[0],
    }) +
    event("response.completed", { type: "response.completed", sequence_number: 6, response }),
  messages:
    event("content_block_stop", { type: "content_block_stop", index: 0 }) +
    event("message_delta", {
      type: "message_delta",
      delta: { stop_reason: "end_turn", stop_sequence: null },
      usage: { output_tokens: 90 },
    }) +
    event("message_stop", { type: "message_stop" }),
  gemini: line(candidate("", "STOP")).replaceAll("\n", "\r\n"),
};
