/**
 * Token usage in classes that never overlap, the one input of every price.
 * Decoders fill it from each dialect's own fields (whose totals include or exclude cached tokens, thinking and media as the format has it).
 */

/** The token classes. Each token of a call is counted in exactly one of them. */
export const TOKEN_CLASSES = [
  "input",
  "cacheRead",
  "cacheWrite5m",
  "cacheWrite1h",
  "imageInput",
  "audioInput",
  "output",
  "thinking",
  "imageOutput",
  "audioOutput",
] as const;

export type TokenClass = (typeof TOKEN_CLASSES)[number];

export type Usage = { [C in TokenClass]: number } & {
  /** Server-side web searches that the provider bills per request. */
  webSearches: number;
  /** `measured`: the provider said so. `estimated`: counted here. `none`: nothing is known. */
  source: "measured" | "estimated" | "none";
};

/** A usage of all zeros with the given source. */
export function emptyUsage(source: Usage["source"] = "none"): Usage {
  return {
    input: 0,
    cacheRead: 0,
    cacheWrite5m: 0,
    cacheWrite1h: 0,
    imageInput: 0,
    audioInput: 0,
    output: 0,
    thinking: 0,
    imageOutput: 0,
    audioOutput: 0,
    webSearches: 0,
    source,
  };
}

/** All tokens that went in, cached ones included: what OpenAI and Gemini call the prompt count. */
export function promptTokens(usage: Usage): number {
  return usage.input + usage.cacheRead + usage.cacheWrite5m + usage.cacheWrite1h + usage.imageInput + usage.audioInput;
}

/** All tokens that came out, thinking included: what OpenAI calls the completion count. */
export function completionTokens(usage: Usage): number {
  return usage.output + usage.thinking + usage.imageOutput + usage.audioOutput;
}

/** The most tokens of one class that a single call can have; anything above is nonsense from an upstream. */
export const MAX_TOKENS_PER_CLASS = 100_000_000;

/** An upstream's number as a token count: a whole number from 0 to the limit; anything else counts as 0. */
export function tokenCount(value: unknown): number {
  if (typeof value !== "number" || !(value > 0)) return 0;
  return Math.min(Math.floor(value), MAX_TOKENS_PER_CLASS);
}

/**
 * Splits a total into a remainder and its named shares, never below zero.
 * Shares that together exceed the total are cut in order, and negative ones count as none, so that the classes always add up to the total.
 */
export function split(total: number, ...shares: number[]): [remainder: number, ...shares: number[]] {
  let left = total;
  const cut = shares.map((share) => {
    const kept = Math.min(Math.max(share, 0), left);
    left -= kept;
    return kept;
  });
  return [left, ...cut];
}
