/**
 * The official Gemini client against the simulated provider's generateContent.
 * It proves that what the simulator writes is what the client's types promise.
 */
import { afterAll, describe, expect, test } from "bun:test";
import { type Content, FunctionCallingConfigMode, type FunctionDeclaration, GoogleGenAI, Type } from "@google/genai";
import { serveSimulator } from "./index.ts";

const server = serveSimulator({ port: 0 });
afterAll(() => server.stop());
const client = new GoogleGenAI({ apiKey: "k", httpOptions: { baseUrl: server.url } });
const model = "gemini-2.5-flash";
const declarations: FunctionDeclaration[] = ["get_weather", "add"].map((name) => ({
  name,
  parameters: { type: Type.OBJECT, properties: { city: { type: Type.STRING } }, required: ["city"] },
}));
const tools = [{ functionDeclarations: declarations }];

/** What a call is refused with; the clients' promises are no native ones, so they are awaited by hand. */
async function refusal(call: PromiseLike<unknown>): Promise<string> {
  try {
    await call;
  } catch (error) {
    return String(error);
  }
  return "it was not refused";
}

describe("generateContent", () => {
  test("answers whole and streamed alike", async () => {
    const config = { systemInstruction: "Be brief." };
    const whole = await client.models.generateContent({ model, contents: "Hello there", config });
    expect(whole.text).toBe("You said: Hello there [system: 9 chars]");
    let text = "";
    let last: unknown;
    for await (const chunk of await client.models.generateContentStream({ model, contents: "Hello there", config })) {
      text += chunk.text ?? "";
      last = chunk.usageMetadata;
    }
    expect(text).toBe(whole.text ?? "");
    expect(last).toEqual(whole.usageMetadata);
    expect(whole.candidates?.[0]?.finishReason).toBe("STOP" as never);
  });

  test("calls functions in parallel, signs the first, and wants the signature back", async () => {
    const shared = { model: "gemini-3-pro-preview", config: { tools } };
    const question: Content = { role: "user", parts: [{ text: 'call:get_weather{"city":"Paris"} call:add' }] };
    const first = await client.models.generateContent({ ...shared, contents: [question] });
    expect(first.functionCalls?.map((call) => [call.name, call.args])).toEqual([
      ["get_weather", { city: "Paris" }],
      ["add", { city: "sample city" }],
    ]);
    const said = first.candidates?.[0]?.content as Content;
    expect(said.parts?.map((part) => part.thoughtSignature !== undefined)).toEqual([true, false]);
    const responses = (first.functionCalls ?? []).map(({ id, name }) => ({
      functionResponse: { id, name, response: { output: `for ${name}` } },
    }));
    const answered: Content = { role: "user", parts: responses };
    const second = await client.models.generateContent({ ...shared, contents: [question, said, answered] });
    expect(second.text).toContain('[signatures: 1] [tool results: 2: "for get_weather", "for add"]');
    const unsigned: Content = { role: "model", parts: said.parts?.map(({ functionCall }) => ({ functionCall })) };
    expect(
      await refusal(client.models.generateContent({ ...shared, contents: [question, unsigned, answered] })),
    ).toContain("missing a thought_signature");
    const forged: Content = {
      role: "model",
      parts: said.parts?.map((part) => ({ ...part, thoughtSignature: "AAAA" })),
    };
    expect(
      await refusal(client.models.generateContent({ ...shared, contents: [question, forged, answered] })),
    ).toContain("Corrupted thought signature");
    const skipped: Content = {
      role: "model",
      parts: said.parts?.map((part) => ({ ...part, thoughtSignature: "skip_thought_signature_validator" })),
    };
    expect(
      (await client.models.generateContent({ ...shared, contents: [question, skipped, answered] })).text,
    ).toContain("tool results: 2");
    const fewer: Content = { role: "user", parts: responses.slice(1) };
    expect(await refusal(client.models.generateContent({ ...shared, contents: [question, said, fewer] }))).toContain(
      "equal to the number of function call parts",
    );
  });

  test("shows thoughts when asked, and charges them beside the answer", async () => {
    const config = { thinkingConfig: { includeThoughts: true, thinkingBudget: 500 } };
    const answer = await client.models.generateContent({ model, contents: "hi", config });
    const parts = answer.candidates?.[0]?.content?.parts ?? [];
    expect(parts[0]).toMatchObject({ thought: true });
    expect(parts[1]?.thoughtSignature).toBeString();
    const usage = answer.usageMetadata;
    expect(usage?.thoughtsTokenCount).toBeGreaterThan(0);
    expect(usage?.totalTokenCount).toBe(
      (usage?.promptTokenCount ?? 0) + (usage?.candidatesTokenCount ?? 0) + (usage?.thoughtsTokenCount ?? 0),
    );
  });

  test("obeys the function calling mode, the limit, stop sequences and candidate count", async () => {
    const ask = (contents: string, config: object) => client.models.generateContent({ model, contents, config });
    const forced = await ask("hi", {
      tools,
      toolConfig: { functionCallingConfig: { mode: FunctionCallingConfigMode.ANY, allowedFunctionNames: ["add"] } },
    });
    expect(forced.functionCalls?.[0]?.name).toBe("add");
    const none = await ask("call:add", {
      tools,
      toolConfig: { functionCallingConfig: { mode: FunctionCallingConfigMode.NONE } },
    });
    expect(none.functionCalls).toBeUndefined();
    expect((await ask("words=50", { maxOutputTokens: 3 })).candidates?.[0]).toMatchObject({
      finishReason: "MAX_TOKENS",
    });
    expect((await ask("one two", { stopSequences: ["two"] })).text).toBe("You said: one ");
    expect((await ask("hi", { candidateCount: 2 })).candidates).toHaveLength(2);
    expect((await ask("refuse", {})).candidates?.[0]).toMatchObject({
      finishReason: "SAFETY",
      safetyRatings: expect.any(Array),
    });
  });

  test("answers in JSON for both kinds of schema", async () => {
    const ask = async (config: object) =>
      JSON.parse(
        (
          await client.models.generateContent({
            model,
            contents: "hi",
            config: { responseMimeType: "application/json", ...config },
          })
        ).text ?? "",
      );
    expect(
      await ask({ responseSchema: { type: Type.OBJECT, properties: { n: { type: Type.INTEGER } }, required: ["n"] } }),
    ).toEqual({ n: 1 });
    expect(
      await ask({ responseJsonSchema: { type: "object", properties: { n: { const: 3 } }, required: ["n"] } }),
    ).toEqual({ n: 3 });
  });

  test("refuses schema keywords it does not know, except as JSON schema", async () => {
    // by hand, because the client drops some of them itself
    const ask = async (declaration: object) => {
      const body = {
        contents: [{ parts: [{ text: "hi" }] }],
        tools: [{ functionDeclarations: [{ name: "f", ...declaration }] }],
      };
      const request = { method: "POST", headers: { "x-goog-api-key": "k" }, body: JSON.stringify(body) };
      return (await fetch(`${server.url}/v1beta/models/${model}:generateContent`, request)).text();
    };
    for (const keyword of ["$schema", "additionalProperties", "exclusiveMinimum", "const"]) {
      const schema = { type: "object", properties: { n: { type: "integer" } }, [keyword]: 1 };
      expect(await ask({ parameters: schema })).toContain(`Unknown name \\"${keyword}\\"`);
      expect(await ask({ parametersJsonSchema: schema })).toContain("[tools: 1: f]");
    }
  });

  test("counts, embeds and lists", async () => {
    expect((await client.models.countTokens({ model, contents: "Hello there" })).totalTokens).toBe(3);
    const embedded = await client.models.embedContent({
      model: "gemini-embedding-001",
      contents: ["a", "b"],
      config: { outputDimensionality: 8 },
    });
    expect(embedded.embeddings?.map((one) => one.values?.length)).toEqual([8, 8]);
    const listed = await client.models.list();
    expect(listed.page.map((one) => one.name)).toContain("models/gemini-2.5-flash");
  });

  test("fails in its own envelope", async () => {
    expect(await refusal(client.models.generateContent({ model, contents: "status=503" }))).toContain("UNAVAILABLE");
    expect(
      await refusal(client.models.generateContent({ model, contents: [{ role: "bot", parts: [{ text: "x" }] }] })),
    ).toContain("valid role");
  });
});
