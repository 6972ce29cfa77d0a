/**
 * What all official clients can be asked, in one form, so that the cases of this folder are written once and run for each.
 * A driver puts a question into its client's own words and brings the answer back; everything between is the real client.
 */
/** The surfaces that an official client of its own calls. */
export type Surface = "openai-chat" | "openai-responses" | "anthropic-messages" | "gemini";

export interface OfferedTool {
  readonly name: string;
  /** JSON Schema of the arguments. */
  readonly parameters: Record<string, unknown>;
}

export interface ToolCall {
  readonly id: string;
  readonly name: string;
  readonly args: unknown;
}

/** What stands beside the words of a turn. The kind says where the client puts it; not every client has a place for each. */
export type Medium =
  | {
      readonly kind: "image" | "file" | "audio";
      readonly mediaType: string;
      readonly base64: string;
      readonly filename?: string;
    }
  | { readonly kind: "image"; readonly url: string };

/** What a tool gave back. A client without a word for failures says it in the text. */
export interface Result {
  readonly call: ToolCall;
  readonly text: string;
  readonly image?: { readonly mediaType: string; readonly base64: string };
  readonly isError?: boolean;
}

/** A turn of a conversation. `said` is an earlier answer's, in the client's own form, put back as it came. */
export type Turn =
  | { readonly user: string; readonly media?: readonly Medium[] }
  | { readonly said: unknown }
  | { readonly results: readonly Result[] };

export interface Question {
  readonly model: string;
  readonly streamed: boolean;
  readonly turns: readonly Turn[];
  readonly system?: string;
  readonly tools?: readonly OfferedTool[];
  /** Ask for reasoning, and for seeing it, in the way that this client's users do. */
  readonly thinks?: boolean;
  /** The answer has to be JSON of this schema. */
  readonly schema?: Record<string, unknown>;
  readonly stop?: string;
  readonly maxTokens?: number;
  readonly signal?: AbortSignal;
  /** Called at each piece of a stream's text. */
  readonly onText?: () => void;
}

/** Tokens, of whatever the client calls them: `input` holds all of the prompt, `output` the thinking. */
export interface Tokens {
  readonly input: number;
  readonly cacheRead: number;
  readonly cacheWrite: number;
  readonly output: number;
  readonly thinking: number;
}

export interface Answer {
  readonly text: string;
  /** What the client has where it has a word of its own for an answer that is a refusal; else empty, and the text tells it. */
  readonly refusal: string;
  readonly thinking: string;
  readonly calls: readonly ToolCall[];
  /** In the format's own words; where two fields tell it, with a slash between. */
  readonly finish: string;
  readonly tokens: Tokens;
  readonly model: string | undefined;
  readonly headers: Headers;
  /** The whole assistant turn in the client's own form, for `Turn.said`. */
  readonly said: unknown;
}

/** What a client's own error tells. */
export interface Failure {
  /** The class's name. */
  readonly kind: string;
  readonly status: number | undefined;
  readonly message: string;
}

/** Where to call. */
export interface Target {
  readonly url: string;
  readonly key: string;
}

export interface Driver {
  readonly surface: Surface;
  /** Rejects with what the client throws. */
  ask(target: Target, question: Question): Promise<Answer>;
  /** What the client's own error says; undefined when the thrown thing is not one of the client's. */
  failure(thrown: unknown): Failure | undefined;
}

/** A medium as a `data:` address, or the address that it is. */
export function urlOf(medium: Medium): string {
  return "url" in medium ? medium.url : `data:${medium.mediaType};base64,${medium.base64}`;
}

/** A `fetch` that keeps the headers of the last answer, which not every client shows. */
export function keepHeaders(): { fetch: typeof fetch; headers: () => Headers } {
  let headers = new Headers();
  const keeping = async (input: string | URL | Request, init?: RequestInit) => {
    const response = await fetch(input, init);
    headers = response.headers;
    return response;
  };
  return { fetch: keeping as typeof fetch, headers: () => headers };
}

/** Long enough for a machine that is busy with other tests. */
export const CLIENT_TIMEOUT_MS = 60_000;
