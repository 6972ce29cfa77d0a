/**
 * What a caller asks, read once: the raw body, its parsed form, the head, and lazily the canonical form.
 * Made by `handle` and shared by all attempts; nothing on the way changes it.
 */
import type { EmbeddingRequest } from "../core/embedding.ts";
import type { Candidate } from "../core/endpoint.ts";
import type { Head } from "../core/head.ts";
import type { JsonObject } from "../core/json.ts";
import { withoutOwnFields } from "../core/preferences.ts";
import type { CanonicalRequest, ServerTool } from "../core/request.ts";
import type { Dialect, Framing, PathFacts, WireFormat } from "../dialects/dialect.ts";
import type { EmbeddingDialect } from "../dialects/embedding.ts";
import type { AnyDialect } from "../dialects/index.ts";

/** What is asked in whichever format. */
interface Asked {
  /** The gateway's id of this call. */
  readonly id: string;
  /** Unix seconds. */
  readonly createdAt: number;
  readonly framing: Framing;
  readonly headers: Headers;
  readonly bytes: Uint8Array;
  readonly head: Head;
  /** The caller wants no answer rather than one to a request that lost something on the way. */
  readonly strict: boolean;
  /**
   * The most output tokens that one answer may be billed for, where admission had to say: what was reserved covers no
   * more. Upstreams are told a lower limit only where the caller's wish, or the model's own limit, is beyond it.
   */
  readonly outputLimit?: number;
}

export interface GenerationInquiry extends Asked {
  readonly operation: "generation";
  readonly dialect: Dialect;
  readonly body: JsonObject;
  /** Decoded on first use and kept for later attempts. Throws `invalid_request`. */
  canonical(): CanonicalRequest;
}

export interface EmbeddingInquiry extends Asked {
  readonly operation: "embedding";
  readonly dialect: EmbeddingDialect;
  readonly body: JsonObject;
  /** Decoded on first use and kept for later attempts. Throws `invalid_request`. */
  canonical(): EmbeddingRequest;
}

/** Only `translate` asks which of the two it is. */
export type Inquiry = GenerationInquiry | EmbeddingInquiry;

/** Prepares an inquiry; `canonical` decodes at most once. */
export function inquire(facts: Asked & { dialect: AnyDialect }, body: JsonObject, path: PathFacts): Inquiry {
  const { dialect } = facts;
  const { routing } = facts.head;
  if (dialect.operation === "generation") {
    const canonical = once(() => searching(dialect.decodeRequest(withoutOwnFields(body, routing), path), facts.head));
    return { ...facts, operation: dialect.operation, dialect, body, canonical };
  }
  const canonical = once(() => dialect.decodeRequest(withoutOwnFields(body, routing), path));
  return { ...facts, operation: dialect.operation, dialect, body, canonical };
}

/** The search that the body does not offer, in the words of a format whose tool needs no more than its name. */
const SEARCH: ServerTool = {
  type: "server",
  kind: "web-search",
  dialect: "openai-responses",
  value: { type: "web_search" },
};

/** The request with the provider's own search among its tools, where the caller wants it and did not offer it. */
function searching(request: CanonicalRequest, { online }: Head): CanonicalRequest {
  const { tools = [] } = request;
  if (!online || tools.some((tool) => tool.type === "server" && tool.kind === SEARCH.kind)) return request;
  return { ...request, tools: [...tools, SEARCH] };
}

function once<T>(make: () => T): () => T {
  let made: T | undefined;
  return () => {
    made ??= make();
    return made;
  };
}

/**
 * The output limit to tell this candidate in place of the caller's; undefined where the caller's stays, and where the
 * upstream takes none.
 */
export function loweredLimit(inquiry: Inquiry, { endpoint, dialect }: Candidate): number | undefined {
  const { outputLimit, head } = inquiry;
  if (outputLimit === undefined || endpoint.quirks[dialect]?.refuses?.includes("maxOutputTokens")) return undefined;
  const most = endpoint.maxOutputTokens > 0 ? endpoint.maxOutputTokens : Number.POSITIVE_INFINITY;
  return (head.maxOutputTokens ?? most) <= outputLimit ? undefined : Math.min(outputLimit, most);
}

/** The headers for an upstream: the dialect's defaults, then what the caller may hand on. */
export function dialectHeaders(inquiry: Inquiry, target: WireFormat): Record<string, string> {
  const headers: Record<string, string> = { ...target.defaultHeaders };
  if (inquiry.dialect.id !== target.id) return headers;
  for (const name of target.forwardedHeaders) {
    const value = inquiry.headers.get(name);
    if (value !== null && value.length <= MAX_FORWARDED_HEADER) headers[name] = value;
  }
  return headers;
}

const MAX_FORWARDED_HEADER = 4096;
