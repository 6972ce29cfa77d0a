/**
 * Carries a provider's signature through a foreign format and back, so that its origin accepts the next turn.
 * Encoders put a signature of another origin into their own signature slot in wrapped form; decoders unwrap what callers replay.
 */
import { DIALECT_IDS, type DialectId, type Signature } from "./request.ts";

const MARK = "sluice.";

/** The text for a signature slot of `target`: the bare value at its origin, else the value wrapped with its origin's name. */
export function carrySignature(signature: Signature, target: DialectId): string {
  return signature.origin === target ? signature.value : `${MARK}${signature.origin}.${signature.value}`;
}

/** The signature that a slot of `source` holds: an unwrapped foreign one, or the dialect's own. */
export function readSignature(text: string, source: DialectId): Signature {
  if (text.startsWith(MARK)) {
    const end = text.indexOf(".", MARK.length);
    const origin = text.slice(MARK.length, end) as DialectId;
    if (end > 0 && DIALECT_IDS.includes(origin)) return { origin, value: text.slice(end + 1) };
  }
  return { origin: source, value: text };
}
