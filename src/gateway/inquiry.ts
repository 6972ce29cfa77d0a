/**
 * What a caller asks, read once: the raw body, its parsed form, the head, and lazily the canonical form.
 * Made by `handle` and shared by all attempts; nothing on the way changes it.
 */
import type { Head } from "../core/head.ts";
import type { JsonObject } from "../core/json.ts";
import type { CanonicalRequest } from "../core/request.ts";
import type { Dialect, Framing, PathFacts } from "../dialects/dialect.ts";

export interface Inquiry {
  /** The gateway's id of this call. */
  readonly id: string;
  /** Unix seconds. */
  readonly createdAt: number;
  readonly dialect: Dialect;
  readonly framing: Framing;
  readonly headers: Headers;
  readonly bytes: Uint8Array;
  readonly head: Head;
  /** The model's name as the caller will see it in converted answers: the catalogue's id. */
  readonly shownModel: string;
  /** The caller wants no answer rather than one to a request that lost something on the way. */
  readonly strict: boolean;
  /** Decoded on first use and kept for later attempts. Throws `invalid_request`. */
  canonical(): CanonicalRequest;
}

/** Prepares an inquiry; `canonical` decodes at most once. */
export function inquire(facts: Omit<Inquiry, "canonical">, body: JsonObject, path: PathFacts): Inquiry {
  let decoded: CanonicalRequest | undefined;
  return {
    ...facts,
    canonical() {
      decoded ??= facts.dialect.decodeRequest(body, path);
      return decoded;
    },
  };
}

/** The headers for an upstream: the dialect's defaults, then what the caller may hand on. */
export function dialectHeaders(inquiry: Inquiry, target: Dialect): Record<string, string> {
  const headers: Record<string, string> = { ...target.defaultHeaders };
  if (inquiry.dialect.id !== target.id) return headers;
  for (const name of target.forwardedHeaders) {
    const value = inquiry.headers.get(name);
    if (value !== null && value.length <= MAX_FORWARDED_HEADER) headers[name] = value;
  }
  return headers;
}

const MAX_FORWARDED_HEADER = 4096;
