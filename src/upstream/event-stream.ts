/**
 * Binary event streams (`application/vnd.amazon.eventstream`): cuts the bytes into messages, checks them, and lets a response
 * appear as server-sent events. It stands between the socket (`http.ts`) and what reads text, for the providers that need it.
 *
 * A message, all numbers big-endian: its length, its headers' length and the CRC-32 of those two (the prelude), the headers,
 * the payload, and the CRC-32 of everything before. A header: the name's length in a byte, the name, a type in a byte, a value.
 */
import { crc32 } from "node:zlib";
import type { EventMessage } from "../core/frame.ts";
import { UpstreamFault, type UpstreamResponse } from "./http.ts";

const PRELUDE_BYTES = 12;
const CRC_BYTES = 4;
const MIN_MESSAGE_BYTES = PRELUDE_BYTES + CRC_BYTES;
/** The format's own limit of headers. */
const MAX_HEADER_BYTES = 128 * 1024;
/** Room for an event of 1 MiB, the limit of text streams, in base64 inside of JSON. */
export const MAX_MESSAGE_BYTES = 2 * 1024 * 1024;

const TEXT_TYPE = 7;
/** The values of the other types, which nobody here reads: how many bytes they have; those of type 6 say it themselves. */
const VALUE_BYTES: Readonly<Record<number, number>> = { 0: 0, 1: 0, 2: 1, 3: 2, 4: 4, 5: 8, 8: 8, 9: 16 };
const BYTES_TYPE = 6;

/** The bytes are no such stream, or have changed on the way: nothing behind that place can be read. */
export class EventStreamError extends Error {
  override readonly name = "EventStreamError";
  /** A message is longer than is taken. */
  readonly tooLarge: boolean;

  constructor(message: string, tooLarge = false) {
    super(message);
    this.tooLarge = tooLarge;
  }
}

/** Cuts a stream into messages. */
export interface MessageParser {
  push(chunk: Uint8Array): void;
  /** The next whole message; undefined until more has come. Throws EventStreamError. */
  next(): EventMessage | undefined;
  /** Whether the stream could end here. */
  isEmpty(): boolean;
}

/** A parser that keeps no more than one unfinished message and what was pushed last. */
export function createMessageParser(maxMessageBytes = MAX_MESSAGE_BYTES): MessageParser {
  // Chunks are joined only when there are enough of them, so that tiny ones cost no copying.
  let chunks: Uint8Array[] = [];
  let size = 0;
  let needed = PRELUDE_BYTES;
  const joined = (): Buffer => {
    const [first] = chunks;
    const all = chunks.length === 1 && first ? first : Buffer.concat(chunks, size);
    chunks = [all];
    return Buffer.from(all.buffer, all.byteOffset, all.byteLength);
  };
  return {
    push(chunk) {
      chunks.push(chunk);
      size += chunk.length;
    },
    next() {
      if (size < needed) return undefined;
      const bytes = joined();
      if (needed === PRELUDE_BYTES) needed = readPrelude(bytes, maxMessageBytes);
      if (size < needed) return undefined;
      const message = readMessage(bytes.subarray(0, needed));
      chunks = size === needed ? [] : [bytes.subarray(needed)];
      size -= needed;
      needed = PRELUDE_BYTES;
      return message;
    },
    isEmpty: () => size === 0,
  };
}

/** The length of the message that begins here. */
function readPrelude(bytes: Buffer, maxMessageBytes: number): number {
  const length = bytes.readUInt32BE(0);
  const headerLength = bytes.readUInt32BE(4);
  if (crc32(bytes.subarray(0, 8)) !== bytes.readUInt32BE(8))
    throw new EventStreamError("a prelude's checksum is wrong");
  if (length < MIN_MESSAGE_BYTES || headerLength > length - MIN_MESSAGE_BYTES) {
    throw new EventStreamError("a message's lengths contradict each other");
  }
  if (length > maxMessageBytes || headerLength > MAX_HEADER_BYTES) {
    throw new EventStreamError("a message is too long", true);
  }
  return length;
}

function readMessage(bytes: Buffer): EventMessage {
  const end = bytes.length - CRC_BYTES;
  if (crc32(bytes.subarray(0, end)) !== bytes.readUInt32BE(end)) {
    throw new EventStreamError("a message's checksum is wrong");
  }
  const payloadStart = PRELUDE_BYTES + bytes.readUInt32BE(4);
  return {
    headers: readHeaders(bytes.subarray(PRELUDE_BYTES, payloadStart)),
    payload: bytes.subarray(payloadStart, end),
  };
}

function readHeaders(bytes: Buffer): Record<string, string> {
  const headers: Record<string, string> = Object.create(null);
  let at = 0;
  const take = (count: number): number => {
    const start = at;
    at += count;
    if (at > bytes.length) throw new EventStreamError("a header is cut off");
    return start;
  };
  while (at < bytes.length) {
    const nameLength = bytes.readUInt8(take(1));
    const nameStart = take(nameLength);
    const name = bytes.toString("utf8", nameStart, at);
    const type = bytes.readUInt8(take(1));
    if (type === TEXT_TYPE || type === BYTES_TYPE) {
      const length = bytes.readUInt16BE(take(2));
      const start = take(length);
      if (type === TEXT_TYPE) headers[name] = bytes.toString("utf8", start, at);
      continue;
    }
    const length = VALUE_BYTES[type];
    if (length === undefined) throw new EventStreamError("a header has an unknown type");
    take(length);
  }
  return headers;
}

/**
 * The response with its body as the text that `toText` makes of each message. A body that is no such stream, or ends inside
 * of a message, is the fault "protocol", after the text of everything before it; a message beyond the limit is "too-large".
 */
export function ofMessages(response: UpstreamResponse, toText: (message: EventMessage) => string): UpstreamResponse {
  const parser = createMessageParser();
  const encoder = new TextEncoder();
  let fault: UpstreamFault | undefined;

  const fail = (thrown: unknown): void => {
    response.cancel();
    if (!(thrown instanceof EventStreamError)) throw thrown;
    fault = new UpstreamFault(thrown.tooLarge ? "too-large" : "protocol", undefined, true);
  };
  const ready = (): string => {
    let text = "";
    try {
      for (let message = parser.next(); message; message = parser.next()) text += toText(message);
    } catch (thrown) {
      fail(thrown);
    }
    return text;
  };
  const next = async (): Promise<Uint8Array | undefined> => {
    while (fault === undefined) {
      const chunk = await response.next();
      if (chunk === undefined) {
        if (parser.isEmpty()) return undefined;
        fail(new EventStreamError("the stream ends inside of a message"));
        break;
      }
      parser.push(chunk);
      const text = ready();
      if (text !== "") return encoder.encode(text);
    }
    throw fault;
  };

  return {
    status: response.status,
    headers: response.headers,
    next,
    async readAll(maxBytes = Number.POSITIVE_INFINITY) {
      const pieces: Uint8Array[] = [];
      let bytes = 0;
      for (let piece = await next(); piece; piece = await next()) {
        bytes += piece.length;
        if (bytes > maxBytes) {
          response.cancel();
          throw new UpstreamFault("too-large", undefined, true);
        }
        pieces.push(piece);
      }
      return Buffer.concat(pieces, bytes);
    },
    cancel: () => response.cancel(),
  };
}
