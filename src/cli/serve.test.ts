/**
 * Tests of what only the listening server can tell: where a request really comes from, with and without proxies in front.
 * A key that is bound to addresses is the probe, at model routes and at management routes alike.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { type Sluice, startSluice } from "../../test/support/server.ts";

const ELSEWHERE = "192.0.2.7";

async function newKey(sluice: Sluice, ipAllow: string[]): Promise<string> {
  const body = JSON.stringify({ name: "k", ip_allow: ipAllow });
  const headers = { authorization: `Bearer ${sluice.rootKey}` };
  const answer = await fetch(`${sluice.url}/api/v1/keys`, { method: "POST", headers, body });
  return ((await answer.json()) as { key: string }).key;
}

/** The statuses of a list of models, a call, a count of tokens and a management route. */
async function statuses(sluice: Sluice, key: string, forwardedFor?: string): Promise<number[]> {
  const headers = { "x-api-key": key, ...(forwardedFor === undefined ? {} : { "x-forwarded-for": forwardedFor }) };
  const messages = [{ role: "user", content: "Hi" }];
  const post = (path: string, body: object) =>
    fetch(`${sluice.url}${path}`, { method: "POST", headers, body: JSON.stringify(body) });
  const answers = await Promise.all([
    fetch(`${sluice.url}/v1/models`, { headers }),
    post("/v1/chat/completions", { model: "sim-chat", messages }),
    post("/v1/messages/count_tokens", { model: "sim-messages", messages }),
    fetch(`${sluice.url}/api/v1/key`, { headers }),
  ]);
  await Promise.all(answers.map((answer) => answer.text()));
  return answers.map((answer) => answer.status);
}

const ALLOWED = [200, 200, 200, 200];
const REFUSED = [403, 403, 403, 403];

describe("a server without proxies", () => {
  let sluice: Sluice;
  beforeAll(async () => {
    sluice = await startSluice();
  }, 60_000);
  afterAll(() => sluice.stop());

  test("knows where its callers come from, and believes nobody who says otherwise", async () => {
    const [here, elsewhere] = [await newKey(sluice, ["127.0.0.0/8"]), await newKey(sluice, [ELSEWHERE])];
    expect(await statuses(sluice, here)).toEqual(ALLOWED);
    expect(await statuses(sluice, here, ELSEWHERE)).toEqual(ALLOWED);
    expect(await statuses(sluice, elsewhere)).toEqual(REFUSED);
    expect(await statuses(sluice, elsewhere, ELSEWHERE)).toEqual(REFUSED);
  });
});

describe("a server behind proxies", () => {
  let sluice: Sluice;
  beforeAll(async () => {
    sluice = await startSluice({ env: { SLUICE_TRUSTED_PROXIES: "10.0.0.0/8, 127.0.0.1" } });
  }, 60_000);
  afterAll(() => sluice.stop());

  test("believes what they say of their callers, not what callers say", async () => {
    const elsewhere = await newKey(sluice, [ELSEWHERE]);
    expect(await statuses(sluice, elsewhere, ELSEWHERE)).toEqual(ALLOWED);
    expect(await statuses(sluice, elsewhere, `198.51.100.1, ${ELSEWHERE}, 10.0.0.3`)).toEqual(ALLOWED);
    expect(await statuses(sluice, elsewhere, `${ELSEWHERE}, 198.51.100.1`)).toEqual(REFUSED);
    expect(await statuses(sluice, elsewhere, "nonsense")).toEqual(REFUSED);
    expect(await statuses(sluice, elsewhere)).toEqual(REFUSED);
  });
});
