/**
 * Bad input from both sides, through the whole server: every caller gets a clear error in its own format, nothing crashes,
 * nothing is lost. Hostile callers first, then hostile upstreams behind each format.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import fc from "fast-check";
import type { Json, JsonObject } from "../src/core/json.ts";
import { FAMILIES, type Sluice, startSluice } from "./support/server.ts";
import { RAW_SURFACES, type RawSurface, richBody } from "./support/surfaces.ts";

const MODELS = FAMILIES.slice(0, 4);
const MAX_BODY = 4 * 1024 * 1024;
let sluice: Sluice;

beforeAll(async () => {
  sluice = await startSluice({
    env: {
      SLUICE_LIMITS_MAX_BODY_BYTES: String(MAX_BODY),
      SLUICE_TIMEOUTS_FIRST_BYTE_MS: "700",
      SLUICE_TIMEOUTS_IDLE_MS: "700",
    },
  });
}, 60_000);
afterAll(() => sluice.stop());

function send(
  surface: RawSurface,
  body: string | Uint8Array<ArrayBuffer> | ReadableStream,
  options: { model?: string; stream?: boolean; headers?: Record<string, string> } = {},
) {
  return fetch(sluice.url + surface.path(options.model ?? "sim-chat", options.stream ?? false), {
    method: "POST",
    headers: { "content-type": "application/json", authorization: `Bearer ${sluice.key}`, ...options.headers },
    body,
  });
}

/** The answer is an error of that status in the surface's own envelope, with a request id; returns its message. */
async function refusal(surface: RawSurface, answer: Response, status: number): Promise<string> {
  const text = await answer.text();
  expect({ status: answer.status, text: text.slice(0, 300) }).toMatchObject({ status });
  expect(answer.headers.get("x-request-id")).toStartWith("req_");
  expect(answer.headers.get("content-type")).toStartWith("application/json");
  return surface.errorMessage(JSON.parse(text) as JsonObject);
}

