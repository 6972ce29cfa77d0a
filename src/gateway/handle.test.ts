/**
 * Tests of one call from its surface to its record: whatever happens, everything that was taken is given back.
 * Counters, memory and credit that leak here would stop the gateway after a while.
 */
import { describe, expect, test } from "bun:test";
import { chatStream, chunk, SMALL, streamed } from "../../test/support/calls.ts";
import { KEY, type TestGateway, testGateway } from "../../test/support/gateway.ts";
import { expectNothingLeft, until } from "../../test/support/tcp-upstream.ts";
import { listRecorder } from "../../test/support/wallet.ts";
import { collectLosses } from "../core/loss.ts";
import { nano } from "../core/money.ts";
import { lossesHeader } from "./respond.ts";

expectNothingLeft();

const CHAT = "/v1/chat/completions";
const body = SMALL["openai-chat"];
const REPLY = {
  id: "c1",
  object: "chat.completion",
  choices: [{ index: 0, message: { role: "assistant", content: "Hello" }, finish_reason: "stop" }],
  usage: { prompt_tokens: 10, completion_tokens: 1, total_tokens: 11 },
};
const BALANCE = 10n ** 15n;

/** Nothing of the call is left: no counter, no memory, no hold. */
function expectClean({ gateway, credit }: TestGateway, billed = 0n): void {
  expect(gateway.running).toBe(0);
  expect(gateway.memory.bytes).toBe(0);
  expect(gateway.pulse.live.size).toBe(0);
  expect(credit.left()).toBe(nano(BALANCE - billed));
}

describe("a call that is answered whole", () => {
  test("is relayed, billed, recorded, and says what it cost", async () => {
    const one = testGateway({ upstream: () => Response.json(REPLY) });
    const answer = await one.ask(CHAT, body);
    expect(answer.status).toBe(200);
    expect(await answer.json()).toEqual(REPLY);
    const headers = Object.fromEntries(answer.headers);
    expect(headers).toMatchObject({
      "x-sluice-provider": "p",
      "x-sluice-model": "m",
      "x-sluice-cost-usd": "0.000014",
      "content-type": "application/json",
      "x-request-id": one.records[0]?.id,
    });
    expect(one.records.map((record) => [record.status, record.path, record.costNano])).toEqual([
      [200, "relay", nano(14_000n)],
    ]);
    expectClean(one, 14_000n);
  });

  test("is found by an alias, and recorded under both names", async () => {
    const one = testGateway({ upstream: () => Response.json(REPLY) });
    await one.ask(CHAT, { ...body, model: "vendor/m" });
    expect(one.records[0]).toMatchObject({ modelRequested: "vendor/m", model: "m", upstreamModel: "up" });
  });

  test("copies no header of the upstream", async () => {
    const headers = { "set-cookie": "a=b", server: "up", "x-internal": "1", "openai-organization": "org-1" };
    const one = testGateway({ upstream: () => Response.json(REPLY, { headers }) });
    const answer = await one.ask(CHAT, body);
    for (const name of Object.keys(headers)) expect(answer.headers.get(name)).toBeNull();
  });
});

describe("a call that is streamed", () => {
  const stream = { ...body, stream: true };

  test("is settled when it has been read to its end", async () => {
    const one = testGateway({ upstream: () => streamed(chatStream("Hello")) });
    const answer = await one.ask(CHAT, stream);
    expect(one.gateway.running).toBe(1);
    expect(answer.headers.get("content-type")).toStartWith("text/event-stream");
    expect(await answer.text()).toContain("Hello");
    expect(one.records[0]).toMatchObject({ status: 200, streamed: true, usage: { input: 10, output: 5 } });
    expectClean(one, 30_000n);
  });

  test("whose caller leaves is settled, billed and let go upstream", async () => {
    let aborted = false;
    const endless = () => {
      const source = new ReadableStream({
        start: (controller) => controller.enqueue(`data: ${JSON.stringify(chunk({ content: "Hello" }))}\n\n`),
        cancel() {
          aborted = true;
        },
      });
      return streamed(source);
    };
    const one = testGateway({ upstream: endless });
    const answer = await one.ask(CHAT, stream);
    const reader = answer.body?.getReader();
    await reader?.read();
    await reader?.cancel();
    await until(() => aborted);
    expect(one.records[0]).toMatchObject({ status: 499, cancelled: true, usage: { source: "estimated" } });
    expect(one.records[0]?.costNano).toBeGreaterThan(0n);
    expectClean(one, one.records[0]?.costNano);
  });

  test("that breaks off ends in-band, and the log has the error", async () => {
    const text = `data: ${JSON.stringify(chunk({ content: "Hel" }))}\n\n`;
    const one = testGateway({ upstream: () => streamed(text) });
    const answer = await one.ask(CHAT, stream);
    expect(answer.status).toBe(200);
    expect(await answer.text()).toContain('"error"');
    expect(one.records[0]).toMatchObject({ status: 503, errorCode: "upstream_unavailable" });
    expect(one.logged.map((error) => error.code)).toEqual(["upstream_unavailable"]);
    expectClean(one, one.records[0]?.costNano);
  });
});

