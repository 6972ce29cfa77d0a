/**
 * What a caller asks, read once: the raw body, its parsed form, the head, and lazily the canonical form.
 * Made by `handle` and shared by all attempts; nothing on the way changes it.
 */
import type { EmbeddingRequest } from "../core/embedding.ts";
import type { Head } from "../core/head.ts";
import type { JsonObject } from "../core/json.ts";
import type { CanonicalRequest } from "../core/request.ts";
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
  /** The model's name as the caller will see it in converted answers: the catalogue's id. */
  readonly shownModel: string;
  /** The caller wants no answer rather than one to a request that lost something on the way. */
  readonly strict: boolean;
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
  if (dialect.operation === "generation") {
    const canonical = once(() => dialect.decodeRequest(body, path));
    return { ...facts, operation: dialect.operation, dialect, body, canonical };
  }
  const canonical = once(() => dialect.decodeRequest(body, path));
  return { ...facts, operation: dialect.operation, dialect, body, canonical };
}

function once<T>(make: () => T): () => T {
  let made: T | undefined;
  return () => {
    made ??= make();
    return made;
  };
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
