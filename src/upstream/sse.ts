/**
 * Cuts the bytes of a server-sent event stream into frames. It stands between the socket (`http.ts`) and a dialect's
 * stream decoder, and runs on every chunk of every stream.
 */

import type { SseFrame } from "../core/frame.ts";

/** What one event, or one line, may grow to before the stream is given up. */
export const DEFAULT_MAX_EVENT_BYTES = 1024 * 1024;

/** Cuts a stream into frames. `push` and `end` throw nothing but `SseLimitError`. */
export interface SseParser {
  /** The frames that this chunk completes. */
  push(chunk: Uint8Array): SseFrame[];
  /** What is left when the stream has ended: an event without its closing blank line counts as one. Call it once. */
  end(): SseFrame[];
  /**
   * Only with `raw: true`: takes the text that belongs to no frame (comments, blocks without data). Text that is not
   * taken leads the next frame's `raw`; every text comes out once, so that all of it together is the decoded stream.
   */
  takeRest(): string;
}

/** How a parser is set up. */
export interface SseOptions {
  /**
   * The limit for one event. Counted in UTF-16 units of the decoded text, of which there are never more than bytes, so
   * an event of at most this many bytes always passes.
   */
  maxEventBytes?: number;
  /** Whether frames carry their exact text. */
  raw?: boolean;
}

/** An event grew over the limit: the stream is of no more use and must be closed. */
export class SseLimitError extends Error {
  /** The frames that the same push had completed before the limit was passed. */
  readonly frames: SseFrame[];

  constructor(limitBytes: number, frames: SseFrame[]) {
    super(`an event of the stream is longer than ${limitBytes} bytes`);
    this.name = "SseLimitError";
    this.frames = frames;
  }
}

interface State {
  readonly decoder: TextDecoder;
  readonly limit: number;
  readonly raw: boolean;
  /** A line without its end: a rope, not looked into until the end has come, so that tiny chunks cost no copying. */
  tail: string;
  /** Whether the tail ends with a CR, whose LF may be yet to come. */
  tailEndsWithCr: boolean;
  /** Where the open event begins in the text being scanned, and its units in the texts before. */
  from: number;
  size: number;
  event: string | undefined;
  data: string | undefined;
  isBare: boolean;
  /** With `raw`: the text that belongs to no event so far, and the open event's lines of earlier texts. */
  idle: string;
  lead: string;
}

const TAB = 9;
const LF = 10;
const SPACE = 32;
const COLON = 58;
const BRACKET = 91;
const LETTER_D = 100;
const LETTER_E = 101;
const BRACE = 123;

/**
 * A parser after the WHATWG's rules for event streams (LF, CRLF and CR; a leading BOM; comments; several data lines),
 * with two additions: a last event without its blank line is delivered by `end`, and a JSON document without the
 * `data:` prefix is a frame marked `bare`: a line that parses on its own at once, one over several lines up to the
 * next blank line, field or end. Invalid UTF-8 becomes U+FFFD. A CR at the end of a chunk waits for what follows it.
 *
 * Measured on events of 170 bytes: 0.2 µs for a chunk of one event (0.1 µs of it the decoder's), 1.1 µs for one of ten.
 */
export function createSseParser(options: SseOptions = {}): SseParser {
  const state: State = {
    decoder: new TextDecoder(),
    limit: options.maxEventBytes ?? DEFAULT_MAX_EVENT_BYTES,
    raw: options.raw ?? false,
    tail: "",
    tailEndsWithCr: false,
    from: 0,
    size: 0,
    event: undefined,
    data: undefined,
    isBare: false,
    idle: "",
    lead: "",
  };
  return {
    push: (chunk) => push(state, chunk),
    end: () => scan(state, state.tail + state.decoder.decode(), true),
    takeRest: () => {
      const rest = state.idle;
      state.idle = "";
      return rest;
    },
  };
}

const STREAMING = { stream: true };

function push(state: State, chunk: Uint8Array): SseFrame[] {
  const text = state.decoder.decode(chunk, STREAMING);
  if (state.tail === "") return scan(state, text, false);
  if (!state.tailEndsWithCr && !text.includes("\n") && !text.includes("\r")) {
    state.tail += text;
    if (state.size + state.tail.length > state.limit) throw new SseLimitError(state.limit, []);
    return [];
  }
  return scan(state, state.tail + text, false);
}

