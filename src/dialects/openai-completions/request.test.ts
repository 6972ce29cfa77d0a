/**
 * How completions requests are read, what relay changes in them, and how conversations become prompts.
 * Each behaviour by its name; the cases in `test/cases` have the plain ones.
 */
import { describe, expect, test } from "bun:test";
import { cases } from "../../../test/support/cases.ts";
import { clientRequests, haveRecordings, recordings } from "../../../test/support/wire.ts";
import type { Quirks } from "../../core/endpoint.ts";
import { GatewayError } from "../../core/error.ts";
import { CAPABILITIES } from "../../core/head.ts";
import { asObject, type JsonObject } from "../../core/json.ts";
import { patchJson } from "../../core/patch.ts";
import { type CanonicalRequest, DIALECT_IDS, type Message } from "../../core/request.ts";
import type { EncodeTarget } from "../dialect.ts";
import { DIALECTS } from "../index.ts";
import { openaiCompletions } from "./index.ts";

const decode = (body: JsonObject) => openaiCompletions.decodeRequest({ model: "m", prompt: "Once", ...body }, {});
const peek = (body: JsonObject) => openaiCompletions.peek({ model: "m", prompt: "Once", ...body }, {});

function refusal(work: () => unknown): GatewayError {
  try {
    work();
  } catch (error) {
    if (error instanceof GatewayError) return error;
    throw error;
  }
  throw new Error("It was not refused.");
}

function unlessRefused<T>(work: () => T): T | undefined {
  try {
    return work();
  } catch (error) {
    if (error instanceof GatewayError) return undefined;
    throw error;
  }
}

function target(quirks: Quirks = {}, more: Partial<EncodeTarget> = {}): EncodeTarget {
  return { model: "up", stream: false, maxOutputTokens: 1000, capabilities: new Set(CAPABILITIES), quirks, ...more };
}

function encode(request: Partial<CanonicalRequest>, quirks: Quirks = {}, more: Partial<EncodeTarget> = {}) {
  const whole = { model: "m", stream: false, messages: [], ...request };
  const { body, losses } = openaiCompletions.encodeRequest(whole, target(quirks, more));
  return { body, losses: losses.map(({ field, kind }) => (kind === "altered" ? `~${field}` : field)) };
}

const text = (value: string) => ({ type: "text" as const, text: value });
const user = (...texts: string[]): Message => ({ role: "user", content: texts.map(text) });
const assistant = (value: string): Message => ({ role: "assistant", content: [text(value)] });

describe("decoding", () => {
  test("the prompt is the user's only turn, alone in a list too", () => {
    for (const prompt of ["Once upon", ["Once upon"]]) {
      expect(decode({ prompt }).messages).toEqual([user("Once upon")]);
    }
  });

  test("several prompts, tokens and nothing are refused, naming the prompt", () => {
    for (const prompt of [["a", "b"], [], [1, 2], [[1, 2]], [[1], "a"], null, 5, { text: "a" }]) {
      const { code, param } = refusal(() => decode({ prompt }));
      expect([code, param]).toEqual(["invalid_request", "prompt"]);
    }
    expect(refusal(() => decode({ prompt: ["a", "b"] })).message).toContain("one prompt");
    expect(refusal(() => decode({ prompt: [1, 2] })).message).toContain("token");
  });

  test("sampling, stops, the number of answers and the user are canonical", () => {
    const { extras: _, ...request } = decode({
      max_tokens: 5,
      temperature: 0,
      top_p: 0.5,
      top_k: 3,
      min_p: 0.1,
      frequency_penalty: 1,
      presence_penalty: -1,
      repetition_penalty: 1.1,
      seed: 4,
      stop: "END",
      n: 2,
      logit_bias: { 50256: -100 },
      user: "u",
      stream: true,
    });
    expect(request).toEqual({
      model: "m",
      stream: true,
      messages: [user("Once")],
      maxOutputTokens: 5,
      temperature: 0,
      topP: 0.5,
      topK: 3,
      minP: 0.1,
      frequencyPenalty: 1,
      presencePenalty: -1,
      repetitionPenalty: 1.1,
      seed: 4,
      stop: ["END"],
      candidates: 2,
      logitBias: { 50256: -100 },
      endUser: "u",
    });
  });

  test("no limit stays none: the sixteen tokens are a habit of old upstreams", () => {
    expect(decode({}).maxOutputTokens).toBeUndefined();
    expect(refusal(() => decode({ max_tokens: 0 })).param).toBe("max_tokens");
  });

  test("log probabilities are a number of alternatives, which may be none", () => {
    expect(decode({ logprobs: 0 })).toMatchObject({ logprobs: true });
    expect(decode({ logprobs: 0 }).topLogprobs).toBeUndefined();
    expect(decode({ logprobs: 3 })).toMatchObject({ logprobs: true, topLogprobs: 3 });
    expect(decode({ logprobs: null }).logprobs).toBeUndefined();
  });

  test("a wrong type is refused with its path", () => {
    const wrong: JsonObject[] = [{ n: 0 }, { stop: [1] }, { logprobs: true }, { echo: "yes" }, { stream: 1 }];
    expect(wrong.map((body) => refusal(() => decode(body)).param)).toEqual([
      "n",
      "stop[0]",
      "logprobs",
      "echo",
      "stream",
    ]);
  });

  test("what no other format has is told as a loss there, and only that", () => {
    const lost = (body: JsonObject) =>
      DIALECTS["openai-chat"].encodeRequest(decode(body), target()).losses.map(({ field }) => field);
    expect(lost({ suffix: "end", best_of: 3, n: 2, guided_regex: "a+" }).sort()).toEqual([
      "best_of",
      "guided_regex",
      "suffix",
    ]);
    expect(lost({ echo: true, best_of: 1, stream: true, stream_options: { include_usage: true } })).toEqual([]);
    for (const id of DIALECT_IDS) expect(DIALECTS[id].encodeRequest(decode({}), target()).losses).toEqual([]);
  });

  test("its own upstream gets the same request back", () => {
    const body: JsonObject = {
      model: "up",
      prompt: "Once",
      max_tokens: 7,
      n: 2,
      best_of: 3,
      echo: true,
      suffix: "end",
      logprobs: 2,
      stop: ["a"],
      temperature: 1,
      top_k: 5,
      seed: 1,
      logit_bias: { 1: 2 },
      user: "u",
      guided_regex: "a+",
    };
    expect(encode(decode(body), { extendedSampling: true })).toEqual({ body, losses: [] });
    expect(encode(decode({})).body).toEqual({ model: "up", prompt: "Once" });
  });
});

