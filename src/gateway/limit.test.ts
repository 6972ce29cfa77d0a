/**
 * Tests of the output limit that admission may lower: every format's upstream is told it, on relay and on convert,
 * thinking stays below it, and a caller whose own wish was lowered is told.
 */
import { describe, expect, test } from "bun:test";
import { candidate, type InquiryOptions, inquiryIn, SMALL } from "../../test/support/calls.ts";
import type { Quirks } from "../core/endpoint.ts";
import type { JsonObject } from "../core/json.ts";
import { DIALECT_IDS, type DialectId } from "../core/request.ts";
import type { GenerationInquiry } from "./inquiry.ts";
import { translate } from "./translate.ts";

const THINKING = new Set(["thinking" as const]);

function asked(
  dialect: DialectId,
  outputLimit: number,
  body: JsonObject,
  over: InquiryOptions = {},
): GenerationInquiry {
  return { ...inquiryIn(dialect, { ...over, body: { ...SMALL[dialect], ...body } }), outputLimit };
}

function sent(inquiry: GenerationInquiry, to: DialectId = inquiry.dialect.id, quirks: Quirks = {}, most = 64_000) {
  const target = candidate(to, { maxOutputTokens: most, capabilities: THINKING, quirks: { [to]: quirks } });
  const { body, path, losses } = translate(inquiry, target);
  const text = typeof body === "string" ? body : new TextDecoder().decode(body);
  return { body: JSON.parse(text) as JsonObject, text, path, losses };
}

/** A wish for so many tokens, and where it stands in the body. */
const WISHES: Record<DialectId, { say(limit: number): JsonObject; read(body: JsonObject): unknown }> = {
  "openai-chat": {
    say: (limit) => ({ max_completion_tokens: limit }),
    read: (body) => body.max_completion_tokens,
  },
  "openai-responses": { say: (limit) => ({ max_output_tokens: limit }), read: (body) => body.max_output_tokens },
  "openai-completions": { say: (limit) => ({ max_tokens: limit }), read: (body) => body.max_tokens },
  "anthropic-messages": { say: (limit) => ({ max_tokens: limit }), read: (body) => body.max_tokens },
  gemini: {
    say: (limit) => ({ generationConfig: { maxOutputTokens: limit, topK: 3 } }),
    read: (body) => (body.generationConfig as JsonObject).maxOutputTokens,
  },
};

const LOWERED = { field: "maxOutputTokens", kind: "altered" } as const;

for (const dialect of DIALECT_IDS) {
  const { say, read } = WISHES[dialect];
  describe(`an output limit for ${dialect}`, () => {
    test("takes the place of a higher wish, and the caller is told", () => {
      const { body, path, losses } = sent(asked(dialect, 500, say(9000)));
      expect([read(body), path, losses]).toEqual([500, "relay", [LOWERED]]);
    });

    test("is never above what the model can write", () => {
      expect(read(sent(asked(dialect, 500, say(9000)), dialect, {}, 300).body)).toBe(300);
    });

    test("leaves a lower wish alone, byte for byte", () => {
      const inquiry = asked(dialect, 500, say(400));
      const { text, losses } = sent(inquiry);
      expect(text).toBe(sent({ ...inquiry, outputLimit: undefined }).text);
      expect(losses).toEqual([]);
    });

    test("is told an upstream of every other format", () => {
      for (const to of DIALECT_IDS) {
        if (to === dialect) continue;
        const { body, losses } = sent(asked(dialect, 500, say(9000)), to);
        expect([to, WISHES[to].read(body)]).toEqual([to, 500]);
        expect(losses).toContainEqual(LOWERED);
      }
    });

    test("is not told an upstream that takes none", () => {
      const { body, losses } = sent(asked(dialect, 500, {}), dialect, { refuses: ["maxOutputTokens"] });
      if (dialect !== "anthropic-messages") expect(JSON.stringify(body)).not.toContain("500");
      expect(losses.filter(({ field }) => field !== "maxOutputTokens")).toEqual([]);
    });
  });
}