describe("a call that is refused gives everything back", () => {
  const cases: [string, Parameters<typeof testGateway>[0], unknown, number, string][] = [
    ["by a body that is not JSON", {}, "{", 400, "invalid_request"],
    ["by a body without a model", {}, {}, 400, "invalid_request"],
    ["by an unknown model", {}, { ...body, model: "nope" }, 404, "model_not_available"],
    ["by a key's list of models", { principal: { models: ["x"] } }, body, 403, "model_not_allowed"],
    ["by a provisioning key", { principal: { kind: "provisioning" } }, body, 403, "forbidden"],
    ["by a body too large", {}, { ...body, pad: "x".repeat(200_000) }, 413, "request_too_large"],
    ["by every upstream", {}, body, 503, "upstream_unavailable"],
    [
      "by the upstream, for the caller's own mistake",
      { upstream: () => Response.json({ error: { message: "no" } }, { status: 400 }) },
      body,
      400,
      "invalid_request",
    ],
  ];
  for (const [name, options, sent, status, code] of cases) {
    test(name, async () => {
      const one = testGateway(options);
      const answer = await one.ask(CHAT, sent);
      expect(answer.status).toBe(status);
      expect(one.records.map((record) => [record.errorCode, record.costNano])).toEqual([[code as never, nano(0n)]]);
      expect(answer.headers.get("x-request-id")).toBe(one.records[0]?.id as string);
      expectClean(one);
    });
  }

  test("for want of credit, saying what it needed", async () => {
    const one = testGateway({ balance: 5n });
    const answer = await one.ask(CHAT, body);
    expect(answer.status).toBe(402);
    expect(await answer.text()).toContain("may cost up to");
    expect(one.gateway.running).toBe(0);
    expect(one.credit.left()).toBe(nano(5n));
  });

  test("with an unknown key, and leaves no record", async () => {
    const one = testGateway();
    const answer = await one.ask(CHAT, body, { headers: { authorization: "Bearer nope" } });
    expect(answer.status).toBe(401);
    expect(one.records).toEqual([]);
    expectClean(one);
  });

  const away = { ...listRecorder([]), full: () => true };
  const busy: [string, Parameters<typeof testGateway>[0]][] = [
    ["the database is away", { over: { ready: () => ({ ok: false, reason: "secret reason" }) } }],
    ["records cannot be written", { over: { recorder: away } }],
  ];
  for (const [name, options] of busy) {
    test(`while ${name}, with 503 and a time to come back`, async () => {
      const one = testGateway(options);
      const answer = await one.ask(CHAT, body);
      expect(answer.status).toBe(503);
      expect(answer.headers.get("retry-after")).toBe("2");
      expect(await answer.text()).not.toContain("secret");
      expectClean(one);
    });
  }

  test("when too many calls run, until one of them ends", async () => {
    const open = Promise.withResolvers<void>();
    const one = testGateway({ upstream: () => open.promise.then(() => Response.json(REPLY)) });
    (one.gateway.limits as { maxConcurrentCalls: number }).maxConcurrentCalls = 1;
    const first = one.ask(CHAT, body);
    expect((await one.ask(CHAT, body)).status).toBe(503);
    open.resolve();
    expect((await first).status).toBe(200);
    expect((await one.ask(CHAT, body)).status).toBe(200);
    (one.gateway.limits as { maxConcurrentCalls: number }).maxConcurrentCalls = 100;
  });
});

describe("what goes wrong inside", () => {
  test("is a 500 that shows nothing of it, in the caller's format", async () => {
    const one = testGateway({
      over: {
        authenticator: {
          authenticate() {
            throw new TypeError("canary at /srv/secret.ts");
          },
          forget() {},
        },
      },
    });
    for (const path of [CHAT, "/v1/messages", "/v1/responses", "/v1beta/models/m:generateContent"]) {
      const answer = await one.ask(path, body);
      expect(answer.status).toBe(500);
      expect(await answer.text()).not.toMatch(/canary|srv/);
    }
    expect(one.logged[0]?.detail).toContain("canary");
    expectClean(one);
  });

  test("a caller who leaves while its body comes in is no error of the gateway", async () => {
    const one = testGateway();
    const leaving = new AbortController();
    const source = new ReadableStream({
      start: (controller) => controller.enqueue(new TextEncoder().encode('{"model":')),
      pull() {
        leaving.abort();
        return Promise.reject(new Error("gone"));
      },
    });
    const init = { method: "POST", body: source, signal: leaving.signal };
    await one.ask(CHAT, undefined, { ...init, headers: { authorization: `Bearer ${KEY}` } });
    expect(one.records.map((record) => [record.status, record.cancelled])).toEqual([[499, true]]);
    expectClean(one);
  });
});

describe("losses in a header", () => {
  test("name fields, those that were altered with a mark", () => {
    const losses = collectLosses();
    losses.add("topK");
    losses.add("seed", "altered");
    expect(lossesHeader(losses.list())).toBe("topK, ~seed");
  });

  test("cannot break the header, and are bounded, whatever fields a caller makes up", () => {
    const losses = collectLosses();
    for (let i = 0; i < 100; i++) losses.add(`x\r\nset-cookie: a=${i} ü${"y".repeat(200)}`);
    const text = lossesHeader(losses.list());
    expect(text).toMatch(/^[\x20-\x7e]*$/);
    expect(text.length).toBeLessThanOrEqual(2000);
  });
});