describe("the head", () => {
  test("counts every answer that is billed: of each prompt, and of the best of many", () => {
    expect(peek({}).candidates).toBe(1);
    expect(peek({ n: 2, best_of: 5 }).candidates).toBe(5);
    expect(peek({ prompt: ["a", "b", "c"], n: 2 }).candidates).toBe(6);
    expect(peek({ prompt: [[1, 2], [3]] }).candidates).toBe(2);
    expect(peek({ prompt: [1, 2, 3, "a"] }).candidates).toBe(1);
    expect(peek({ prompt: [] }).candidates).toBe(1);
  });

  test("a limit of nothing is a limit", () => {
    expect(peek({ max_tokens: 0 }).maxOutputTokens).toBe(0);
    expect(peek({}).maxOutputTokens).toBeUndefined();
    expect(refusal(() => peek({ max_tokens: -1 })).param).toBe("max_tokens");
    expect(refusal(() => peek({ model: "" })).param).toBe("model");
  });

  test("relay patches the model and asks for usage in streams", () => {
    const relayed = (body: JsonObject, quirks: Quirks = {}) => {
      const edits = openaiCompletions.relayEdits(peek(body), { model: "up", quirks }, body);
      const bytes = new TextEncoder().encode(JSON.stringify({ model: "m", ...body }));
      return JSON.parse(new TextDecoder().decode(patchJson(bytes, edits)));
    };
    expect(relayed({ prompt: [[1], [2]] })).toEqual({ model: "up", prompt: [[1], [2]] });
    expect(relayed({ stream: true }).stream_options).toEqual({ include_usage: true });
    expect(relayed({ stream: true, stream_options: { x: 1 } }, { noStreamOptions: true }).stream_options).toBe(
      undefined,
    );
  });
});

