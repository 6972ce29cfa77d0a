/**
 * Tests that what a body says to the gateway alone reaches no upstream, in any format, relayed or converted.
 * Most upstreams refuse fields that they do not know; the others would learn whom a caller shuns.
 */
import { describe, expect, test } from "bun:test";
import { candidate, embeddingInquiry, inquiryIn, SMALL } from "../../test/support/calls.ts";
import type { JsonObject } from "../core/json.ts";
import { DIALECT_IDS } from "../core/request.ts";
import { translate } from "./translate.ts";

const OWN: JsonObject = {
  provider: { order: ["p"], sort: "price" },
  models: ["m2"],
  route: "fallback",
  session_id: "s",
  plugins: [],
};
const NAMES = Object.keys(OWN);
const WITH_BODY = DIALECT_IDS.filter((id) => id !== "gemini");

function sent(body: Uint8Array | string): JsonObject {
  return JSON.parse(typeof body === "string" ? body : new TextDecoder().decode(body)) as JsonObject;
}

describe.each(WITH_BODY)("a body of %s", (dialect) => {
  const inquiry = () => inquiryIn(dialect, { body: { ...SMALL[dialect], ...OWN } });

  test("has the fields in its head", () => {
    const { routing, session } = inquiry().head;
    expect(routing?.fields).toEqual(NAMES);
    expect(routing?.preferences).toEqual({ order: ["p"], sort: "price" });
    expect(session).toBe("s");
  });

  test("is relayed without them, and otherwise as it was", () => {
    const { path, body, losses } = translate(inquiry(), candidate(dialect));
    expect(path).toBe("relay");
    expect(sent(body)).toEqual({ ...SMALL[dialect], model: "up" });
    expect(losses).toEqual([]);
  });

  test("is relayed with them to an upstream that routes too", () => {
    const { body } = translate(inquiry(), candidate(dialect, { quirks: { [dialect]: { routingFields: true } } }));
    expect(sent(body)).toEqual({ ...SMALL[dialect], ...OWN, model: "up" });
  });

  test.each([...DIALECT_IDS])("is converted to %s without them, and without losses for them", (target) => {
    if (target === "openai-completions" || dialect === "openai-completions") return;
    const { body, losses } = translate({ ...inquiry(), framing: "json-array" }, candidate(target));
    expect(NAMES.filter((name) => name in sent(body))).toEqual([]);
    expect(losses.filter(({ field }) => NAMES.includes(field))).toEqual([]);
  });
});

test("a body of embeddings is relayed and converted without them", () => {
  const inquiry = embeddingInquiry("openai-embeddings", { model: "m", input: "Hi", ...OWN });
  expect(inquiry.head.routing?.fields).toEqual(NAMES);
  expect(sent(translate(inquiry, candidate("openai-embeddings")).body)).toEqual({ model: "up", input: "Hi" });
  const converted = translate(inquiry, candidate("gemini-embeddings"));
  expect(NAMES.filter((name) => name in sent(converted.body))).toEqual([]);
  expect(converted.losses).toEqual([]);
});
