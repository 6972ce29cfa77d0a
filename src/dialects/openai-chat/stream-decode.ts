/**
 * A Chat stream as canonical events; runs for every chunk of every stream.
 * The chunks are `chunks-decode.ts`'s, what their choices say is `stream-choice.ts`'s.
 */
import type { DecodeContext, StreamDecoder } from "../dialect.ts";
import { chunkDecoder } from "./chunks-decode.ts";
import { closeParts, endChoice, openChoice, pushChoice } from "./stream-choice.ts";
import { extrasOf } from "./wire.ts";

/** OpenAI's own limit for `n`. */
const MAX_CHOICES = 128;

/** A decoder for one stream. */
export function streamDecoder(context: DecodeContext): StreamDecoder {
  return chunkDecoder({
    maxChoices: MAX_CHOICES,
    extrasOf,
    openChoice: (number, emit) => openChoice(number, context.id, emit),
    pushChoice,
    closeParts,
    endChoice,
  });
}
