/**
 * Tells which system texts are meant for a model: one caller puts a billing line for its own provider first.
 * Decoders mark that text, and encoders of every other dialect leave it out, since it changes per request and spoils prompt caches.
 */
import type { TextPart } from "../core/request.ts";

const HEADER = "x-anthropic-billing-header:";
const HOME = "anthropic-messages";
const MARK = "$billingHeader";

/** The part, marked in the extras of its home dialect when its text begins with the billing line. */
export function markBillingHeader(part: TextPart): TextPart {
  if (!part.text.startsWith(HEADER)) return part;
  return { ...part, extras: { ...part.extras, [HOME]: { ...part.extras?.[HOME], [MARK]: true } } };
}

/** The system texts without the marked billing line; dropping it is no loss. What follows the line in its block stays. */
export function visibleSystem(system: readonly TextPart[]): TextPart[] {
  const visible: TextPart[] = [];
  for (const part of system) {
    const own = part.extras?.[HOME];
    if (own?.[MARK] !== true) {
      visible.push(part);
      continue;
    }
    const newline = part.text.indexOf("\n");
    const text = newline < 0 ? "" : part.text.slice(newline + 1).trimStart();
    if (text) visible.push({ ...part, text, extras: unmark(part.extras) });
  }
  return visible;
}

/** The extras without the mark, which is no field of any wire. */
export function unmark(extras: TextPart["extras"]): TextPart["extras"] {
  const own = extras?.[HOME];
  if (own?.[MARK] === undefined) return extras;
  const { [MARK]: _, ...fields } = own;
  const { [HOME]: __, ...others } = extras ?? {};
  if (Object.keys(fields).length > 0) return { ...others, [HOME]: fields };
  return Object.keys(others).length > 0 ? others : undefined;
}
