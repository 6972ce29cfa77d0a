/**
 * The official SDKs as readers of streams: each accumulates a stream in its own way, from memory.
 * `test/wire.test.ts` gives them what a caller of their format would get of another format's answer.
 */
import Anthropic from "@anthropic-ai/sdk";
import { GoogleGenAI } from "@google/genai";
import OpenAI from "openai";
import { asArray, asObject, type Json, type JsonObject } from "../../src/core/json.ts";
import type { MainDialect } from "./exchanges.ts";

/** Reads a stream's text to its end and returns the whole answer as the SDK has put it together. */
export type Reader = (sse: string) => Promise<JsonObject>;

const KEY = "none";
const ADDRESS = "http://localhost.invalid";

/** A `fetch` that answers with the stream, whatever is asked. */
function answering(sse: string): typeof fetch {
  const headers = { "content-type": "text/event-stream" };
  return (async () => new Response(sse, { headers })) as unknown as typeof fetch;
}

const plain = (value: unknown): JsonObject => JSON.parse(JSON.stringify(value)) as JsonObject;

/** The helper does not join what its types lack, so reasoning is joined here, as its users do. */
async function readChat(sse: string): Promise<JsonObject> {
  const client = new OpenAI({ apiKey: KEY, baseURL: ADDRESS, maxRetries: 0, fetch: answering(sse) });
  const runner = client.chat.completions.stream({ model: "m", messages: [{ role: "user", content: "hi" }] });
  const reasoning = new Map<number, string>();
  for await (const chunk of runner) {
    for (const { index, delta } of chunk.choices) {
      const { reasoning_content: text } = delta as { reasoning_content?: string };
      if (text) reasoning.set(index, (reasoning.get(index) ?? "") + text);
    }
  }
  const whole = plain(await runner.finalChatCompletion());
  for (const choice of asArray(whole.choices).map(asObject)) {
    const message = asObject(choice?.message);
    const text = reasoning.get(choice?.index as number);
    if (!message) continue;
    // Of these the helper keeps the last piece.
    delete message.reasoning_details;
    if (text !== undefined) message.reasoning_content = text;
  }
  return whole;
}

async function readResponses(sse: string): Promise<JsonObject> {
  const client = new OpenAI({ apiKey: KEY, baseURL: ADDRESS, maxRetries: 0, fetch: answering(sse) });
  return plain(await client.responses.stream({ model: "m", input: "hi" }).finalResponse());
}

async function readMessages(sse: string): Promise<JsonObject> {
  const client = new Anthropic({ apiKey: KEY, baseURL: ADDRESS, maxRetries: 0, fetch: answering(sse) });
  const messages = [{ role: "user" as const, content: "hi" }];
  return plain(await client.messages.stream({ model: "m", max_tokens: 1, messages }).finalMessage());
}

/** This SDK hands out chunks; what its users join of them is joined here. */
async function readGemini(sse: string): Promise<JsonObject> {
  const httpOptions = { baseUrl: ADDRESS, fetch: answering(sse) };
  const client = new GoogleGenAI({ apiKey: KEY, httpOptions });
  const candidates: JsonObject[] = [];
  let whole: JsonObject = {};
  for await (const chunk of await client.models.generateContentStream({ model: "m", contents: "hi" })) {
    const piece = plain(chunk);
    for (const one of asArray(piece.candidates).map(asObject)) {
      const index = typeof one?.index === "number" ? one.index : 0;
      const before = candidates[index];
      const parts = [...partsOf(before), ...partsOf(one)];
      candidates[index] = { ...before, ...one, content: { role: "model", parts } };
    }
    whole = { ...whole, ...piece };
  }
  delete whole.sdkHttpResponse;
  return { ...whole, candidates: candidates.filter((one) => one !== undefined) };
}

function partsOf(candidate: JsonObject | undefined): Json[] {
  return asArray(asObject(candidate?.content)?.parts);
}

export const READERS: Record<MainDialect, Reader> = {
  "openai-chat": readChat,
  "openai-responses": readResponses,
  "anthropic-messages": readMessages,
  gemini: readGemini,
};
