/**
 * The configuration of the gateways in these tests: four formats behind one simulated provider, with round prices.
 * A prompt token costs 1000 nano-dollars and one of the answer 4000, whatever else they are, so a call's cost is told from its counts.
 */

/** Models that cost by the token, one for each format of the upstream. */
export const METERED = ["sim-chat", "sim-responses", "sim-messages", "sim-gemini"] as const;
/** Models of which a call costs a cent, whatever it says: what is held is what it costs. */
export const FIXED = METERED.map((id) => `fixed-${id}`);
/** Models that cost a cent when the answer is as long as they let it be, and are always asked for a longer one. */
export const CAPPED = METERED.map((id) => `capped-${id}`);
/** Models that cost nothing. */
export const FREE = METERED.map((id) => `free-${id}`);

/** The price of a call of a fixed model, in nano-dollars. */
export const CENT = 10_000_000n;

/** At 500 dollars a million this is a cent. */
const CAPPED_TOKENS = 20;

const UPSTREAM: Readonly<Record<(typeof METERED)[number], { provider: string; model: string; path: string }>> = {
  "sim-chat": { provider: "openai-chat", model: "gpt-simulated", path: "/v1" },
  "sim-responses": { provider: "openai-responses", model: "gpt-simulated", path: "/v1" },
  "sim-messages": { provider: "anthropic-messages", model: "claude-simulated", path: "/v1" },
  "sim-gemini": { provider: "gemini", model: "gemini-2.5-flash", path: "/v1beta" },
};

const PRICES = {
  "": "{ input: 1, output: 4, cache_read: 1, cache_write: 1, cache_write_1h: 1 }",
  "fixed-": "{ input: 0, output: 0, request: 0.01 }",
  "capped-": "{ input: 0, output: 500 }",
  "free-": "{ input: 0, output: 0 }",
};

/** The file, for an upstream at this address; `more` is appended. */
export function configText(upstreamUrl: string, more = ""): string {
  const providers = METERED.map((id) => {
    const { provider, path } = UPSTREAM[id];
    return `  - { id: ${provider}, type: custom, base_url: "${upstreamUrl}${path}", api_keys: [sim-key], dialects: [${provider}] }`;
  });
  const models = METERED.flatMap((id) =>
    Object.entries(PRICES).map(([prefix, price]) => {
      const { provider, model } = UPSTREAM[id];
      const endpoints = `[{ provider: ${provider}, model: ${model} }]`;
      return `  - { id: ${prefix}${id}, endpoints: ${endpoints}, price: ${price}, context: 100000, max_output: ${prefix === "capped-" ? CAPPED_TOKENS : 2000} }`;
    }),
  );
  return ["providers:", ...providers, "models:", ...models, "catalog: { curated: false }", more, ""].join("\n");
}
