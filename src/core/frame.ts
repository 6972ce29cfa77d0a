/**
 * One event of an upstream's stream, as text. It stands between the transport's framing (server-sent events, a JSON
 * array, a binary event stream) and a dialect's stream decoder, which sees nothing else of the wire.
 */

/** What a stream decoder consumes: one event, its data not yet parsed. */
export interface SseFrame {
  /** The value of `event:`; undefined when there was none or it was empty. */
  event: string | undefined;
  /** The `data:` lines joined by newlines, or the bare document's text. */
  data: string;
  /** True for a JSON document that came without the `data:` prefix, as the error that ends a Vertex stream may. */
  bare?: boolean;
  /** The frame's exact text with its closing blank line and what stood before it; only where the parser was asked. */
  raw?: string;
}

/** One message of a binary event stream: its headers that are texts, and its payload. */
export interface EventMessage {
  readonly headers: Readonly<Record<string, string>>;
  readonly payload: Uint8Array;
}
