/**
 * How endpoints are doing, as routing sees it: a view that it only reads.
 * Whoever watches calls end provides one; `ALL_WELL` stands in where nobody does.
 */

/** `open`: rests after failures. `half-open`: has rested, and one call may try it. */
export type CircuitState = "closed" | "open" | "half-open";

/** What is known of endpoints, by their ids. Every answer comes from memory, in no time. */
export interface HealthView {
  state(endpointId: string): CircuitState;
  /** When a call last failed there, on the clock of `nowMs`; undefined: not lately. */
  troubledAtMs(endpointId: string): number | undefined;
  /** The usual wait for the first content; undefined where it is not known. */
  latencyMs(endpointId: string): number | undefined;
  tokensPerSecond(endpointId: string): number | undefined;
  /** When the rest of an open circuit ends, on the clock of `nowMs`. */
  restsUntilMs(endpointId: string): number | undefined;
}

/** Nothing is known but good. */
export const ALL_WELL: HealthView = {
  state: () => "closed",
  troubledAtMs: () => undefined,
  latencyMs: () => undefined,
  tokensPerSecond: () => undefined,
  restsUntilMs: () => undefined,
};
