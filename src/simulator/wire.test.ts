/**
 * Recorded requests of real clients, sent to the simulated provider.
 * It must not be stricter than the real ones: what they accepted it accepts, but for signatures it never issued.
 */
import { expect, test } from "bun:test";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { createSimulator } from "./index.ts";

const WIRE = `${import.meta.dir}/../../../shared/wire`;
const isPresent = existsSync(WIRE);
const PROVIDERS: Record<string, string[]> = {
  "openai.chat": ["openai"],
  "openai.responses": ["openai"],
  "anthropic.messages": ["anthropic"],
  "anthropic.countTokens": ["anthropic"],
  "gemini.generateContent": ["google", "vertex"],
  "gemini.embedContent": ["google"],
  "gemini.countTokens": ["google"],
};
/** Only the real provider can know these. */
const UNKNOWABLE = /ignature|could not be verified|Previous response with id|Invalid `data` in/;

interface Exchange {
  provider: string;
  request: { path: string; headers: Record<string, string>; body: unknown } | null;
  response: { status: number };
}

async function send(
  fetchIt: (request: Request) => Promise<Response>,
  api: string,
  exchange: Exchange,
): Promise<Response> {
  const { request } = exchange;
  const version: Record<string, string> = api.startsWith("anthropic") ? { "anthropic-version": "2023-06-01" } : {};
  const headers = { authorization: "Bearer k", ...version, ...request?.headers };
  return fetchIt(
    new Request(`http://simulator${request?.path}`, { method: "POST", headers, body: JSON.stringify(request?.body) }),
  );
}

for (const [api, providers] of Object.entries(PROVIDERS)) {
  test.skipIf(!isPresent && Bun.env.CI !== "true")(
    `accepts the recorded requests of ${api} (needs ../shared/wire)`,
    async () => {
      const simulator = createSimulator();
      const refused: string[] = [];
      let accepted = 0;
      for (const file of readdirSync(`${WIRE}/${api}`)) {
        const exchange = JSON.parse(readFileSync(`${WIRE}/${api}/${file}`, "utf8")) as Exchange;
        if (exchange.request === null || exchange.response.status !== 200 || !providers.includes(exchange.provider))
          continue;
        const response = await send(simulator.fetch, api, exchange);
        const text = await response.text();
        if (response.status === 200) accepted += 1;
        else if (!UNKNOWABLE.test(text)) refused.push(`${file}: ${text.slice(0, 200)}`);
      }
      expect(refused).toEqual([]);
      expect(accepted).toBeGreaterThan(0);
    },
  );
}
