/**
 * Canonical events: a model's answer as a closed union, streamed or not; metering, relaying and converting all read these.
 *
 * The order that every decoder keeps (`checkOrder` holds it in tests): `message-start` first; each part has `part-start`,
 * its deltas, `part-end`, or comes whole; parts may interleave; `usage` is cumulative, the last one counts, and it comes
 * before `message-end`; `message-end` once per choice, after that choice's parts; after the last only the stream's end.
 * Decoders hold back a finish reason until the wire has really ended, so encoders never wait for usage.
 * `error` may come at any time and is last.
 */
import type { UpstreamFailure } from "./error.ts";
import type { Json } from "./json.ts";
import type { Annotation, DialectId, Extras, Part, Signature } from "./request.ts";
import type { Usage } from "./usage.ts";

export type FinishReason =
  | "stop"
  | "length"
  | "tool-calls"
  | "content-filter"
  | "refusal"
  /** The provider paused a long turn; sending it back continues it (Anthropic `pause_turn`). */
  | "pause"
  | "context-length"
  /** The model wrote a tool call that cannot be used (Gemini `MALFORMED_FUNCTION_CALL`). */
  | "malformed-tool-call"
  | "other";

export interface Finish {
  reason: FinishReason;
  /** The stop sequence that ended the text, where the wire tells. */
  stopSequence?: string;
  /** The wire's own word, for its own dialect to say again. */
  native?: { dialect: DialectId; value: Json };
}

/** How a part begins. What is fixed from the start is here; the rest follows in deltas. */
export type PartStart =
  | { type: "text"; extras?: Extras }
  | { type: "refusal"; extras?: Extras }
  | { type: "thinking"; summary?: boolean; extras?: Extras }
  | { type: "tool-call"; id: string; name: string; kind: "function" | "custom"; namespace?: string; extras?: Extras }
  | { type: "audio"; mediaType: string; extras?: Extras };

/** One token's log probability, in OpenAI's shape (`bytes` may be null). */
export interface TokenLogprob {
  token: string;
  logprob: number;
  bytes?: number[] | null;
  top?: { token: string; logprob: number; bytes?: number[] | null }[];
}

/** `choice` numbers the answers (0 but for n > 1); `part` numbers the parts of one answer in the order they start. */
export type CanonicalEvent =
  | { type: "message-start"; id?: string; model?: string; createdAt?: number; extras?: Extras }
  | { type: "part-start"; choice: number; part: number; start: PartStart }
  | { type: "text-delta"; choice: number; part: number; text: string }
  | { type: "thinking-delta"; choice: number; part: number; text: string }
  | { type: "tool-call-delta"; choice: number; part: number; arguments: string }
  | { type: "audio-delta"; choice: number; part: number; data?: string; transcript?: string }
  | { type: "annotation"; choice: number; part: number; annotation: Annotation }
  | { type: "signature"; choice: number; part: number; signature: Signature }
  /** `extras` are merged over those of the start. */
  | { type: "part-end"; choice: number; part: number; extras?: Extras }
  /** A part that arrives whole: an image, redacted thinking, a server tool's result. */
  | { type: "part"; choice: number; part: number; value: Exclude<Part, { type: "tool-result" }> }
  | { type: "logprobs"; choice: number; kind: "content" | "refusal"; tokens: TokenLogprob[] }
  | { type: "usage"; usage: Usage; extras?: Extras }
  | { type: "message-end"; choice: number; finish: Finish; extras?: Extras }
  | { type: "error"; failure: UpstreamFailure };

/** One answer of a reply. */
export interface Choice {
  parts: Exclude<Part, { type: "tool-result" }>[];
  finish: Finish;
  logprobs?: { content?: TokenLogprob[]; refusal?: TokenLogprob[] };
  extras?: Extras;
}

/** A whole reply: the events of one message folded by `collect`. */
export interface Reply {
  id?: string;
  model?: string;
  createdAt?: number;
  choices: Choice[];
  usage?: Usage;
  usageExtras?: Extras;
  extras?: Extras;
  /** Set when the stream ended in an error; what came before it is in `choices`. */
  failure?: UpstreamFailure;
}
