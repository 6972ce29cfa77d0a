/**
 * Cuts a JSON array that arrives in pieces into its elements, as frames. Tests read with it what the gateway writes to
 * callers of Gemini's routes without `alt=sse`, and recordings of that form; upstreams are always asked for events.
 */

import type { SseFrame } from "../../src/core/frame.ts";
import { DEFAULT_MAX_EVENT_BYTES, SseLimitError, type SseOptions, type SseParser } from "../../src/upstream/sse.ts";

interface State {
  readonly decoder: TextDecoder;
  readonly limit: number;
  /** What of the open element came in earlier texts. */
  carried: string;
  /** Whether an element is open. */
  isOpen: boolean;
  isInArray: boolean;
  /** Brackets open within the element. */
  depth: number;
  isInString: boolean;
  /** Inside a string: whether an odd number of backslashes stands before the next character. */
  isEscaped: boolean;
}

const QUOTE = 34;
const COMMA = 44;
const BACKSLASH = 92;
const OPEN_BRACKET = 91;
const CLOSE_BRACKET = 93;
const OPEN_BRACE = 123;
const CLOSE_BRACE = 125;
const SPACE = 32;

/**
 * A parser with the interface of `createSseParser`: each element of the outer array is a frame's `data`, its text
 * unchanged; a document outside of an array (an error instead of the stream) is a frame marked `bare`. An element
 * that the end cuts short is delivered by `end` as it is. Text that is no JSON is passed over; nothing but
 * `SseLimitError` is thrown. There is no `raw` here, and `takeRest` has nothing to give.
 */
export function createJsonArrayParser(options: Pick<SseOptions, "maxEventBytes"> = {}): SseParser {
  const state: State = {
    decoder: new TextDecoder(),
    limit: options.maxEventBytes ?? DEFAULT_MAX_EVENT_BYTES,
    carried: "",
    isOpen: false,
    isInArray: false,
    depth: 0,
    isInString: false,
    isEscaped: false,
  };
  return {
    push: (chunk) => scan(state, state.decoder.decode(chunk, { stream: true })),
    end: () => {
      const frames = scan(state, state.decoder.decode());
      if (state.isOpen) emit(state, "", frames);
      return frames;
    },
    takeRest: () => "",
  };
}

function scan(state: State, text: string): SseFrame[] {
  const frames: SseFrame[] = [];
  const length = text.length;
  let start = 0;
  let position = 0;
  while (position < length) {
    if (state.isInString) {
      position = skipString(state, text, position);
      if (!state.isInString && state.depth === 0) {
        emit(state, text.slice(start, position), frames);
      }
      continue;
    }
    const code = text.charCodeAt(position);
    if (!state.isOpen) {
      start = position;
      open(state, code);
    } else if (code === QUOTE) state.isInString = true;
    else if (code === OPEN_BRACE || code === OPEN_BRACKET) state.depth++;
    else if (code === CLOSE_BRACE || code === CLOSE_BRACKET) {
      if (state.depth === 0) {
        // The array's own bracket, after a number or a literal: looked at again below.
        emit(state, text.slice(start, position), frames);
        continue;
      }
      state.depth--;
      if (state.depth === 0) emit(state, text.slice(start, position + 1), frames);
    } else if (state.depth === 0 && (code === COMMA || code <= SPACE)) {
      emit(state, text.slice(start, position), frames);
    }
    position++;
  }
  if (state.isOpen) {
    state.carried += start === 0 ? text : text.slice(start);
    if (state.carried.length > state.limit) throw new SseLimitError(state.limit, frames);
  }
  return frames;
}

/** Looks at a character between elements. */
function open(state: State, code: number): void {
  if (code <= SPACE || code === COMMA || code === CLOSE_BRACE) return;
  if (code === CLOSE_BRACKET) {
    state.isInArray = false;
    return;
  }
  if (code === OPEN_BRACKET && !state.isInArray) {
    state.isInArray = true;
    return;
  }
  const isContainer = code === OPEN_BRACE || code === OPEN_BRACKET;
  // Outside of the array only an object is a document; a proxy's HTML or plain text is passed over.
  if (!isContainer && !state.isInArray) return;
  state.isOpen = true;
  state.depth = isContainer ? 1 : 0;
  state.isInString = code === QUOTE;
}

/** The position after the string's end, or the text's. */
function skipString(state: State, text: string, from: number): number {
  let position = from;
  if (state.isEscaped) {
    state.isEscaped = false;
    position++;
  }
  for (;;) {
    const quote = text.indexOf('"', position);
    const end = quote === -1 ? text.length : quote;
    let backslashes = 0;
    while (end - backslashes > position && text.charCodeAt(end - backslashes - 1) === BACKSLASH) backslashes++;
    const isEscaped = backslashes % 2 === 1;
    if (quote === -1) {
      state.isEscaped = isEscaped;
      return end;
    }
    if (!isEscaped) {
      state.isInString = false;
      return quote + 1;
    }
    position = quote + 1;
  }
}

function emit(state: State, rest: string, frames: SseFrame[]): void {
  const data = state.carried + rest;
  const isBare = !state.isInArray;
  state.carried = "";
  state.isOpen = false;
  state.depth = 0;
  state.isInString = false;
  state.isEscaped = false;
  if (data.length > state.limit) throw new SseLimitError(state.limit, frames);
  frames.push(isBare ? { event: undefined, data, bare: true } : { event: undefined, data });
}
