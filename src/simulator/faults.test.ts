/**
 * The simulated provider's faults, sizes and journal, over a real port.
 * What is tested here is what other tests rely on to break a gateway.
 */
import { afterAll, beforeEach, describe, expect, test } from "bun:test";
import { mkdtempSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { createSimulator, serveSimulator } from "./index.ts";

const server = serveSimulator({ port: 0 });
afterAll(() => server.stop());
beforeEach(() => fetch(`${server.url}/__journal`, { method: "DELETE" }));

type Headers = Record<string, string>;
const APIS = {
  chat: {
    path: "/v1/chat/completions",
    body: (text: string, stream: boolean) => ({
      model: "m",
      stream,
      ...(stream && { stream_options: { include_usage: true } }),
      messages: [{ role: "user", content: text }],
    }),
    delta: '"delta":{"content":',
    end: "[DONE]",
  },
  responses: {
    path: "/v1/responses",
    body: (text: string, stream: boolean) => ({ model: "m", stream, input: text }),
    delta: '"type":"response.output_text.delta"',
    end: '"type":"response.completed"',
  },
  messages: {
    path: "/v1/messages",
    body: (text: string, stream: boolean) => ({
      model: "m",
      stream,
      max_tokens: 1000,
      messages: [{ role: "user", content: text }],
    }),
    delta: '"type":"text_delta"',
    end: '"type":"message_stop"',
  },
  gemini: {
    path: "/v1beta/models/m:",
    body: (text: string) => ({ contents: [{ role: "user", parts: [{ text }] }] }),
    delta: '"parts":[{"text":"',
    end: '"finishReason"',
  },
} as const;
type Name = keyof typeof APIS;
const NAMES = Object.keys(APIS) as Name[];

function post(
  name: Name,
  text: string,
  stream: boolean,
  headers: Headers = {},
  signal?: AbortSignal,
): Promise<Response> {
  const api = APIS[name];
  const verb = name !== "gemini" ? "" : stream ? "streamGenerateContent?alt=sse" : "generateContent";
  return fetch(`${server.url}${api.path}${verb}`, {
    method: "POST",
    headers: { authorization: "Bearer k", "anthropic-version": "2023-06-01", ...headers },
    body: JSON.stringify(api.body(text, stream)),
    signal: signal ?? null,
  });
}

const count = (text: string, part: string): number => text.split(part).length - 1;

/** Reads until the end or the first failure. */
async function drain(response: Response): Promise<{ text: string; failed: boolean }> {
  const decoder = new TextDecoder();
  let text = "";
  try {
    for await (const chunk of response.body ?? []) text += decoder.decode(chunk, { stream: true });
  } catch {
    return { text, failed: true };
  }
  return { text, failed: false };
}

async function journalWhen(ready: (entries: ReturnType<typeof server.simulator.journal>) => boolean) {
  for (let tries = 0; tries < 200; tries++) {
    const entries = server.simulator.journal();
    if (ready(entries)) return entries;
    await Bun.sleep(5);
  }
  throw new Error("the journal did not get there");
}

for (const name of NAMES) {
  const { delta, end } = APIS[name];
  describe(name, () => {
    test("is deterministic, byte for byte", async () => {
      const texts = await Promise.all([1, 2].map(async () => (await post(name, "hi", true)).text()));
      expect(texts[0]).toBe(texts[1] ?? "");
      const whole = await Promise.all([1, 2].map(async () => (await post(name, "hi", false)).text()));
      expect(whole[0]).toBe(whole[1] ?? "");
    });

    test("fails with a status and a retry-after, in its own envelope", async () => {
      const response = await post(name, "status=503 retry-after=2", true);
      expect(response.status).toBe(503);
      expect(response.headers.get("retry-after")).toBe("2");
      const body = (await response.json()) as { error: object };
      expect(body.error).toBeObject();
      const keyless = await post(name, "hi", false, { authorization: "" });
      expect(keyless.status).toBe(401);
      expect(((await keyless.json()) as { error: object }).error).toBeObject();
    });

    test("takes orders from the header, and an exact number of chunks", async () => {
      const { text } = await drain(await post(name, "hi", true, { "x-sim": "chunks=20;pad" }));
      const extra = name === "gemini" ? 1 : 0;
      expect(count(text, delta)).toBe(20 + extra);
      expect(text).toContain("chunk20");
    });

    test("destroys the connection after some chunks", async () => {
      const { text, failed } = await drain(await post(name, "cut-after=3 words=50", true));
      expect(failed).toBe(true);
      expect(count(text, delta)).toBe(3);
      const [entry] = await journalWhen((entries) => entries[0]?.usage?.output === 3);
      expect(entry).toMatchObject({ finished: false, streamed: true, status: 200 });
    });

    test("fails inside the stream, and at its start", async () => {
      const late = await drain(await post(name, "error-after=2 words=50", true));
      expect(count(late.text, delta)).toBe(2);
      expect(late.text).toContain('"error"');
      expect(late.text).not.toContain(end);
      const early = await drain(await post(name, "first-error", true));
      expect(early.text).toContain('"error"');
      expect(count(early.text, delta)).toBe(0);
    });

    test("breaks what is written: no end, no usage, bad JSON, nothing at all", async () => {
      expect((await drain(await post(name, "hi no-done", true))).text).not.toContain(end);
      const silent = (await drain(await post(name, "hi no-usage", true))).text;
      expect(silent).not.toMatch(/"(?:usage|usageMetadata)":\{/);
      const broken = (await drain(await post(name, "hi bad-json", true))).text;
      const isJson = (line: string): boolean => {
        try {
          return JSON.parse(line.slice(6)) !== undefined;
        } catch {
          return line === "data: [DONE]";
        }
      };
      expect(broken.split(/\r?\n/).filter((line) => line.startsWith("data: ") && !isJson(line))).toHaveLength(1);
      expect((await drain(await post(name, "empty", true))).text).toBe("");
    });

    test("writes in small pieces, with CRLF and comments, and the text survives", async () => {
      const whole = await (await post(name, "hi ä 🙂", true)).text();
      const pieces = await (await post(name, "hi ä 🙂", true, { "x-sim": "split=1" })).text();
      expect(pieces).toBe(whole);
      const odd = await (await post(name, "hi", true, { "x-sim": "crlf comments" })).text();
      expect(odd).toContain(": keep-alive\r\n\r\n");
      expect(odd.replaceAll("\r\n", "")).not.toContain("\n");
    });

    test("reports hostile numbers when told to", async () => {
      const text = await (await post(name, "hi", false, { "x-sim": "usage=in:10,out:-5,cached:9999" })).text();
      expect(text).toContain("9999");
      expect(text).toContain("-5");
    });

    test("notes that the client left, and what it had been sent", async () => {
      const leaving = new AbortController();
      const response = await post(name, "chunks=500 gap=10ms", true, { "x-request-id": "r1" }, leaving.signal);
      const reader = response.body?.getReader();
      await reader?.read();
      await reader?.read();
      leaving.abort();
      await reader?.read().catch(() => undefined);
      const [entry] = await journalWhen((entries) => entries[0]?.aborted === true);
      expect(entry).toMatchObject({ id: "r1", aborted: true, finished: false });
      expect(entry?.bytesOut).toBeGreaterThan(0);
      expect(entry?.usage?.output).toBeLessThan(500);
    });

    test("reports usage before an error, and charges just that", async () => {
      const { text } = await drain(await post(name, "charged-error", true));
      expect(text).toContain('"error"');
      expect(text).toMatch(/"(?:usage|usageMetadata)":\{/);
      expect(count(text, delta)).toBe(0);
      const [entry] = await journalWhen((entries) => entries[0]?.finished === true);
      expect(entry?.usage).toMatchObject({ output: 0 });
      expect(entry?.usage?.input).toBeGreaterThan(0);
    });

    test("charges nothing for an error at the start, and what was said for one in the middle", async () => {
      await drain(await post(name, "first-error", true));
      await drain(await post(name, "error-after=2 words=50", true));
      const entries = await journalWhen((found) => found[1]?.finished === true);
      expect([entries[0]?.usage, entries[1]?.usage?.output]).toEqual([null, 2]);
    });

    test("breaks off in the middle of an event", async () => {
      const { text, failed } = await drain(await post(name, "cut-inside=2 words=50", true));
      expect([failed, count(text, delta)]).toEqual([true, 2]);
      expect(text).toEndWith('{"half":');
    });

    test("tells usage twice, and first too much", async () => {
      const numbersOf = async (usage: string) => {
        const { text } = await drain(await post(name, `words=30 usage=${usage}`, true));
        const found = text.matchAll(/"(?:completion_tokens|output_tokens|candidatesTokenCount)":(\d+)/g);
        return [...found].map((match) => Number(match[1]));
      };
      expect(Math.max(...(await numbersOf("twice")))).toBe(30);
      const decreasing = await numbersOf("decreasing");
      expect([Math.max(...decreasing), decreasing.at(-1)]).toEqual([300, 30]);
    });

    test("leaves the connection open after the end", async () => {
      const leaving = new AbortController();
      const reader = (await post(name, "hi stays-open", true, {}, leaving.signal)).body?.getReader();
      let text = "";
      while (!text.includes(end)) text += new TextDecoder().decode((await reader?.read())?.value);
      leaving.abort();
      await reader?.read().catch(() => {});
      await journalWhen((entries) => entries[0]?.aborted === true);
    });

    test("charges on after the client has left when told to", async () => {
      for (const stream of [true, false]) {
        const leaving = new AbortController();
        const orders = stream ? "words=90 gap=20ms keeps-charging" : "words=90 ttfb=60s keeps-charging";
        const waiting = post(name, orders, stream, {}, leaving.signal).catch(() => {});
        await journalWhen((entries) => entries.length === 1);
        if (stream) await waiting;
        leaving.abort();
        await waiting;
        const [entry] = await journalWhen((entries) => entries[0]?.aborted === true);
        expect(entry?.usage).toMatchObject({ output: 90 });
        await fetch(`${server.url}/__journal`, { method: "DELETE" });
      }
    });

    test("waits for the first byte only as long as the client does", async () => {
      const leaving = new AbortController();
      const waiting = post(name, "hi", true, { "x-sim": "ttfb=60s" }, leaving.signal).catch(() => "left");
      await journalWhen((entries) => entries.length === 1);
      leaving.abort();
      expect(await waiting).toBe("left");
      await journalWhen((entries) => entries[0]?.aborted === true && entries[0].bytesOut === 0);
    });

    test("hangs until the client leaves", async () => {
      const leaving = new AbortController();
      const hanging = post(name, "hang", false, {}, leaving.signal).catch(() => "left");
      await journalWhen((entries) => entries.length === 1);
      leaving.abort();
      expect(await hanging).toBe("left");
      const [entry] = await journalWhen((entries) => entries[0]?.aborted === true);
      expect(entry).toMatchObject({ status: 0, usage: null });
    });
  });
}

describe("sizes and counters", () => {
  test("a text of so many words or bytes, and one big event", async () => {
    const said = async (orders: string) => {
      const body = (await (await post("chat", orders, false)).json()) as {
        choices: { message: { content: string } }[];
      };
      return body.choices[0]?.message.content ?? "";
    };
    expect((await said("words=300")).split(" ")).toHaveLength(300);
    expect(await said("size=200000")).toHaveLength(200_000);
    const { text } = await drain(await post("chat", "hi big-event=100000", true));
    expect(Math.max(...text.split("\n").map((line) => line.length))).toBeGreaterThan(100_000);
  });

  test("bytes without any newline", async () => {
    const { text } = await drain(await post("chat", "no-newline=300000", true));
    expect(text).toHaveLength(300_000 + "data: ".length);
    expect(text).not.toContain("\n");
  });

  test("the first calls with a key fail, the later ones do not", async () => {
    const statuses: number[] = [];
    for (let index = 0; index < 4; index++) {
      statuses.push((await post("messages", "hi", false, { "x-sim": "fail-first=2;key=k1" })).status);
    }
    expect(statuses).toEqual([503, 503, 200, 200]);
  });

  test("orders hold for the first calls with a key only", async () => {
    const statuses: number[] = [];
    for (let index = 0; index < 3; index++) {
      const text = await (await post("chat", "empty only-first=2 key=k2", true)).text();
      statuses.push(text.length);
    }
    expect(statuses.map((length) => length > 0)).toEqual([false, false, true]);
  });

  test("a reader that stops reading stops the writing", async () => {
    const response = await post("chat", "no-newline=200000000", true);
    const reader = response.body?.getReader();
    await reader?.read();
    await Bun.sleep(100);
    await reader?.cancel();
    const [entry] = await journalWhen((entries) => entries[0]?.aborted === true);
    expect(entry?.bytesOut).toBeLessThan(100_000_000);
  });

  test("everyday words are no orders", async () => {
    const text = await (await post("chat", "please hang on and leave comments in the empty list", false)).text();
    expect(text).toContain("You said: please hang on");
  });

  test("gives back the whole request when asked", async () => {
    const body = { ...APIS.chat.body("echo:request", false), temperature: 0.5, top_p: 0.9 };
    const request = { method: "POST", headers: { authorization: "Bearer k" }, body: JSON.stringify(body) };
    const answer = (await (await fetch(`${server.url}/v1/chat/completions`, request)).json()) as {
      choices: { message: { content: string } }[];
    };
    expect(JSON.parse(answer.choices[0]?.message.content ?? "")).toEqual(body);
  });

  test("calls in rounds", async () => {
    const tool = (name: string) => ({ type: "function", function: { name, parameters: {} } });
    const call = (id: string, name: string) => [
      { role: "assistant", tool_calls: [{ id, type: "function", function: { name, arguments: "{}" } }] },
      { role: "tool", tool_call_id: id, content: `did ${name}` },
    ];
    const ask = async (history: object[]) => {
      const messages = [{ role: "user", content: "call:a then:b" }, ...history];
      const body = JSON.stringify({ model: "m", tools: [tool("a"), tool("b")], messages });
      const request = { method: "POST", headers: { authorization: "Bearer k" }, body };
      return (await fetch(`${server.url}/v1/chat/completions`, request)).text();
    };
    expect(await ask([])).toContain('"name":"a"');
    expect(await ask(call("1", "a"))).toContain('"name":"b"');
    expect(await ask([...call("1", "a"), ...call("2", "b")])).toContain('[tool results: 1: \\"did b\\"]');
  });
});

describe("journal", () => {
  test("is served as lines and as an array, and is written to a file", async () => {
    const file = `${mkdtempSync(`${tmpdir()}/simulator-`)}/journal.jsonl`;
    const simulator = createSimulator({ journalFile: file });
    const send = (path: string, body?: object, headers: Headers = {}) => {
      const request = {
        method: body === undefined ? "GET" : "POST",
        headers: { authorization: "Bearer k", ...headers },
        body: JSON.stringify(body),
      };
      return simulator.fetch(new Request(`http://simulator${path}`, request));
    };
    await (await send("/v1/chat/completions", APIS.chat.body("hi", false), { "x-request-id": "a" })).text();
    await (await send("/v1/chat/completions", APIS.chat.body("hi", true), { "x-request-id": "b" })).text();
    const lines = (await (await send("/__journal")).text())
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line));
    const array = (await (await send("/__journal?format=json")).json()) as unknown[];
    await simulator.close();
    const written = readFileSync(file, "utf8")
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line));
    expect(lines).toEqual(array);
    expect(written).toEqual(array);
    expect(lines[0]).toMatchObject({
      id: "a",
      path: "/v1/chat/completions",
      model: "m",
      streamed: false,
      status: 200,
      finished: true,
    });
    expect(lines[1]).toMatchObject({
      id: "b",
      streamed: true,
      usage: { input: 1, output: 3 },
      aborted: false,
      finished: true,
    });
  });

  test("model ids may hold slashes and colons; unknown paths lead nowhere", async () => {
    const request = {
      method: "POST",
      headers: { "x-goog-api-key": "k" },
      body: JSON.stringify(APIS.gemini.body("hi")),
    };
    const response = await fetch(`${server.url}/v1beta/models/openai/gpt-4o:free:generateContent`, request);
    expect(((await response.json()) as { modelVersion: string }).modelVersion).toBe("openai/gpt-4o:free");
    expect((await fetch(`${server.url}/v1/nothing`, request)).status).toBe(404);
  });
});