describe("prompts", () => {
  test("a single turn stands for itself", () => {
    expect(encode({ messages: [user("Hi", "there")], maxOutputTokens: 5 })).toEqual({
      body: { model: "up", prompt: "Hi\n\nthere", max_tokens: 5 },
      losses: [],
    });
  });

  test("instructions come before it", () => {
    const encoded = encode({ system: [text("Be brief."), text("Be kind.")], messages: [user("Hi")] });
    expect(encoded.body.prompt).toBe("Be brief.\n\nBe kind.\n\nHi");
    expect(encoded.losses).toEqual(["~system", "~messages"]);
  });

  test("a conversation is a transcript, and the model stops before the user's next turn", () => {
    const encoded = encode({
      system: [text("Be brief.")],
      messages: [user("Hi"), assistant("Hello."), { role: "system", content: [text("Be kind.")] }, user("And now?")],
      stop: ["END"],
    });
    expect(encoded.body.prompt).toBe(
      "Be brief.\n\nUser: Hi\n\nAssistant: Hello.\n\nSystem: Be kind.\n\nUser: And now?\n\nAssistant:",
    );
    expect(encoded.body.stop).toEqual(["END", "\n\nUser:"]);
    expect(encoded.losses).toEqual(["~system", "~messages"]);
  });

  test("an assistant's turn at the end is gone on with", () => {
    const { prompt } = encode({ messages: [user("Hi"), assistant("Well")] }).body;
    expect(prompt).toBe("User: Hi\n\nAssistant: Well");
  });

  test("tools are lost, and what was called before is told in words", () => {
    const encoded = encode({
      tools: [{ type: "function", name: "f" }],
      toolChoice: { type: "required" },
      messages: [
        user("Weather?"),
        {
          role: "assistant",
          content: [
            { type: "thinking", text: "hm" },
            text("Let me see."),
            { type: "tool-call", id: "1", name: "f", kind: "function", arguments: '{"a":1}' },
          ],
        },
        {
          role: "tool",
          content: [{ type: "tool-result", callId: "1", name: "f", kind: "function", content: [text("Rain")] }],
        },
      ],
    });
    expect(encoded.body.prompt).toBe(
      'User: Weather?\n\nAssistant: Let me see.\n\nAssistant called f: {"a":1}\n\nTool f answered: Rain\n\nAssistant:',
    );
    expect(encoded.losses).toEqual(["~messages", "messages.thinking", "tools"]);
  });

  test("media are lost, but not documents of text", () => {
    const image = { type: "image" as const, source: { type: "url" as const, url: "https://example.org/a.png" } };
    const file = { type: "file" as const, source: { type: "text" as const, text: "A document." } };
    const encoded = encode({ messages: [{ role: "user", content: [file, image, text("What is it?")] }] });
    expect(encoded.body.prompt).toBe("A document.\n\nWhat is it?");
    expect(encoded.losses).toEqual(["messages.image"]);
  });

  test("every recorded request of any format becomes a prompt", () => {
    const bodies = [
      ...recordings("openai.chat").map((one) => ["openai-chat", one.request?.body] as const),
      ...recordings("openai.responses").map((one) => ["openai-responses", one.request?.body] as const),
      ...recordings("anthropic.messages").map((one) => ["anthropic-messages", one.request?.body] as const),
      ...recordings("gemini.generateContent").map((one) => ["gemini", one.request?.body] as const),
      ...clientRequests().map((one) => ["anthropic-messages", asObject(one.body)] as const),
    ];
    let count = 0;
    for (const [id, body] of bodies) {
      const request = unlessRefused(() => DIALECTS[id].decodeRequest(body ?? {}, { model: "m" }));
      if (!request) continue;
      count += 1;
      expect(typeof encode(request).body.prompt).toBe("string");
    }
    for (const { request } of cases()) expect(typeof encode(request).body.prompt).toBe("string");
    expect(count).toBeGreaterThan(haveRecordings() ? 500 : -1);
  });
});

describe("for upstreams", () => {
  test("callers of other formats get the model's own limit, not the sixteen tokens", () => {
    expect(encode({ messages: [user("Hi")] }).body.max_tokens).toBe(1000);
    expect(encode({ messages: [user("Hi")], maxOutputTokens: 5000 }).body.max_tokens).toBe(1000);
    expect(encode({ messages: [user("Hi")] }, {}, { maxOutputTokens: 0 }).body.max_tokens).toBeUndefined();
    expect(encode({ messages: [user("Hi")] }, { refuses: ["maxOutputTokens"] }).body.max_tokens).toBeUndefined();
  });

  test("a stream is asked for its usage", () => {
    const streamed = (quirks: Quirks) => encode({ messages: [user("Hi")] }, quirks, { stream: true }).body;
    expect(streamed({})).toMatchObject({ stream: true, stream_options: { include_usage: true } });
    expect(streamed({ noStreamOptions: true }).stream_options).toBeUndefined();
  });

  test("what a prompt cannot ask for is a loss; what was not really asked for is none", () => {
    const lost = encode({
      messages: [user("Hi")],
      topK: 1,
      reasoning: { effort: "high" },
      outputFormat: { type: "json" },
      modalities: ["text", "audio"],
      verbosity: "low",
      metadata: {},
      cacheKey: "k",
      serviceTier: "flex",
      endUser: "x".repeat(65),
      topLogprobs: 20,
      stop: ["1", "2", "3", "4", "5"],
    });
    expect(lost.losses.sort()).toEqual([
      "cacheKey",
      "endUser",
      "metadata",
      "modalities",
      "outputFormat",
      "reasoning",
      "serviceTier",
      "topK",
      "verbosity",
      "~stop",
      "~topLogprobs",
    ]);
    const none = encode({
      messages: [user("Hi")],
      tools: [],
      reasoning: { effort: "none" },
      outputFormat: { type: "text" },
      modalities: ["text"],
      candidates: 1,
    });
    expect(none).toEqual({ body: { model: "up", prompt: "Hi", max_tokens: 1000 }, losses: [] });
  });
});