describe("a limit where the caller has none", () => {
  test("is put into the body, unless the model writes no more anyway", () => {
    for (const dialect of DIALECT_IDS) {
      if (dialect === "anthropic-messages") continue;
      const { body, losses } = sent(asked(dialect, 500, {}));
      expect([dialect, WISHES[dialect].read(body), losses]).toEqual([dialect, 500, []]);
      expect(sent(asked(dialect, 500, {}), dialect, {}, 500).text).not.toContain("500");
    }
  });

  test("finds its place among Gemini's settings in either spelling", () => {
    const snake = asked("gemini", 500, { generation_config: { max_output_tokens: 9000, top_k: 3 } });
    expect(sent(snake).body.generation_config).toEqual({ maxOutputTokens: 500, top_k: 3 });
    const empty = asked("gemini", 500, { generationConfig: null });
    expect(sent(empty).body.generationConfig).toEqual({ maxOutputTokens: 500 });
    const both = asked("gemini", 500, { generationConfig: {}, generation_config: { max_output_tokens: 9000 } });
    const { body, path } = sent(both);
    expect([path, JSON.stringify(body).includes("9000")]).toEqual(["convert", false]);
  });

  test("replaces whichever name of Chat's the caller used", () => {
    expect(sent(asked("openai-chat", 500, { max_tokens: 9000 })).body).toMatchObject({ max_tokens: 500 });
    const both = sent(asked("openai-chat", 500, { max_tokens: 9000, max_completion_tokens: 8000 })).body;
    expect([both.max_tokens, both.max_completion_tokens]).toEqual([undefined, 500]);
    const renamed = sent(asked("openai-chat", 500, {}), "openai-chat", { maxTokensField: "max_tokens" }).body;
    expect([renamed.max_tokens, renamed.max_completion_tokens]).toEqual([500, undefined]);
  });
});

describe("thinking under a lowered limit", () => {
  const BUDGET = { field: "reasoning.budgetTokens", kind: "altered" } as const;
  const thinking = (budget: number) => ({ max_tokens: 20_000, thinking: { type: "enabled", budget_tokens: budget } });

  test("is relayed where it fits", () => {
    const { path, body } = sent(asked("anthropic-messages", 5000, thinking(4999)));
    expect([path, body.max_tokens, body.thinking]).toEqual(["relay", 5000, { type: "enabled", budget_tokens: 4999 }]);
  });

  test("is lowered with it where it does not, in every format that has budgets", () => {
    const messages = sent(asked("anthropic-messages", 5000, thinking(5000)));
    expect(messages.body).toMatchObject({ max_tokens: 5000, thinking: { type: "enabled", budget_tokens: 4000 } });
    expect(messages).toMatchObject({ path: "convert", losses: [LOWERED, BUDGET] });
    const config = { maxOutputTokens: 20_000, thinkingConfig: { thinkingBudget: 8000 } };
    const gemini = sent(asked("gemini", 5000, { generationConfig: config }));
    expect(gemini.body).toMatchObject({
      generationConfig: { maxOutputTokens: 5000, thinkingConfig: { thinkingBudget: 4000 } },
    });
    const wish = { max_tokens: 20_000, reasoning: { max_tokens: 8000 } };
    const chat = sent(asked("openai-chat", 5000, wish), "openai-chat", { reasoningRequest: "reasoning" });
    expect(chat.body).toMatchObject({ max_completion_tokens: 5000, reasoning: { max_tokens: 4000 } });
  });

  test("is left out where the limit has no room for any", () => {
    const { body, losses } = sent(asked("anthropic-messages", 1000, thinking(8000)));
    expect([body.max_tokens, body.thinking]).toEqual([1000, undefined]);
    expect(losses).toContainEqual({ field: "reasoning", kind: "dropped" });
  });
});

test("an answer that echoes the request tells the limit that was set", () => {
  const inquiry = asked("openai-responses", 500, { max_output_tokens: 9000 });
  const reply = { choices: [{ index: 0, message: { role: "assistant", content: "Hi" }, finish_reason: "stop" }] };
  const { whole } = translate(inquiry, candidate("openai-chat", { maxOutputTokens: 64_000 }));
  const { output } = whole(new TextEncoder().encode(JSON.stringify(reply)));
  expect(JSON.parse(output as string)).toMatchObject({ max_output_tokens: 500 });
});
