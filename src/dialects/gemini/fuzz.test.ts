/** Property tests: no request, answer or frame of any shape makes this dialect throw, hang or break the order of events. */
import { expect, test } from "bun:test";
import fc from "fast-check";
import { checkOrder } from "../../../test/support/order.ts";
import { GatewayError } from "../../core/error.ts";
import type { CanonicalEvent } from "../../core/event.ts";
import { CAPABILITIES } from "../../core/head.ts";
import type { Json, JsonObject } from "../../core/json.ts";
import { collect } from "../../core/reply.ts";
import type { EncodeContext, EncodeTarget } from "../dialect.ts";
import { gemini } from "./index.ts";

const TARGET: EncodeTarget = {
  model: "gemini-3-flash",
  stream: false,
  maxOutputTokens: 1000,
  capabilities: new Set(CAPABILITIES),
  quirks: {},
};

const CONTEXT: EncodeContext = {
  id: "req_1",
  createdAt: 1,
  model: "m",
  request: { model: "m", stream: false, messages: [] },
  wantsStreamUsage: true,
};

/** JSON in which the wire's own words are frequent. */
function wireJson(keys: readonly string[], words: readonly Json[]): fc.Arbitrary<Json> {
  const { tree } = fc.letrec<{ tree: Json }>((tie) => ({
    tree: fc.oneof(
      { maxDepth: 6, withCrossShrink: true },
      fc.constantFrom(...words),
      fc.oneof(fc.string(), fc.double(), fc.boolean(), fc.constant(null)) as fc.Arbitrary<Json>,
      fc.array(tie("tree"), { maxLength: 4 }),
      fc.dictionary(
        fc.oneof({ weight: 6, arbitrary: fc.constantFrom(...keys) }, { weight: 1, arbitrary: fc.string() }),
        tie("tree"),
        {
          maxKeys: 5,
        },
      ) as fc.Arbitrary<Json>,
    ),
  }));
  return tree as fc.Arbitrary<Json>;
}

const PART_KEYS = [
  ...["text", "thought", "thoughtSignature", "inlineData", "fileData", "mimeType", "data", "fileUri", "functionCall"],
  ...["functionResponse", "name", "args", "id", "response", "parts", "partialArgs", "jsonPath", "stringValue"],
  ...["willContinue", "executableCode", "__proto__", "result", "error"],
];
const WORDS: Json[] = ["model", "user", "STOP", "$.a[0].b", "AA==", "image/png", 1, true, "OBJECT", "c2x1aWNl"];

const REPLY = wireJson(
  [
    ...PART_KEYS,
    ...[
      "candidates",
      "content",
      "role",
      "index",
      "finishReason",
      "usageMetadata",
      "promptTokenCount",
      "groundingMetadata",
    ],
    ...["groundingChunks", "groundingSupports", "segment", "promptFeedback", "blockReason", "logprobsResult"],
  ],
  WORDS,
);

const REQUEST = wireJson(
  [
    ...PART_KEYS,
    ...["contents", "role", "system_instruction", "tools", "functionDeclarations", "parameters", "type", "properties"],
    ...[
      "items",
      "anyOf",
      "generationConfig",
      "thinkingConfig",
      "responseSchema",
      "toolConfig",
      "functionCallingConfig",
    ],
  ],
  WORDS,
);

/** A part list inside a candidate, so that most runs get past the outermost shape. */
const CHUNK = fc.record(
  {
    candidates: fc.array(
      fc.record(
        { index: fc.nat(3), content: fc.record({ parts: fc.array(REPLY, { maxLength: 4 }) }), finishReason: REPLY },
        { requiredKeys: ["content"] },
      ),
      { maxLength: 3 },
    ),
    usageMetadata: REPLY,
    error: REPLY,
  },
  { requiredKeys: ["candidates"] },
) as unknown as fc.Arbitrary<Json>;

