/**
 * The canonical request: what a caller wants from a model, said in no provider's words.
 * `convert` decodes a caller's body into it once and encodes it for each attempt's dialect; `relay` never needs it.
 *
 * A concept has a field here when a third dialect has it or when routing or billing reads it; everything else travels
 * in `extras`, keyed by the dialect that knows it, and returns unchanged when the target speaks that dialect.
 */
import type { JsonObject } from "./json.ts";

/** The wire formats. A surface listens in one, an endpoint speaks one or several. */
export const DIALECT_IDS = [
  "openai-chat",
  "openai-responses",
  "openai-completions",
  "anthropic-messages",
  "gemini",
] as const;
export type DialectId = (typeof DIALECT_IDS)[number];

/** Fields that only one dialect knows, verbatim, under that dialect's id. */
export type Extras = { [D in DialectId]?: JsonObject };

/** A prompt-cache breakpoint after the part or tool that carries it. */
export interface CacheMark {
  ttl: "5m" | "1h";
}

/**
 * An opaque proof that a provider attaches to thinking or tool calls and wants back verbatim
 * (Anthropic `signature`, Gemini `thoughtSignature`, Responses `encrypted_content`). Valid only at its origin.
 */
export interface Signature {
  origin: DialectId;
  value: string;
}

export type MediaSource =
  | { type: "base64"; data: string; mediaType: string }
  | { type: "url"; url: string; mediaType?: string }
  /** A file uploaded to the provider before; only its origin can resolve it. */
  | { type: "file-id"; id: string; origin: DialectId }
  /** A document given as plain text. */
  | { type: "text"; text: string };

interface PartBase {
  cache?: CacheMark;
  extras?: Extras;
}

export interface TextPart extends PartBase {
  type: "text";
  text: string;
  annotations?: Annotation[];
  /** Gemini signs texts too. */
  signature?: Signature;
}

/** The model declined; the text is its explanation. */
export interface RefusalPart extends PartBase {
  type: "refusal";
  text: string;
}

export interface ImagePart extends PartBase {
  type: "image";
  source: MediaSource;
  /** OpenAI's resolution hint. */
  detail?: string;
}

/** A PDF, a text document, a video: anything that is neither an image nor audio. */
export interface FilePart extends PartBase {
  type: "file";
  source: MediaSource;
  filename?: string;
}

export interface AudioPart extends PartBase {
  type: "audio";
  source: MediaSource;
  /** What was said, where the provider gives it (audio output). */
  transcript?: string;
}

/** Reasoning that the model showed, hid (empty text with a signature) or encrypted (`redacted`). */
export interface ThinkingPart extends PartBase {
  type: "thinking";
  text: string;
  signature?: Signature;
  /** The text is a summary made for display, not the reasoning itself. */
  summary?: boolean;
  /** The content is encrypted in the signature's value (Anthropic `redacted_thinking`). */
  redacted?: boolean;
}

/** A call of a tool that the caller runs. */
export interface ToolCallPart extends PartBase {
  type: "tool-call";
  id: string;
  name: string;
  /** `function`: `arguments` is JSON text as the model wrote it (it may be cut off). `custom`: free text. */
  kind: "function" | "custom";
  arguments: string;
  /** The namespace that the tool was offered in (Responses). */
  namespace?: string;
  signature?: Signature;
}

export interface ToolResultPart extends PartBase {
  type: "tool-result";
  callId: string;
  /** The called tool's name where the wire has it or the history tells it. */
  name?: string;
  kind: "function" | "custom";
  content: ToolResultContent[];
  isError?: boolean;
}
export type ToolResultContent = TextPart | ImagePart | FilePart | AudioPart | OpaquePart;

/** What a dialect said in its own form, for itself to say again. */
export interface Native {
  dialect: DialectId;
  value: JsonObject;
}

/** What a provider's own tool was given. */
export type ServerCall =
  | { kind: "web-search"; queries: string[] }
  /** `language` in lower case: `python`, `bash`. */
  | { kind: "code-execution"; code: string; language: string };

/** A page that a search found. `age` is how old the provider says it is, in its own words. */
export interface FoundPage {
  url: string;
  title?: string;
  age?: string;
}

/** What a provider's own tool brought. `error` is the provider's word for why it brought nothing. */
export type ServerResult =
  | { kind: "web-search"; pages: FoundPage[]; error?: string }
  /** `output` is what the code printed, `errors` what it complained of; `failed`: it broke off. */
  | { kind: "code-execution"; output: string; errors?: string; failed?: boolean; error?: string };

/**
 * A call of a tool that the provider ran itself, one of those that several providers have. Its result follows in the same
 * turn, perhaps after other parts. Other tools of providers are opaque.
 */
export interface ServerCallPart extends PartBase {
  type: "server-call";
  id: string;
  call: ServerCall;
  native?: Native;
}

