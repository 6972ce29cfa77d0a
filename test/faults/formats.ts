/**
 * The four surfaces as the callers of these tests see them: what to send, and what of the raw bytes says what.
 * The upstreams speak the same formats, so a model's name picks the upstream's format.
 */
import type { JsonObject } from "../../src/core/json.ts";

export const FORMATS = ["chat", "responses", "messages", "gemini"] as const;
export type Format = (typeof FORMATS)[number];

/** What a format's bytes look like. */
export interface Look {
  path(model: string, streamed: boolean): string;
  body(model: string, text: string, streamed: boolean, maxTokens: number): JsonObject;
  /** In each piece of an answer's text, once. */
  readonly piece: RegExp;
  /** In the last event. */
  readonly end: string;
  /** In the event that tells a caller of an error in mid-stream. */
  readonly error: RegExp;
}

const message = (content: string) => [{ role: "user", content }];

export const LOOKS: Readonly<Record<Format, Look>> = {
  chat: {
    path: () => "/v1/chat/completions",
    body: (model, text, stream) => ({ model, stream, messages: message(text) }),
    piece: /"delta":\{"content":"[^"]/g,
    end: "data: [DONE]\n",
    error: /\ndata: \{"error":\{/,
  },
  responses: {
    path: () => "/v1/responses",
    body: (model, text, stream) => ({ model, stream, input: text }),
    piece: /"type":"response.output_text.delta"/g,
    end: '"type":"response.completed"',
    error: /"type":"(?:error|response.failed)"/,
  },
  messages: {
    path: () => "/v1/messages",
    body: (model, text, stream, most) => ({ model, stream, max_tokens: most, messages: message(text) }),
    piece: /"type":"text_delta"/g,
    end: '"type":"message_stop"',
    error: /event: error\n/,
  },
  gemini: {
    path: (model, streamed) =>
      `/v1beta/models/${model}:${streamed ? "streamGenerateContent?alt=sse" : "generateContent"}`,
    body: (_, text) => ({ contents: [{ role: "user", parts: [{ text }] }] }),
    piece: /"parts":\[\{"text":"[^"]/g,
    end: '"finishReason"',
    error: /\ndata: \{"error":\{/,
  },
};
