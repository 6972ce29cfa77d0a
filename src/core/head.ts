/**
 * The head of a request: the handful of facts that policy, routing and holds need, read without decoding the whole.
 * `dialect.peek` makes it from the parsed body; it is all that the gateway knows of a request that is relayed.
 */

import type { RoutingWish } from "./preferences.ts";
import type { DialectId } from "./request.ts";

/** What a request needs its model to be able to do. */
export const CAPABILITIES = [
  "tools",
  "images",
  "files",
  "audio",
  "video",
  "thinking",
  "structured-output",
  "image-output",
  "audio-output",
] as const;
export type Capability = (typeof CAPABILITIES)[number];

export interface Head {
  /** As the caller wrote it: a catalogue id, an alias, perhaps with variants. */
  model: string;
  stream: boolean;
  /** The caller's limit on output tokens, if any. */
  maxOutputTokens?: number;
  /** How many answers are asked for; each may use the whole output limit. */
  candidates: number;
  needs: Capability[];
  /**
   * Tools that the provider runs itself may bring pages into the prompt: how many searches it can bill at most, 0 where
   * pages are fetched without. Absent: nothing comes in besides the request.
   */
  searches?: number;
  /** False when the format sends usage in a stream only on request and the caller did not ask (Chat's `stream_options`). */
  wantsStreamUsage: boolean;
  /**
   * Whose shape the body has where it is not the surface's own, which its decoder understands all the same: such a body
   * can only be converted. `mixed`: parts of it are another format's.
   */
  shape?: DialectId | "mixed";
  /** Asks for a compacted conversation in place of an answer, which few upstreams of its format can do themselves. */
  compacts?: boolean;
  /** Says which requests belong to one conversation, where the caller tells (`session_id`, `prompt_cache_key`, `metadata.user_id`). */
  session?: string;
  /** What the body says to the gateway alone; absent where it says nothing. */
  routing?: RoutingWish;
  /** The web is to be searched with the provider's own tool, though the body does not offer it. */
  online?: true;
  /** The caller's end user, for abuse reports. */
  endUser?: string;
}
