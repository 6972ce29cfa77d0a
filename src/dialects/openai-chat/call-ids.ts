/**
 * Tool call ids for Chat upstreams that accept only nine letters and digits (Mistral answers 400 to any other).
 * Used by `messages-encode.ts` for calls and results alike, so that a conversation begun elsewhere can go on there.
 */
import type { Quirks } from "../../core/endpoint.ts";

const NINE = /^[a-zA-Z0-9]{9}$/;
const FNV_PRIME = 0x100000001b3n;
const FNV_OFFSET = 0xcbf29ce484222325n;

/** The id as the upstream takes it: the same id always becomes the same, different ones differ. */
export function callIdFor(id: string, { callIds }: Quirks): string {
  if (callIds !== "nine" || NINE.test(id)) return id;
  let hash = FNV_OFFSET;
  for (const byte of new TextEncoder().encode(id)) {
    hash = BigInt.asUintN(64, (hash ^ BigInt(byte)) * FNV_PRIME);
  }
  return hash.toString(36).padStart(9, "0").slice(-9);
}
