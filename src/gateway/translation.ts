/**
 * What relay and convert have in common: a call prepared for one candidate, and the reading of its answer.
 * Everything on the path of a call but `translate` sees only this.
 */
import type { GatewayError } from "../core/error.ts";
import type { CanonicalEvent } from "../core/event.ts";
import type { Loss } from "../core/loss.ts";

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
  /** The stream breaks off: the error as the caller's clients understand it. Nothing follows. */
  fail(error: GatewayError): string;
  /** What to write into a silent stream so that nobody takes it for dead. */
  keepAlive(): string;
}

/** A call prepared for one candidate: what to send, and how to read what comes back. */
export interface Translation {
  readonly path: "relay" | "convert";
  /** Below the provider's base URL. */
  readonly upstreamPath: string;
  readonly body: Uint8Array | string;
  readonly headers: Readonly<Record<string, string>>;
  readonly losses: readonly Loss[];
  stream(): ReplyStream;
  /** A whole reply. Its events hold an `error` when the upstream's body is one, or is no reply at all. */
  whole(body: Uint8Array): Piece;
}