/** What such a call brought. Absent `native` beside a call with one: the call's native form holds both. */
export interface ServerResultPart extends PartBase {
  type: "server-result";
  callId: string;
  result: ServerResult;
  native?: Native;
}

/** Something that only one dialect can say (a container upload, a list of remote tools): verbatim there, a loss elsewhere. */
export interface OpaquePart extends PartBase {
  type: "opaque";
  dialect: DialectId;
  value: JsonObject;
}

export type Part =
  | TextPart
  | RefusalPart
  | ImagePart
  | FilePart
  | AudioPart
  | ThinkingPart
  | ToolCallPart
  | ToolResultPart
  | ServerCallPart
  | ServerResultPart
  | OpaquePart;

/** A citation inside a text. Offsets count UTF-16 code units of the part's text. */
export interface Annotation {
  type: "url";
  url: string;
  title?: string;
  start?: number;
  end?: number;
  /** The passage that is cited. */
  cited?: string;
  extras?: Extras;
}

/**
 * One turn. `system` inside `messages` is an instruction in mid-conversation; those before the first turn are in `system`.
 * `tool` holds tool results only: a caller's turn that mixes results and text is split, results first.
 */
export type Message =
  | { role: "system"; content: TextPart[]; extras?: Extras }
  | { role: "user"; content: (TextPart | ImagePart | FilePart | AudioPart | OpaquePart)[]; extras?: Extras }
  | {
      role: "assistant";
      content: Exclude<Part, ToolResultPart>[];
      extras?: Extras;
    }
  | { role: "tool"; content: (ToolResultPart | OpaquePart)[]; extras?: Extras };

export interface FunctionTool {
  type: "function";
  name: string;
  description?: string;
  /** JSON Schema of the arguments; absent means a call without arguments. */
  parameters?: JsonObject;
  strict?: boolean;
  namespace?: string;
  cache?: CacheMark;
  extras?: Extras;
}

/** A tool whose input is free text, perhaps held to a grammar (Responses and Chat `custom`). */
export interface CustomTool {
  type: "custom";
  name: string;
  description?: string;
  grammar?: { syntax: string; definition: string };
  namespace?: string;
  cache?: CacheMark;
  extras?: Extras;
}

/** A tool that the provider runs itself. `kind` is the canonical name where several dialects have it (`web-search`, `code-execution`), else the wire's. */
export interface ServerTool {
  type: "server";
  kind: string;
  dialect: DialectId;
  value: JsonObject;
}

export type Tool = FunctionTool | CustomTool | ServerTool;

export type ToolChoice =
  | { type: "auto" }
  | { type: "none" }
  | { type: "required" }
  | { type: "tool"; name: string; kind: "function" | "custom" }
  | { type: "allowed"; mode: "auto" | "required"; names: string[] };

export type OutputFormat =
  | { type: "text" }
  | { type: "json" }
  | { type: "json-schema"; schema: JsonObject; name?: string; description?: string; strict?: boolean };

export type Effort = "none" | "minimal" | "low" | "medium" | "high" | "xhigh" | "max";

/** How much to think, and how much of it to show. Fields that are absent are the provider's choice. */
export interface Reasoning {
  /** `off`: do not think. `adaptive`: the model decides when. `on`: think, within `budgetTokens` if given. */
  mode?: "on" | "off" | "adaptive";
  effort?: Effort;
  budgetTokens?: number;
  /** Whether thinking text comes back; Responses distinguishes kinds of summary. */
  show?: "none" | "auto" | "concise" | "detailed";
}

/** The fields. Every encoder has an entry for each of them (`encodeFields`), so the compiler names who forgot one. */
export interface CanonicalRequest {
  /** As the caller wrote it. Encoders send the target's name instead. */
  model: string;
  stream: boolean;
  /** Instructions before the first turn, in order. */
  system?: TextPart[];
  messages: Message[];
  tools?: Tool[];
  toolChoice?: ToolChoice;
  parallelToolCalls?: boolean;
  maxOutputTokens?: number;
  temperature?: number;
  topP?: number;
  topK?: number;
  minP?: number;
  frequencyPenalty?: number;
  presencePenalty?: number;
  repetitionPenalty?: number;
  seed?: number;
  stop?: string[];
  /** How many answers, 1 by default. */
  candidates?: number;
  logprobs?: boolean;
  topLogprobs?: number;
  logitBias?: JsonObject;
  outputFormat?: OutputFormat;
  /** What may come out: `text`, `image`, `audio`. */
  modalities?: string[];
  reasoning?: Reasoning;
  verbosity?: string;
  /** An opaque id of the caller's end user. */
  endUser?: string;
  metadata?: JsonObject;
  /** A hint that requests with the same key share a prompt prefix (`prompt_cache_key`). */
  cacheKey?: string;
  serviceTier?: string;
  extras?: Extras;
}
