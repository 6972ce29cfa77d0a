/**
 * Remembers for a while which endpoint served a conversation last, so that the next turn finds the upstream's cache warm.
 * Routing asks it before, `handle` tells it after an endpoint has begun to answer. What is not remembered follows from the
 * conversation's own number, so that several nodes agree without talking.
 */
import type { Head } from "../core/head.ts";
import type { JsonObject } from "../core/json.ts";
import { openingOf } from "../dialects/opening.ts";

export interface Sticky {
  /** The id of the endpoint that served the conversation last; undefined when that was long ago. */
  remembered(conversation: number): string | undefined;
  keep(conversation: number, endpointId: string): void;
}

export interface StickySettings {
  readonly nowMs: () => number;
  /** Caches of prompts live for minutes after their last use. */
  readonly keepMs?: number;
  /** The conversations that are remembered; the one that was silent for longest is forgotten first. */
  readonly maxConversations?: number;
}

const KEEP_MS = 15 * 60_000;
const MAX_CONVERSATIONS = 50_000;

/** An empty memory. */
export function createSticky(settings: StickySettings): Sticky {
  const { nowMs, keepMs = KEEP_MS, maxConversations = MAX_CONVERSATIONS } = settings;
  const known = new Map<number, { readonly endpointId: string; readonly atMs: number }>();
  return {
    remembered(conversation) {
      const found = known.get(conversation);
      return found && nowMs() - found.atMs < keepMs ? found.endpointId : undefined;
    },
    keep(conversation, endpointId) {
      // The order of the map is that of last use.
      known.delete(conversation);
      known.set(conversation, { endpointId, atMs: nowMs() });
      if (known.size <= maxConversations) return;
      for (const oldest of known.keys()) {
        known.delete(oldest);
        break;
      }
    },
  };
}

/** Callers' own names are theirs to choose, and are hashed as far as that. */
const MAX_NAME = 1024;
const SAFE_BITS = (1n << 53n) - 1n;

/**
 * The number of a conversation with a model, the same on every node: of the name that the caller gives it (a header
 * before the body), else of how it begins. Undefined for requests that belong to none.
 */
export function conversationOf(
  keyId: string,
  modelId: string,
  head: Head,
  headers: Headers,
  body: JsonObject,
): number | undefined {
  const name = headers.get("x-session-id") || head.session;
  const told = name ? `named\0${name.slice(0, MAX_NAME)}` : openingOf(body);
  if (told === "") return undefined;
  return Number(BigInt(Bun.hash(`${keyId}\0${modelId}\0${told}`)) & SAFE_BITS);
}
