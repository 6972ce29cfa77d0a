/**
 * Carries a provider's signature through a foreign format and back, so that its origin accepts the next turn.
 * Encoders put a signature of another origin into their own signature slot in wrapped form; decoders unwrap what callers replay.
 */
import { DIALECT_IDS, type DialectId, type Signature } from "./request.ts";

const MARK = "sluice.";

/** The mark where a JSON string begins: as it is, and as base64, in which Gemini's slot holds it. */
const BEGINNINGS = [Buffer.from(`"${MARK}`), Buffer.from('"c2x1aWNlL')];

/**
 * Stands where a provider signed nothing although its format has a slot, in replies that are told in another format:
 * without it the slot's own provider would take the content for its own, and refuse it. It proves nothing anywhere.
 */
export const UNSIGNED: Signature = { origin: "openai-chat", value: "" };

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

/** Like `readSignature`; undefined for an empty slot and for one that only says that nothing was signed. */
export function readSlot(text: string | undefined, source: DialectId): Signature | undefined {
  if (!text) return undefined;
  const signature = readSignature(text, source);
  return signature.value === "" ? undefined : signature;
}

/**
 * Whether a request's body may hold content of another origin, which its own upstream would refuse: such a body has to be
 * decoded, so that the encoder leaves it out. A text of the user that begins like the mark counts too, which costs nothing
 * but the shorter way.
 */
export function holdsWrapped(body: Uint8Array): boolean {
  const bytes = Buffer.from(body.buffer, body.byteOffset, body.byteLength);
  return BEGINNINGS.some((beginning) => bytes.includes(beginning));
}
