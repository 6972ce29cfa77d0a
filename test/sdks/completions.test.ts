/**
 * Old text completions through the whole server: the official client to every upstream format, and clients of other formats to
 * an upstream that only continues texts. What the simulated provider saw comes back in its answer, what it charged is in its journal.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import OpenAI, { APIError } from "openai";
import type { Completion, CompletionCreateParamsNonStreaming } from "openai/resources/completions";
import { FAMILIES, FOUR_FORMATS, type Sluice, startSluice } from "../support/server.ts";
import { DRIVERS } from "./drivers/index.ts";
import { expectTokensOfJournal, journalOf } from "./drivers/journal.ts";
import { openaiClient } from "./drivers/openai-client.ts";

const START_TIMEOUT_MS = 60_000;
const OLD = "sim-completions";

/** The four formats, and a provider that serves nothing but completions. */
const FILE = FOUR_FORMATS.replace(
  "models:\n",
  `  - { id: completions, type: custom, base_url: "\${SIMULATOR_URL}/v1", api_keys: [sim-key], dialects: [openai-completions] }
models:
  - id: ${OLD}
    endpoints: [{ provider: completions, model: gpt-simulated-instruct }]
    price: { input: 1, output: 4 }
    context: 200000
    max_output: 32000
`,
);

let sluice: Sluice;
beforeAll(async () => {
  sluice = await startSluice({ file: FILE });
}, START_TIMEOUT_MS);
afterAll(() => sluice.stop(), START_TIMEOUT_MS);

interface Answer {
  readonly text: string;
  readonly finish: string;
  readonly usage: Completion["usage"];
  readonly shells: readonly { readonly id: string; readonly object: string; readonly model: string }[];
  readonly headers: Headers;
}

type Asked = Partial<CompletionCreateParamsNonStreaming>;

async function ask(model: string, streamed: boolean, prompt: string, more: Asked = {}): Promise<Answer> {
  const { client, headers } = openaiClient(sluice);
  const body = { model, prompt, ...more };
  const pieces: Completion[] = [];
  if (streamed) {
    const stream = await client.completions.create({ ...body, stream: true, stream_options: { include_usage: true } });
    for await (const piece of stream) pieces.push(piece);
  } else pieces.push(await client.completions.create(body));
  const first = pieces.flatMap((piece) => piece.choices).filter(({ index }) => index === 0);
  return {
    text: first.map((choice) => choice.text).join(""),
    finish: first.map((choice) => choice.finish_reason ?? "").join(""),
    usage: pieces.findLast((piece) => piece.usage)?.usage,
    shells: pieces.map(({ id, object, model }) => ({ id, object, model })),
    headers: headers(),
  };
}

async function refusal(call: Promise<unknown>): Promise<APIError> {
  const thrown = await call.then(
    () => undefined,
    (error: unknown) => error,
  );
  if (thrown instanceof APIError) return thrown;
  throw new Error(`The client threw no error of its own: ${String(thrown)}`);
}

const WAYS = [...FAMILIES, OLD].flatMap((model) =>
  [false, true].map((streamed) => ({ model, streamed, name: `${model}, ${streamed ? "streamed" : "whole"}` })),
);

describe.each(WAYS)("completions to $name", ({ model, streamed }) => {
  const isRelayed = model === OLD;

  test("a text, with the finish and the tokens", async () => {
    const answer = await ask(model, streamed, "Hello 👋 there", { max_tokens: 100 });
    expect(answer).toMatchObject({ text: "You said: Hello 👋 there", finish: "stop" });
    for (const shell of answer.shells) {
      expect(shell).toEqual({
        id: expect.stringMatching(/^cmpl-./),
        object: "text_completion",
        model: isRelayed ? "gpt-simulated-instruct" : model,
      });
    }
    expect(answer.headers.get("x-sluice-losses")).toBeNull();
    const { usage } = journalOf(sluice, answer);
    expect(answer.usage).toMatchObject({ prompt_tokens: usage?.input, completion_tokens: usage?.output });
  });

  test("without a limit only the old upstream stops after its sixteen tokens", async () => {
    const answer = await ask(model, streamed, "words=100");
    expect(answer.text.split(" ")).toHaveLength(isRelayed ? 16 : 100);
    expect(answer.finish).toBe(isRelayed ? "length" : "stop");
  });

  test("the limit cuts, and a stop sequence", async () => {
    const cut = await ask(model, streamed, "words=100", { max_tokens: 20 });
    expect([cut.text.split(" ").length, cut.finish]).toEqual([20, "length"]);
    if (model === "sim-responses") return;
    const stopped = await ask(model, streamed, "one two three", { stop: ["two"] });
    expect([stopped.text, stopped.finish]).toEqual(["You said: one ", "stop"]);
  });

  test("several prompts and tokens are refused by all but the old upstream", async () => {
    for (const prompt of [
      ["a", "b"],
      [1, 2],
    ] as (string[] | number[])[]) {
      const call = ask(model, streamed, "", { prompt });
      if (isRelayed) expect((await call).finish).toBe("stop");
      else expect(await refusal(call)).toMatchObject({ status: 400, param: "prompt", code: "invalid_request" });
    }
  });

  test("a provider's failure is raised", async () => {
    const failure = await refusal(ask(model, streamed, "status=503"));
    expect(failure).toMatchObject({ status: 503, code: "upstream_unavailable" });
    if (!streamed) return;
    const broken = await refusal(ask(model, true, "words=50 error-after=3", { max_tokens: 100 }));
    expect(broken.message).not.toContain("127.0.0.1");
  });
});

test("the prompt comes first where the caller wants it echoed, from models that cannot do that themselves", async () => {
  for (const streamed of [false, true]) {
    const answer = await ask("sim-messages", streamed, "Hello there. ", { echo: true });
    expect(answer.text).toBe("Hello there. You said: Hello there.");
    expect(answer.headers.get("x-sluice-losses")).toBeNull();
  }
});

test("log probabilities come in this format's own lists", async () => {
  const client = new OpenAI({ apiKey: sluice.key, baseURL: `${sluice.url}/v1`, maxRetries: 0 });
  const { choices } = await client.completions.create({ model: "sim-chat", prompt: "Hi", logprobs: 2 });
  const { tokens = [], token_logprobs, top_logprobs, text_offset } = choices[0]?.logprobs ?? {};
  expect(tokens.join("")).toBe("You said: Hi");
  expect(token_logprobs).toHaveLength(tokens.length);
  expect(top_logprobs).toHaveLength(tokens.length);
  expect(text_offset?.slice(0, 2)).toEqual([0, tokens[0]?.length ?? -1]);
});

describe.each([...DRIVERS])("$surface to an upstream of old completions", (driver) => {
  for (const streamed of [false, true]) {
    test(`a text and a conversation, ${streamed ? "streamed" : "whole"}`, async () => {
      const answer = await driver.ask(sluice, { model: OLD, streamed, turns: [{ user: "words=40" }] });
      expect(answer.text.split(" ")).toHaveLength(40);
      expect(answer.headers.get("x-sluice-losses")).toBeNull();
      expectTokensOfJournal(sluice, answer);
      const turns = [{ user: "Hello" }, { said: answer.said }, { user: "And now?" }];
      const next = await driver.ask(sluice, { model: OLD, streamed, turns, system: "Be brief." });
      expect(next.text).toStartWith("You said: Be brief. User: Hello Assistant: word1 word2");
      expect(next.text).toEndWith("User: And now? Assistant:");
      expect(next.headers.get("x-sluice-losses")).toContain("~messages");
    });
  }
});
