/**
 * Models and the endpoints that serve them, as routing sees them.
 * The catalogue builds these from configuration and curated data; they are immutable while a call runs.
 */
import type { Capability } from "./head.ts";
import type { JsonObject } from "./json.ts";
import type { Price } from "./money.ts";
import type { WireFormatId } from "./operation.ts";
import type { Effort } from "./request.ts";

/** Deviations of an upstream from its dialect's standard form. Data of a provider's file; dialects read them, nobody else. */
export interface Quirks {
  /** Which field carries the output limit on Chat (`max_completion_tokens` by default). */
  readonly maxTokensField?: "max_tokens" | "max_completion_tokens";
  /** The role of instructions on Chat and Responses (`system` by default on Chat, `developer` on Responses). */
  readonly systemRole?: "system" | "developer";
  /** Message content must be one string where it is only text. */
  readonly flattenText?: boolean;
  /** The upstream refuses `stream_options`. */
  readonly noStreamOptions?: boolean;
  /**
   * How visible reasoning of earlier turns goes back to a Chat upstream: under one of two names, or as `thinking` parts of
   * the content. By default it is not sent: OpenAI refuses the fields. Models that do not think are never sent any.
   */
  readonly reasoningField?: "reasoning_content" | "reasoning" | "content" | "none";
  /** The Chat upstream takes its own `reasoning_details` back; elsewhere only their visible text goes, as `reasoningField` says. */
  readonly reasoningDetails?: boolean;
  /** How a Chat upstream wants effort and budget: `reasoning_effort` (default), a `reasoning` or a `thinking` object. */
  readonly reasoningRequest?: "effort" | "reasoning" | "thinking";
  /** The efforts that the Chat or Responses model takes. Others become the nearest of these; `none` is left out where it isn't one. */
  readonly efforts?: readonly Effort[];
  /** The Chat upstream takes `cache_control` on messages, parts and tools. By default it is not sent there; `false`: known to be refused, so that bodies with it are not relayed either. */
  readonly cacheControl?: boolean;
  /**
   * The Chat upstream has free-text (`custom`) tools; by default they become functions. `false`: it is known to refuse
   * them. On Responses, which has them by default, `false` says that functions are all it knows: no namespaces, no tools
   * that come in items, and of those it would run itself only `serverTools`.
   */
  readonly customTools?: boolean;
  /** The Chat upstream takes `top_k`, `min_p` and `repetition_penalty`. By default they are not sent there; `false`: known to be refused, as OpenAI does. */
  readonly extendedSampling?: boolean;
  /** The Chat upstream takes only tool call ids of nine letters and digits; others are replaced by such ones. */
  readonly callIds?: "nine";
  /** The Chat upstream takes Gemini's signatures as `extra_content` of tool calls. */
  readonly thoughtSignatures?: boolean;
  /** The Messages upstream takes `system` messages in mid-conversation; by default they become text of the user's turn. */
  readonly systemTurns?: boolean;
  /** The only form in which a Messages model can be told to think: `enabled` with a budget (models before 4.6), or `adaptive` with an effort (after it). By default as the caller said it, an effort as `adaptive`. */
  readonly thinkingForm?: "budget" | "adaptive";
  /** The Responses upstream compacts conversations itself, in answers and at `/responses/compact`. */
  readonly compacts?: boolean;
  /** Kinds of tools that the upstream runs itself (`web-search`), so that one asked for in another format can become its own. */
  readonly serverTools?: readonly string[];
  /** Canonical request fields that the upstream refuses; they are dropped as losses. */
  readonly refuses?: readonly string[];
  /** Fields of the Chat body that every request carries, unless the caller said them. */
  readonly adds?: JsonObject;
  /** The upstream routes too and knows the gateway's own fields (`provider`, `models` …): relay leaves them in. */
  readonly routingFields?: boolean;
}

/** What becomes of the content of calls there. What is not known is absent, and is no promise. */
export interface DataPolicy {
  /** Models may be trained on it. */
  readonly trains?: boolean;
  /** Some of it is kept after the answer, if only to look for abuse. */
  readonly retains?: boolean;
}

/** One way to serve one model. */
export interface Endpoint {
  /** Unique in the catalogue, e.g. `my-openai/gpt-4o-mini`. */
  readonly id: string;
  readonly modelId: string;
  /** The configured provider's id. */
  readonly provider: string;
  /** What the upstream calls the model. */
  readonly upstreamModel: string;
  /** The formats it can be called in, those of one operation preferred first. */
  readonly dialects: readonly WireFormatId[];
  /** Lower is tried earlier. */
  readonly priority: number;
  /** Its share of the calls among endpoints of one priority and price, 1 by default. */
  readonly weight?: number;
  /** Where calls are answered, in lower case (`eu`, `us-east-1`). */
  readonly region?: string;
  /** How the model's numbers are stored there (`fp8`), in lower case. */
  readonly quantization?: string;
  readonly data?: DataPolicy;
  /** What the customer pays: the provider's price with the operator's margin. */
  readonly price: Price;
  /** What the provider charges. */
  readonly cost: Price;
  readonly capabilities: ReadonlySet<Capability>;
  readonly contextTokens: number;
  readonly maxOutputTokens: number;
  /** By dialect, since a provider may be odd in one format and regular in another. */
  readonly quirks: { readonly [F in WireFormatId]?: Quirks };
}

export interface Model {
  readonly id: string;
  readonly aliases: readonly string[];
  readonly name: string;
  readonly description?: string;
  readonly contextTokens: number;
  readonly maxOutputTokens: number;
  readonly capabilities: ReadonlySet<Capability>;
  readonly knowledgeDate?: string;
  readonly createdAt?: number;
  /** What the customer pays at the endpoint that is tried first. */
  readonly price: Price;
  /** An endpoint of it has no price and costs nothing, because the operator allows that. */
  readonly unpriced?: true;
  readonly endpoints: readonly Endpoint[];
}

/** An endpoint with the dialect chosen for one call: the caller's own where the endpoint speaks it, so that bytes can be relayed. */
export interface Candidate<F extends WireFormatId = WireFormatId> {
  readonly endpoint: Endpoint;
  readonly dialect: F;
}
