/**
 * Reads and writes the signature slot of a part (`thoughtSignature`), in which signatures of other formats travel wrapped.
 * The slot holds bytes as base64 and some SDKs decode it as such, so a wrapped signature is itself base64 here.
 */
import type { Signature } from "../../core/request.ts";
import { carrySignature, readSignature } from "../../core/signature.ts";
import { GEMINI, PLACEHOLDER_SIGNATURES } from "./wire.ts";

/** The base64 of what `carrySignature` puts before a foreign signature, as far as it does not depend on what follows. */
const WRAPPED_PREFIX = "c2x1aWNl";

const REDACTED_MARK = "#redacted";

/** What a slot held: a signature, and whether it stands for thinking that was encrypted as a whole. */
export interface ReadSignature {
  signature: Signature;
  redacted: boolean;
}

/** The slot's signature; undefined when it is empty, or holds a text that only satisfies the API's check or says that nothing was signed. */
export function readThoughtSignature(text: string | undefined): ReadSignature | undefined {
  if (!text || PLACEHOLDER_SIGNATURES.has(text)) return undefined;
  if (!text.startsWith(WRAPPED_PREFIX)) return { signature: readSignature(text, GEMINI), redacted: false };
  const inner = Buffer.from(text, "base64").toString("utf8");
  const redacted = inner.endsWith(REDACTED_MARK);
  const signature = readSignature(redacted ? inner.slice(0, -REDACTED_MARK.length) : inner, GEMINI);
  if (signature.origin === GEMINI) return { signature: { origin: GEMINI, value: text }, redacted: false };
  if (signature.value === "") return undefined;
  return { signature, redacted };
}

/** The slot's text for a signature of any origin. */
export function writeThoughtSignature(signature: Signature, redacted = false): string {
  if (signature.origin === GEMINI) return signature.value;
  const wrapped = carrySignature(signature, GEMINI) + (redacted ? REDACTED_MARK : "");
  return Buffer.from(wrapped, "utf8").toString("base64");
}