for (const surface of RAW_SURFACES) {
  describe(`a hostile caller on ${surface.name}`, () => {
    test("a body that is not JSON, not an object, empty, or not UTF-8 is a 400 that says so", async () => {
      expect(await refusal(surface, await send(surface, '{"model": "x",'), 400)).toContain("not valid JSON");
      expect(await refusal(surface, await send(surface, "[1]"), 400)).toContain("must be a JSON object");
      expect(await refusal(surface, await send(surface, '"text"'), 400)).toContain("must be a JSON object");
      expect(await refusal(surface, await send(surface, ""), 400)).toContain("not valid JSON");
      const bytes = Buffer.concat([Buffer.from('{"model":"'), Buffer.from([0xff, 0xfe]), Buffer.from('"}')]);
      expect(await refusal(surface, await send(surface, bytes), 400)).toContain("UTF-8");
    });

    test("a body nested 200,000 levels deep is a 400, not a crash", async () => {
      const deep = `{"messages":${"[".repeat(200_000)}${"]".repeat(200_000)}}`;
      expect(await refusal(surface, await send(surface, deep), 400)).toContain("nested deeper");
      const objects = `${'{"a":'.repeat(200_000)}1${"}".repeat(200_000)}`;
      expect(await refusal(surface, await send(surface, objects), 400)).toContain("nested deeper");
    });

    test("a body over the limit is a 413, whether its length is declared or not", async () => {
      const large = JSON.stringify(surface.body("sim-chat", "x".repeat(MAX_BODY), false));
      expect(await refusal(surface, await send(surface, large), 413)).toContain(String(MAX_BODY));
      const pieces = new ReadableStream({
        start(controller) {
          for (let sent = 0; sent <= MAX_BODY; sent += 65_536) controller.enqueue(new Uint8Array(65_536).fill(32));
          controller.close();
        },
      });
      expect(await refusal(surface, await send(surface, pieces), 413)).toContain(String(MAX_BODY));
    });

    test("a compressed body is refused clearly", async () => {
      const body = Bun.gzipSync(Buffer.from(JSON.stringify(surface.body("sim-chat", "hi", false))));
      const answer = await send(surface, body, { headers: { "content-encoding": "gzip" } });
      expect(await refusal(surface, answer, 400)).toContain("content encoding");
    });

    test("an unknown model is a 404 that names it, a strange one too", async () => {
      for (const model of ["no-such-model", "../../etc/passwd", "a".repeat(5000), "constructor", "%00"]) {
        const body = JSON.stringify(surface.body(model, "hi", false));
        const answer = await send(surface, body, { model: encodeURIComponent(model) });
        expect(await refusal(surface, answer, 404)).toContain("not available");
      }
    });

    test("unknown fields, __proto__ among them, reach neither prototype nor caller and are no error of ours", async () => {
      const body = JSON.stringify(surface.body("sim-messages", "hi lenient", false)).replace(
        /^\{/,
        '{"__proto__":{"polluted":1},"constructor":{"prototype":{"polluted":1}},"zzz_unknown":[1,{"a":null}],',
      );
      const answer = await send(surface, body, { model: "sim-messages" });
      const text = await answer.text();
      // A Messages body goes to a Messages upstream as it came, and that one names what it does not know.
      if (surface.name === "messages") expect(surface.errorMessage(JSON.parse(text))).toContain("Extra inputs");
      else expect(answer.status).toBe(200);
      expect(({} as { polluted?: number }).polluted).toBeUndefined();
    });

    test("any wrong type anywhere is answered in the envelope and never a 500", async () => {
      const strange = fc.constantFrom<Json>(null, true, -1, 1e308, "", "x", [], {}, [[]], [null], { type: 7 }, [
        { role: 1 },
      ]);
      const property = fc.asyncProperty(
        fc.nat(200),
        strange,
        fc.constantFrom(...MODELS),
        async (seed, value, model) => {
          const body = replaceAt(richBody(surface, model), seed, value);
          const answer = await send(surface, JSON.stringify(body), { model });
          const text = await answer.text();
          expect({ status: answer.status, body: text.slice(0, 300), sent: body }).not.toMatchObject({ status: 500 });
          if (answer.status >= 400) surface.errorMessage(JSON.parse(text) as JsonObject);
        },
      );
      await fc.assert(property, { numRuns: 150 });
    }, 60_000);

    test("missing, malformed and unknown keys are a 401 that holds no part of the key", async () => {
      const body = JSON.stringify(surface.body("sim-chat", "hi", false));
      for (const key of ["", "x", "sk-sluice-0000", `${sluice.key}x`, "'; drop table api_keys; --", "k".repeat(8000)]) {
        const answer = await send(surface, body, { headers: { authorization: key ? `Bearer ${key}` : "" } });
        const message = await refusal(surface, answer, 401);
        if (key.length > 1) expect(message).not.toContain(key);
        expect(answer.headers.get("x-should-retry")).toBe("false");
      }
    });
  });

  for (const model of MODELS) {
    describe(`a hostile upstream: ${surface.name} in front of ${model}`, () => {
      const ask = (orders: string, stream: boolean) =>
        send(surface, JSON.stringify(surface.body(model, `Tell me something. ${orders}`, stream)), { model, stream });

      test("failures before the first content are a 5xx in the envelope, plain and streamed", async () => {
        for (const orders of [
          "chunks=5 empty",
          "first-error",
          "status=503",
          "status=529",
          "status=429",
          "status=401",
          "bad-json",
        ]) {
          for (const stream of [false, true]) {
            if (orders === "bad-json" && stream) continue;
            const answer = await ask(`orders: ${orders}`, stream);
            const message = await refusal(surface, answer, 503);
            expect(message).not.toContain("127.0.0.1");
            expect(Number(answer.headers.get("retry-after"))).toBeGreaterThan(0);
          }
        }
      }, 30_000);

      test("an upstream that never answers is a 504", async () => {
        expect(await refusal(surface, await ask("orders: chunks=5 hang", true), 504)).toContain("in time");
      }, 20_000);

      test("a gigabyte without a newline and an event over 1 MiB end in an error while memory stays bounded", async () => {
        const before = process.memoryUsage.rss();
        await refusal(surface, await ask("orders: no-newline=1073741824", true), 503);
        const late = await (await ask("orders: chunks=5 big-event=2097152", true)).text();
        expect(late.length).toBeLessThan(1_500_000);
        expect(process.memoryUsage.rss() - before).toBeLessThan(400 * 1024 * 1024);
      }, 60_000);

      test("a stream that breaks off after content ends with an error in-band and is on the record", async () => {
        for (const orders of ["cut-after=3 chunks=9", "error-after=3 chunks=9", "hang-after=3 chunks=9"]) {
          const answer = await ask(`orders: ${orders}`, true);
          expect(answer.status).toBe(200);
          const text = await answer.text();
          expect({ orders, text }).toMatchObject({ text: expect.stringContaining("error") });
          expect(text).not.toContain("127.0.0.1");
          const record = await generation(answer);
          expect(record).toMatchObject({ model, cancelled: false, streamed: true });
          expect(record.error_code).not.toBeNull();
          expect(Number(record.tokens_completion)).toBeGreaterThan(0);
        }
      }, 30_000);

      test("half an event, comments and a missing terminator do not lose the answer", async () => {
        for (const orders of ["comments crlf", "split=1", "no-usage"]) {
          const answer = await ask(`orders: ${orders}`, true);
          const text = await answer.text();
          expect({ orders, status: answer.status }).toEqual({ orders, status: 200 });
          expect(text).toContain("something");
          if (orders === "no-usage") expect(await generation(answer)).toMatchObject({ usage_source: "estimated" });
        }
      }, 30_000);

      test("hostile usage is clamped and never makes a call cost less than nothing", async () => {
        const answer = await ask("orders: usage=in:-10,out:-5,cached:99999999999", false);
        expect(answer.status).toBe(200);
        await answer.text();
        const record = await generation(answer);
        expect(Number(record.total_cost)).toBeGreaterThanOrEqual(0);
        for (const count of Object.values(record.tokens as Record<string, number>))
          expect(count).toBeGreaterThanOrEqual(0);
      });
    });
  }
}

async function generation(answer: Response): Promise<JsonObject> {
  const id = answer.headers.get("x-request-id");
  const found = await fetch(`${sluice.url}/api/v1/generation?id=${id}`, { headers: { "x-api-key": sluice.key } });
  return ((await found.json()) as { data: JsonObject }).data;
}

/** Replaces the value at the seed-th place of a depth-first walk. */
function replaceAt(body: JsonObject, seed: number, value: Json): JsonObject {
  const places: [JsonObject | Json[], string | number][] = [];
  const walk = (holder: JsonObject | Json[]) => {
    for (const key of Object.keys(holder)) {
      const place = Array.isArray(holder) ? Number(key) : key;
      places.push([holder, place]);
      const inner = (holder as JsonObject)[key];
      if (typeof inner === "object" && inner !== null) walk(inner);
    }
  };
  walk(body);
  const [holder, key] = places[seed % places.length] ?? [body, "model"];
  (holder as JsonObject)[key as string] = value;
  return body;
}
