/**
 * Anything at all as a request, a reply or a stream: nothing throws but what is promised, and the order of events holds.
 * Values are arbitrary, or built from the format's own names so that they reach further.
 */
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { messages } from "../../../test/support/events.ts";
import { checkOrder } from "../../../test/support/order.ts";
import { GatewayError } from "../../core/error.ts";
import type { CanonicalEvent } from "../../core/event.ts";
import { CAPABILITIES } from "../../core/head.ts";
import { asObject, type Json, type JsonObject } from "../../core/json.ts";
import { collect } from "../../core/reply.ts";
import type { CanonicalRequest } from "../../core/request.ts";
import { REPLY_FIELDS } from "../openai-chat/reply-decode.ts";
import { openaiCompletions } from "./index.ts";
import { CHOICE_FIELDS, REQUEST_FIELDS } from "./wire.ts";

const NAMES = [
  ...REQUEST_FIELDS,
  ...REPLY_FIELDS,
  ...CHOICE_FIELDS,
  ...["tokens", "token_logprobs", "top_logprobs", "text_offset", "content", "include_usage", "prompt_tokens"],
  ...["message", "stop_reason", "__proto__", "toString", "$own", "$echo", "$reply"],
];
const { value: anything } = fc.letrec<{ value: Json }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 5, withCrossShrink: true },
    fc.oneof(fc.string(), fc.double(), fc.integer(), fc.boolean(), fc.constant(null)) as fc.Arbitrary<Json>,
    fc.array(tie("value"), { maxLength: 3 }),
    fc.dictionary(fc.constantFrom(...NAMES), tie("value"), { maxKeys: 5 }) as fc.Arbitrary<Json>,
  ),
}));
/** A request that is mostly in order, so that it is decoded to its end. */
const likelyRequest = fc.record(
  {
    model: fc.constant("m"),
    prompt: fc.oneof(fc.string(), fc.array(fc.string(), { maxLength: 2 }), anything),
    n: fc.integer({ min: 1, max: 3 }),
    best_of: fc.integer({ min: 1, max: 3 }),
    logprobs: fc.integer({ min: 0, max: 9 }),
    echo: fc.boolean(),
    stop: fc.oneof(fc.string(), fc.array(fc.string(), { maxLength: 6 })),
    user: fc.string({ maxLength: 100 }),
    stream_options: fc.dictionary(fc.constantFrom(...NAMES), anything),
    more: anything,
    $own: anything,
    $echo: anything,
  },
  { requiredKeys: ["model", "prompt"] },
);
const likelyChoice = fc.record(
  {
    text: fc.oneof(fc.string(), anything),
    index: fc.constantFrom(0, 0, 1, -1, 1e9, null),
    finish_reason: fc.constantFrom<Json>(null, "stop", "length", 5),
    logprobs: fc.oneof(
      anything,
      fc.record({ tokens: fc.array(fc.string(), { maxLength: 3 }), top_logprobs: anything }),
    ),
    more: anything,
  },
  { requiredKeys: [] },
);
const likelyReply = fc.record(
  {
    id: anything,
    usage: anything,
    error: fc.option(anything, { freq: 5 }),
    choices: fc.array(likelyChoice, { maxLength: 3 }),
    more: anything,
  },
  { requiredKeys: ["choices"] },
) as fc.Arbitrary<Json>;

const RUNS = { numRuns: 300 };
const target = { model: "m", stream: true, maxOutputTokens: 10, capabilities: new Set(CAPABILITIES), quirks: {} };
const request: CanonicalRequest = openaiCompletions.decodeRequest({ model: "m", prompt: "Once", echo: true }, {});
const context = { id: "r", createdAt: 1, model: "m", request, wantsStreamUsage: true };

/** What the work gives, or undefined when it refuses as it may. */
function unlessRefused<T>(work: () => T): T | undefined {
  try {
    return work();
  } catch (error) {
    if (error instanceof GatewayError && error.code === "invalid_request") return undefined;
    throw error;
  }
}

