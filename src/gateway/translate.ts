/**
 * Decides between relay and convert, the two ways to carry a call, behind one interface.
 * The only place that knows which of the two was chosen: attempts, replies and settlement see a Translation.
 */
import type { Candidate } from "../core/endpoint.ts";
import type { GatewayError } from "../core/error.ts";
import type { CanonicalEvent } from "../core/event.ts";
import type { Loss } from "../core/loss.ts";
import { holdsWrapped } from "../core/signature.ts";
import type { Framing } from "../dialects/dialect.ts";
import { convert } from "./convert.ts";
import type { Inquiry } from "./inquiry.ts";
import { relay } from "./relay.ts";

/** What a piece of the upstream's answer becomes: text or bytes for the caller (perhaps none), and the events seen in it. */
export interface Piece {
  readonly output: Uint8Array | string;
  readonly events: readonly CanonicalEvent[];
}

/** The reply side of a streamed call. Fed with the upstream's chunks in order. */
export interface ReplyStream {
  /** Throws SseLimitError when an event is over the limit. After an `error` event nothing more may be pushed. */
  push(chunk: Uint8Array): Piece;
  /** The upstream closed the connection. */
  end(): Piece;
}

/** A call prepared for one candidate: what to send, and how to read what comes back. */
export interface Translation {
  readonly path: "relay" | "convert";
  readonly body: Uint8Array | string;
  readonly headers: Readonly<Record<string, string>>;
  readonly losses: readonly Loss[];
  stream(): ReplyStream;
  /** A whole reply. Its events hold an `error` when the upstream's body is one, or is no reply at all. */
  whole(body: Uint8Array): Piece;
}

/**
 * Bytes are relayed when both sides speak the same format in the same framing, and the conversation holds nothing that
 * another provider said in an earlier turn.
 */
export function canRelay(inquiry: Inquiry, candidate: Candidate): boolean {
  return inquiry.dialect.id === candidate.dialect && inquiry.framing === "sse" && !holdsWrapped(inquiry.bytes);
}

/** Prepares the call for a candidate. Throws `invalid_request` when the caller's body cannot be decoded for a conversion. */
export function translate(inquiry: Inquiry, candidate: Candidate): Translation {
  return canRelay(inquiry, candidate) ? relay(inquiry, candidate) : convert(inquiry, candidate);
}

/** The in-band form of an error for a stream that has begun, in the caller's format. */
export function streamError(inquiry: Inquiry, error: GatewayError, framing: Framing): string {
  return inquiry.dialect.encodeStreamError(error, inquiry.id, framing);
}
