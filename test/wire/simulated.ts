/**
 * Sends converted requests to the simulated provider, whose rules go beyond any schema: pairing, order, names, signatures.
 * `test/wire.test.ts` asks it about every recorded request.
 */
import { asObject, asString, tryParse } from "../../src/core/json.ts";
import type { CanonicalRequest } from "../../src/core/request.ts";
import { DIALECTS } from "../../src/dialects/index.ts";
import { createSimulator } from "../../src/simulator/index.ts";
import { type MainDialect, targetFor } from "./exchanges.ts";

/** The models that are asked; generations of one provider differ in their rules. */
export const MODELS: Record<MainDialect, readonly string[]> = {
  "openai-chat": ["gpt-4o"],
  "openai-responses": ["gpt-5"],
  "anthropic-messages": ["claude-sonnet-4-5"],
  gemini: ["gemini-2.5-flash", "gemini-3-pro-preview"],
};

export type Asker = (request: CanonicalRequest, to: MainDialect, model: string) => Promise<string | undefined>;

/** Asks for a whole answer; gives the provider's complaint, or undefined when it took the request. */
export function createAsker(): Asker {
  const simulator = createSimulator();
  return async (request, to, model) => {
    const dialect = DIALECTS[to];
    const encoded = dialect.encodeRequest(request, { ...targetFor(request), model, stream: false });
    const headers = { authorization: "Bearer none", ...dialect.defaultHeaders, ...encoded.headers };
    const version = to === "gemini" ? "v1beta" : "v1";
    const url = `http://simulated/${version}${dialect.upstreamPath(model, false)}`;
    const body = JSON.stringify(encoded.body);
    const response = await simulator.fetch(new Request(url, { method: "POST", headers, body }));
    const text = await response.text();
    if (response.ok) return undefined;
    return asString(asObject(asObject(tryParse(text))?.error)?.message) ?? text;
  };
}