function decodeFrames(chunks: Json[]): CanonicalEvent[] {
  const decoder = openaiCompletions.streamDecoder({ id: "r" });
  const events = chunks.flatMap((chunk) => decoder.frame({ event: undefined, data: JSON.stringify(chunk) }));
  return [...events, ...decoder.end()];
}

/** Writes the events as a stream and reads it back as JSON, frame by frame. */
function written(events: readonly CanonicalEvent[]): JsonObject[] {
  const encoder = openaiCompletions.streamEncoder(context, "sse");
  let text = "";
  for (const event of events) if (event.type !== "error") text += encoder.event(event);
  const frames = (text + encoder.end()).split("\n\n").filter((frame) => frame !== "" && frame !== "data: [DONE]");
  return frames.map((frame) => JSON.parse(frame.slice("data: ".length)) as JsonObject);
}

describe("anything at all", () => {
  test("as a request is read or refused, and what was read can be written", () => {
    const body = fc.oneof(
      fc.dictionary(fc.constantFrom(...NAMES), anything),
      likelyRequest as fc.Arbitrary<JsonObject>,
    ) as fc.Arbitrary<JsonObject>;
    fc.assert(
      fc.property(body, (value) => {
        unlessRefused(() => openaiCompletions.peek(value, {}));
        const decoded = unlessRefused(() => openaiCompletions.decodeRequest(value, {}));
        if (decoded) JSON.stringify(openaiCompletions.encodeRequest(decoded, target));
      }),
      RUNS,
    );
  });

  test("as a reply gives events in legal order that can be written again", () => {
    fc.assert(
      fc.property(fc.oneof(anything, likelyReply), (value) => {
        const events = openaiCompletions.decodeReply(value, { id: "r" });
        checkOrder(events);
        JSON.stringify(openaiCompletions.encodeReply(collect(events), context));
      }),
      RUNS,
    );
  });

  test("as a stream gives events in legal order that can be written again", () => {
    fc.assert(
      fc.property(fc.array(fc.oneof(anything, likelyReply, likelyReply), { maxLength: 8 }), (chunks) => {
        const events = decodeFrames(chunks);
        checkOrder(events);
        written(events);
      }),
      RUNS,
    );
  });

  test("a thousand levels deep overflows nothing", () => {
    let deep: Json = "x";
    for (let level = 0; level < 1000; level++) deep = level % 2 ? [deep] : { text: deep };
    const decoded = openaiCompletions.decodeRequest({ model: "m", prompt: "Once", deep, stream_options: { deep } }, {});
    JSON.stringify(openaiCompletions.encodeRequest(decoded, target));
    expect(unlessRefused(() => openaiCompletions.decodeRequest({ model: "m", prompt: [deep] }, {}))).toBeUndefined();
    checkOrder(openaiCompletions.decodeReply({ choices: [{ text: deep, logprobs: deep, deep }], deep }, { id: "r" }));
    checkOrder(decodeFrames([{ choices: [{ text: deep, logprobs: { tokens: deep }, deep }], usage: deep }]));
  });
});

describe("any answer of any model", () => {
  test("is its text after the prompt, and one end for each choice", () => {
    fc.assert(
      fc.property(messages(2), (events) => {
        const seen = new Map<number, { text: string; ends: number }>();
        for (const { choices } of written(events)) {
          for (const value of choices as Json[]) {
            const { index, text, finish_reason: word } = asObject(value) as JsonObject;
            const choice = seen.get(index as number) ?? { text: "", ends: 0 };
            choice.text += text as string;
            if (word !== null) choice.ends += 1;
            seen.set(index as number, choice);
          }
        }
        const whole = openaiCompletions.encodeReply(collect(events), context).choices as JsonObject[];
        for (const [number, choice] of seen) {
          // A stream tells texts as they come; parts that overlap are told whole otherwise.
          const told = whole[number]?.text as string;
          expect([...choice.text].sort()).toEqual([...told].sort());
          expect(choice.text.startsWith("Once")).toBe(true);
          expect(choice.ends).toBe(1);
        }
      }),
      RUNS,
    );
  });
});