function encodeAll(events: CanonicalEvent[]): void {
  for (const framing of ["sse", "json-array"] as const) {
    const encoder = gemini.streamEncoder(CONTEXT, framing);
    let text = "";
    for (const event of events) if (event.type !== "error") text += encoder.event(event);
    text += encoder.end();
    if (framing === "json-array" && events.at(-1)?.type !== "error") JSON.parse(text);
  }
  JSON.stringify(gemini.encodeReply(collect(events), CONTEXT));
}

test("a request is decoded and written again, or refused with invalid_request", () => {
  const body = fc.oneof(
    REQUEST,
    fc.record({
      contents: fc.array(
        fc.record({ role: fc.constantFrom("user", "model"), parts: fc.array(REQUEST, { maxLength: 4 }) }),
        {
          maxLength: 4,
        },
      ),
      tools: fc.array(REQUEST, { maxLength: 2 }),
      generationConfig: fc.constantFrom<Json>({}, { responseSchema: {} }, { thinkingConfig: { thinkingBudget: 5 } }),
    }) as unknown as fc.Arbitrary<Json>,
  );
  fc.assert(
    fc.property(body, (value) => {
      if (typeof value !== "object" || value === null || Array.isArray(value)) return;
      const copy = JSON.stringify(value);
      try {
        gemini.peek(value, { model: "m" });
        const request = gemini.decodeRequest(value, { model: "m", stream: true });
        JSON.stringify(gemini.encodeRequest(request, TARGET));
      } catch (error) {
        if (!(error instanceof GatewayError)) throw error;
        expect(error.code).toBe("invalid_request");
      }
      expect(JSON.stringify(value)).toBe(copy);
    }),
    { numRuns: 1500 },
  );
});

test("an answer of any shape gives events in order, which can be written", () => {
  fc.assert(
    fc.property(fc.oneof(REPLY, CHUNK), (body) => {
      const events = gemini.decodeReply(body, { id: "req_1" });
      checkOrder(events);
      encodeAll(events);
    }),
    { numRuns: 1500 },
  );
});

test("frames of any shape give events in order, which can be written", () => {
  const data = fc.oneof(
    CHUNK.map((chunk) => JSON.stringify(chunk)),
    REPLY.map((value) => JSON.stringify(value)),
    fc.string(),
  );
  fc.assert(
    fc.property(fc.array(data, { maxLength: 6 }), (frames) => {
      const decoder = gemini.streamDecoder({ id: "req_1" });
      const events = frames.flatMap((text) => decoder.frame({ event: undefined, data: text }));
      const all = [...events, ...decoder.end()];
      checkOrder(all);
      encodeAll(all);
    }),
    { numRuns: 1500 },
  );
});

test("errors of any shape are understood", () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 400, max: 599 }),
      fc.oneof(
        fc.string(),
        REPLY.map((value) => JSON.stringify(value)),
      ),
      (status, body) => {
        expect(gemini.decodeError(status, new Headers(), body).status).toBe(status);
      },
    ),
    { numRuns: 500 },
  );
});

test("a thousand levels do not overflow", () => {
  let deep: Json = "end";
  for (let level = 0; level < 1000; level++)
    deep = level % 2 ? [deep] : { items: deep, args: deep === "end" ? null : [] };
  const bodies: JsonObject[] = [
    { contents: [{ role: "model", parts: [{ functionCall: { name: "f", args: { deep } } }] }] },
    {
      contents: [{ parts: [{ thing: deep }] }],
      tools: [{ functionDeclarations: [{ name: "f", parameters: { items: deep } }] }],
    },
  ];
  for (const body of bodies) {
    JSON.stringify(gemini.encodeRequest(gemini.decodeRequest(body, { model: "m" }), TARGET));
  }
  const reply = {
    candidates: [{ content: { parts: [{ functionCall: { name: "f", args: { deep } } }, { x: deep }] } }],
  };
  encodeAll(gemini.decodeReply(reply, { id: "x" }));
  encodeAll(gemini.decodeReply({ error: deep }, { id: "x" }));
});
