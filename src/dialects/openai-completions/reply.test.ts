/**
 * Completions read from upstreams and written for callers, whole and streamed, with the habits of the servers that still speak it.
 * Each behaviour by its name; `test/cases` has the plain ones.
 */
import { describe, expect, test } from "bun:test";
import { sseData } from "../../../test/support/cases.ts";
import { checkOrder } from "../../../test/support/order.ts";
import { GatewayError } from "../../core/error.ts";
import type { CanonicalEvent, Reply } from "../../core/event.ts";
import type { Json, JsonObject } from "../../core/json.ts";
import { collect, unfold } from "../../core/reply.ts";
import type { CanonicalRequest } from "../../core/request.ts";
import { emptyUsage } from "../../core/usage.ts";
import type { EncodeContext } from "../dialect.ts";
import { openaiCompletions } from "./index.ts";
import { lengthOf } from "./logprobs.ts";

const HEAD = { id: "cmpl-1", object: "text_completion", created: 5, model: "m" };
const choice = (text: string, more: JsonObject = {}): JsonObject => ({
  text,
  index: 0,
  logprobs: null,
  finish_reason: null,
  ...more,
});
const chunk = (...choices: JsonObject[]): JsonObject => ({ ...HEAD, choices });
const USAGE = { prompt_tokens: 3, completion_tokens: 2, total_tokens: 5 };

function context(body: JsonObject = {}, more: Partial<EncodeContext> = {}): EncodeContext {
  const request: CanonicalRequest = openaiCompletions.decodeRequest({ model: "m", prompt: "Once 👋", ...body }, {});
  return { id: "r", createdAt: 9, model: "m", request, wantsStreamUsage: true, ...more };
}

function decode(body: Json): Reply {
  const events = openaiCompletions.decodeReply(body, { id: "r" });
  checkOrder(events);
  return collect(events);
}

function decodeStream(...chunks: (JsonObject | string)[]): CanonicalEvent[] {
  const decoder = openaiCompletions.streamDecoder({ id: "r" });
  const events = chunks.flatMap((one) =>
    decoder.frame({ event: undefined, data: typeof one === "string" ? one : JSON.stringify(one) }),
  );
  events.push(...decoder.end());
  checkOrder(events);
  return events;
}

function encodeStream(events: readonly CanonicalEvent[], asked: EncodeContext): unknown[] {
  const encoder = openaiCompletions.streamEncoder(asked, "sse");
  let text = "";
  for (const event of events) if (event.type !== "error") text += encoder.event(event);
  return sseData(text + encoder.end()).map(({ data }) => data);
}

/** What a chat model answers: thinking, text, a call, a refusal. */
const FOREIGN: Reply = {
  id: "chatcmpl-1",
  choices: [
    {
      parts: [
        { type: "thinking", text: "hm" },
        { type: "text", text: "Hello" },
        { type: "tool-call", id: "1", name: "f", kind: "function", arguments: "{}" },
        { type: "refusal", text: " no" },
      ],
      finish: { reason: "tool-calls", native: { dialect: "openai-chat", value: "tool_calls" } },
      logprobs: {
        content: [
          { token: "Hel", logprob: -1, bytes: [1], top: [{ token: "Hel", logprob: -1 }] },
          { token: "lo", logprob: -2, top: [] },
        ],
      },
    },
  ],
  usage: { ...emptyUsage("measured"), input: 3, output: 2 },
};

describe("whole", () => {
  test("survives the way through the canon, with what only its server says", () => {
    const body: JsonObject = {
      ...HEAD,
      system_fingerprint: "fp",
      choices: [
        choice("one", { finish_reason: "stop", stop_reason: "END", prompt_logprobs: [1] }),
        choice("two", {
          index: 1,
          finish_reason: "length",
          logprobs: { tokens: ["tw", "o"], token_logprobs: [null, -1], top_logprobs: null, text_offset: [4, 6] },
        }),
      ],
    };
    const reply = decode({ ...body, usage: USAGE });
    expect(reply.choices[0]?.finish).toMatchObject({ reason: "stop", stopSequence: "END" });
    expect(reply.choices[1]?.logprobs?.content).toEqual([
      { token: "tw", logprob: 0 },
      { token: "o", logprob: -1 },
    ]);
    expect(reply.usage).toMatchObject({ input: 3, output: 2, source: "measured" });
    const { usage, ...encoded } = openaiCompletions.encodeReply(reply, context({ echo: true }));
    expect(encoded).toEqual(body);
    expect(usage).toMatchObject(USAGE);
  });

  test("of a chat model is its text; the rest has no place, and the finish is one of three words", () => {
    const { choices, id, created } = openaiCompletions.encodeReply(FOREIGN, context());
    expect([id, created]).toEqual(["cmpl-r", 9]);
    expect(choices).toEqual([
      {
        text: "Hello no",
        index: 0,
        logprobs: {
          tokens: ["Hel", "lo"],
          token_logprobs: [-1, -2],
          top_logprobs: [{ Hel: -1 }, {}],
          text_offset: [0, 3],
        },
        finish_reason: "stop",
      },
    ]);
  });

  test("the prompt is put before it where the caller wants that, and counted in characters", () => {
    const [first] = openaiCompletions.encodeReply(FOREIGN, context({ echo: true })).choices as JsonObject[];
    expect(first).toMatchObject({ text: "Once 👋Hello no", logprobs: { text_offset: [6, 9] } });
    expect(lengthOf("a👋é\ud83d")).toBe(4);
  });

  test("log probabilities in Chat's form are read too", () => {
    const logprobs = {
      content: [{ token: "a", logprob: -1, bytes: [97], top_logprobs: [{ token: "b", logprob: -2 }] }],
    };
    const reply = decode(chunk(choice("a", { finish_reason: "stop", logprobs })));
    expect(reply.choices[0]?.logprobs?.content).toEqual([
      { token: "a", logprob: -1, bytes: [97], top: [{ token: "b", logprob: -2 }] },
    ]);
  });

  test("what is no reply is an error", () => {
    for (const body of [null, [], {}, { choices: [] }, { error: { message: "no", code: 503 } }]) {
      expect(openaiCompletions.decodeReply(body, { id: "r" }).at(-1)?.type).toBe("error");
    }
    const failed = decode(chunk(choice("a", { error: { message: "no" } })));
    expect(failed.failure?.message).toBe("no");
  });
});

