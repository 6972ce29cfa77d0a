/**
 * A completions stream as canonical events; runs for every chunk of every stream.
 * The chunks are those of Chat, in whose choices text stands for deltas.
 */
import type { CanonicalEvent } from "../../core/event.ts";
import { type Json, type JsonObject, setOwn } from "../../core/json.ts";
import type { DecodeContext, StreamDecoder } from "../dialect.ts";
import { type ChunkFormat, chunkDecoder } from "../openai-chat/chunks-decode.ts";
import { decodeLogprobs } from "./logprobs.ts";
import { decodeFinish } from "./reply.ts";
import { CHOICE_FIELDS, extrasOf, LATE, OWN } from "./wire.ts";

/** As many answers as OpenAI gives to one request at most, counting its prompts. */
const MAX_CHOICES = 2048;

interface ChoiceState {
  readonly choice: number;
  readonly emit: (event: CanonicalEvent) => void;
  hasText: boolean;
  finish: string | undefined;
  stopReason: Json | undefined;
  /** Unknown fields of the choice; the last value of each counts. */
  extras: JsonObject | undefined;
}

const FORMAT: ChunkFormat<ChoiceState> = {
  maxChoices: MAX_CHOICES,
  extrasOf,
  notes: { [OWN]: true },
  openChoice: (choice, emit) => ({
    choice,
    emit,
    hasText: false,
    finish: undefined,
    stopReason: undefined,
    extras: undefined,
  }),
  pushChoice,
  closeParts({ choice, emit, hasText }) {
    if (hasText) emit({ type: "part-end", choice, part: 0 });
  },
  endChoice({ choice, emit, finish, stopReason, extras }, late) {
    const fields = late ? { ...extras, [LATE]: late } : extras;
    emit({ type: "message-end", choice, finish: decodeFinish(finish, stopReason), extras: extrasOf(fields) });
  },
};

/** A decoder for one stream. */
export function streamDecoder(_context: DecodeContext): StreamDecoder {
  return chunkDecoder(FORMAT);
}

function pushChoice(state: ChoiceState, wire: JsonObject): void {
  const { choice, emit } = state;
  const { text, logprobs, finish_reason: word } = wire;
  if (typeof text === "string" && text !== "") {
    if (!state.hasText) {
      state.hasText = true;
      emit({ type: "part-start", choice, part: 0, start: { type: "text" } });
    }
    emit({ type: "text-delta", choice, part: 0, text });
  }
  if (logprobs) {
    const tokens = decodeLogprobs(logprobs);
    if (tokens.length > 0) emit({ type: "logprobs", choice, kind: "content", tokens });
  }
  if (typeof word === "string" && word !== "") state.finish ??= word;
  for (const key in wire) {
    const value = wire[key];
    if (value === null || value === undefined || CHOICE_FIELDS.has(key)) continue;
    if (key === "stop_reason") state.stopReason = value;
    state.extras ??= {};
    setOwn(state.extras, key, value);
  }
}