function scan(state: State, text: string, isLast: boolean): SseFrame[] {
  const frames: SseFrame[] = [];
  const length = text.length;
  let position = 0;
  let lineFeed = text.indexOf("\n");
  let carriageReturn = text.indexOf("\r");
  state.from = 0;
  while (position < length) {
    let lineEnd = lineFeed;
    let next = lineFeed + 1;
    if (carriageReturn !== -1 && (lineFeed === -1 || carriageReturn < lineFeed)) {
      if (carriageReturn === length - 1 && !isLast) break;
      lineEnd = carriageReturn;
      next = text.charCodeAt(lineEnd + 1) === LF ? lineEnd + 2 : lineEnd + 1;
      carriageReturn = text.indexOf("\r", next);
    } else if (lineFeed === -1) {
      if (!isLast) break;
      lineEnd = length;
      next = length;
    }
    if (lineFeed !== -1 && lineFeed < next) lineFeed = text.indexOf("\n", next);
    if (state.size + next - state.from > state.limit) throw new SseLimitError(state.limit, frames);
    if (lineEnd === position) finish(state, text, next, frames);
    else readLine(state, text, position, lineEnd, next, frames);
    if (state.data === undefined && state.event === undefined) closeIdle(state, text, next);
    position = next;
  }
  if (isLast) {
    finish(state, text, length, frames);
    closeIdle(state, text, length);
  }
  leave(state, text, position, frames);
  return frames;
}

/** Keeps what the next push needs, and checks that it is within the limit. */
function leave(state: State, text: string, position: number, frames: SseFrame[]): void {
  state.tail = position === text.length ? "" : text.slice(position);
  state.tailEndsWithCr = state.tail.endsWith("\r");
  if (state.raw) state.lead += text.slice(state.from, position);
  state.size += position - state.from;
  if (state.size + state.tail.length > state.limit || state.idle.length > state.limit) {
    throw new SseLimitError(state.limit, frames);
  }
}

/** Takes one line that is not empty. */
function readLine(state: State, text: string, start: number, end: number, next: number, frames: SseFrame[]): void {
  if (state.isBare) {
    if (!isField(text, start)) {
      state.data += `\n${text.slice(start, end)}`;
      return;
    }
    finish(state, text, start, frames);
  }
  const first = text.charCodeAt(start);
  if (first === LETTER_D) {
    if (text.startsWith("data:", start)) appendData(state, fieldValue(text, start + 5, end));
    else if (end - start === 4 && text.startsWith("data", start)) appendData(state, "");
  } else if (first === LETTER_E) {
    if (text.startsWith("event:", start)) state.event = fieldValue(text, start + 6, end);
  } else if (first !== COLON && startsDocument(text, start, end, first)) {
    if (state.data !== undefined) finish(state, text, start, frames);
    const line = text.slice(start, end);
    state.data = line;
    state.isBare = true;
    if (isJson(line)) finish(state, text, next, frames);
  }
}

function fieldValue(text: string, start: number, end: number): string {
  return text.slice(text.charCodeAt(start) === SPACE && start < end ? start + 1 : start, end);
}

function appendData(state: State, value: string): void {
  state.data = state.data === undefined ? value : `${state.data}\n${value}`;
}

function isField(text: string, start: number): boolean {
  return (
    text.charCodeAt(start) === COLON ||
    text.startsWith("data:", start) ||
    text.startsWith("event:", start) ||
    text.startsWith("id:", start) ||
    text.startsWith("retry:", start)
  );
}

function startsDocument(text: string, start: number, end: number, first: number): boolean {
  if (first !== SPACE && first !== TAB) return first === BRACE || first === BRACKET;
  const code = text.slice(start, end).trimStart().charCodeAt(0);
  return code === BRACE || code === BRACKET;
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

/** Ends the open event at `end`, if there is one; a block without data is no event. */
function finish(state: State, text: string, end: number, frames: SseFrame[]): void {
  const data = state.data;
  const event = state.event === "" ? undefined : state.event;
  state.event = undefined;
  if (data === undefined) return;
  state.data = undefined;
  const frame: SseFrame = { event, data };
  if (state.isBare) {
    frame.bare = true;
    state.isBare = false;
  }
  if (state.raw) {
    frame.raw = state.idle + state.lead + text.slice(state.from, end);
    state.idle = "";
    state.lead = "";
  }
  frames.push(frame);
  state.from = end;
  state.size = 0;
}

/** Moves text that no event can claim any more out of the open event. */
function closeIdle(state: State, text: string, end: number): void {
  if (state.raw) {
    state.idle += state.lead + text.slice(state.from, end);
    state.lead = "";
  }
  state.from = end;
  state.size = 0;
}