describe("streamed", () => {
  test("choices come mixed; their ends wait for usage and the last of them", () => {
    const events = decodeStream(
      chunk(choice("a")),
      chunk(choice("x", { index: 1, finish_reason: "length" })),
      chunk(choice("b")),
      chunk(choice("", { finish_reason: "stop" })),
      { ...chunk(), usage: USAGE },
      "[DONE]",
    );
    const { choices, usage } = collect(events);
    expect(choices.map(({ parts, finish }) => [parts, finish.reason])).toEqual([
      [[{ type: "text", text: "ab" }], "stop"],
      [[{ type: "text", text: "x" }], "length"],
    ]);
    expect(usage).toMatchObject({ input: 3, output: 2 });
  });

  test("survives the way through the canon, with what only its server says, first and last", () => {
    const logprobs = { tokens: ["a"], token_logprobs: [-1], top_logprobs: null, text_offset: [0] };
    const chunks = [
      { ...chunk(choice("a")), system_fingerprint: "fp" },
      { ...chunk(choice("", { logprobs })) },
      { ...chunk(choice("", { finish_reason: "stop", stop_reason: "END" })), timings: { ms: 1 } },
    ];
    const encoded = encodeStream(decodeStream(...chunks, "[DONE]"), context({ echo: true }));
    expect(encoded).toEqual([...chunks, "[DONE]"]);
  });

  test("of a chat model is its text, with the prompt before each choice where the caller wants that", () => {
    const twice: Reply = { ...FOREIGN, choices: [...FOREIGN.choices, { parts: [], finish: { reason: "length" } }] };
    const head = { ...HEAD, id: "cmpl-r", created: 9 };
    const plain = encodeStream(unfold(twice), context({}, { wantsStreamUsage: false }));
    expect(plain).toEqual([
      { ...head, choices: [choice("Hello")] },
      { ...head, choices: [choice(" no")] },
      { ...head, choices: [choice("", { logprobs: expect.objectContaining({ text_offset: [0, 3] }) })] },
      { ...head, choices: [choice("", { finish_reason: "stop" })] },
      { ...head, choices: [choice("", { index: 1, finish_reason: "length" })] },
      "[DONE]",
    ]);
    const echoed = encodeStream(unfold(twice), context({ echo: true })) as JsonObject[];
    expect(echoed[0]).toEqual({ ...head, choices: [choice("Once 👋")] });
    expect(echoed[3]).toMatchObject({ choices: [{ logprobs: { text_offset: [6, 9] } }] });
    expect(echoed.slice(5)).toEqual([
      { ...head, choices: [choice("Once 👋", { index: 1 })] },
      { ...head, choices: [choice("", { index: 1, finish_reason: "length" })] },
      { ...head, choices: [], usage: expect.objectContaining(USAGE) },
      "[DONE]",
    ] as never);
  });

  test("one that ends too early is an error, one without [DONE] is not", () => {
    expect(decodeStream(chunk(choice("a"))).at(-1)).toMatchObject({
      type: "error",
      failure: { code: "incomplete_stream" },
    });
    expect(decodeStream("[DONE]").at(-1)?.type).toBe("error");
    const ended = decodeStream(chunk(choice("a", { finish_reason: "stop" })));
    expect(ended.at(-1)).toMatchObject({ type: "message-end", finish: { reason: "stop" } });
  });

  test("an error in it is the last event", () => {
    const events = decodeStream(chunk(choice("a")), { error: { message: "gone", code: 500 } }, chunk(choice("b")));
    expect(events.at(-1)).toMatchObject({ type: "error", failure: { message: "gone", status: 500 } });
    const encoder = openaiCompletions.streamEncoder(context(), "sse");
    const text = encoder.error(new GatewayError("upstream_unavailable", "No provider answers."));
    expect(sseData(text)[0]?.data).toMatchObject({ error: { message: "No provider answers." }, request_id: "r" });
  });

  test("the usage chunk that relay asked for is told apart", () => {
    const frame = (body: JsonObject) => ({ event: undefined, data: JSON.stringify(body) });
    expect(openaiCompletions.isUsageOnly(frame({ ...chunk(), usage: USAGE }))).toBe(true);
    expect(openaiCompletions.isUsageOnly(frame({ ...chunk(choice("a")), usage: USAGE }))).toBe(false);
  });
});
