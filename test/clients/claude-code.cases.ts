/**
 * What Claude Code puts into its requests for its own provider, and what of it other providers get, through the whole server.
 * The provider repeats what it received.
 */
import { describe, expect, test } from "bun:test";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import type { JsonObject } from "../../src/core/json.ts";
import { ask } from "./ask.ts";
import { sluice } from "./server.ts";

const BILLING = "x-anthropic-billing-header: cc_version=2.1.329.649; cc_entrypoint=sdk-cli; cch=abc12;";
const DEVICE = "e0f61bf55f40a1d0ab64244afed7cc5c167efbc7ebca3ba844c91c22109bc1ed";
const USER = JSON.stringify({
  device_id: DEVICE,
  account_uuid: "",
  session_id: "0d86a307-d2d8-4940-b2c1-f64178dfbfed",
});
const schema = { type: "object", properties: { url: { type: "string" } } };
const search = { type: "tool_use", id: "toolu_01search", name: "ToolSearch", input: { query: "select:WebFetch" } };
const found = {
  type: "tool_result",
  tool_use_id: search.id,
  content: [{ type: "tool_reference", tool_name: "WebFetch" }],
};

/** A turn of a session in which a deferred tool was just found. */
function turn(model: string, more: JsonObject = {}): JsonObject {
  return {
    model,
    max_tokens: 32_000,
    system: [
      { type: "text", text: BILLING },
      { type: "text", text: "You are a coding agent.", cache_control: { type: "ephemeral" } },
    ],
    messages: [
      { role: "user", content: [{ type: "text", text: "Fetch the page." }] },
      { role: "system", content: "# Environment: a shell." },
      { role: "assistant", content: [search] },
      { role: "user", content: [found, { type: "text", text: "echo:request" }] },
    ],
    tools: [
      { name: "ToolSearch", description: "Finds tools", input_schema: schema },
      { name: "WebFetch", description: "Fetches", input_schema: schema, defer_loading: true },
      { name: "DeferredToolPlaceholder", description: "None", input_schema: schema, defer_loading: true },
    ],
    metadata: { user_id: USER },
    thinking: { type: "adaptive", display: "omitted" },
    context_management: { edits: [{ type: "clear_thinking_20251015", keep: "all" }] },
    ...more,
  };
}

/** What the provider received. */
async function received(body: JsonObject): Promise<string> {
  const answer = await ask(sluice, "/v1/messages?beta=true", body);
  expect({ status: answer.status, text: answer.text.slice(0, 300) }).toMatchObject({ status: 200 });
  const content = answer.body.content as { type: string; text?: string }[];
  return content.map((block) => (block.type === "text" ? block.text : "")).join("");
}

const OTHERS = ["sim-chat", "sim-responses", "sim-gemini"] as const;

describe.each([...OTHERS])("a Claude Code session on %s", (model) => {
  test("lesson 9: the billing line that changes with each request never gets there", async () => {
    expect(await received(turn(model))).not.toContain("billing-header");
    const glued = [{ type: "text", text: `${BILLING}\nYou are a coding agent.` }];
    const text = await received(turn(model, { system: glued }));
    expect(text).not.toContain("billing-header");
    expect(text).toContain("You are a coding agent.");
  });

  test("what identifies the user's machine and session never gets there", async () => {
    const text = await received(turn(model));
    expect(text).not.toContain(DEVICE);
    expect(text).not.toContain("session_id");
  });

  test("a tool that was found is told in words and offered as any other, and nothing stands for those to come", async () => {
    const text = await received(turn(model));
    expect(text).toContain("The tool WebFetch is available now.");
    const offered = JSON.stringify((JSON.parse(text) as JsonObject).tools);
    for (const name of ["ToolSearch", "WebFetch"]) expect(offered).toContain(`"${name}"`);
    expect(offered).not.toContain("DeferredToolPlaceholder");
    for (const word of ["defer_loading", "cache_control", "context_management"]) expect(text).not.toContain(word);
  });

  test("its own provider's ids of calls are kept, and the provider's come back to it as they were", async () => {
    const text = await received(turn(model));
    if (model !== "sim-gemini") expect(text.split(search.id).length - 1).toBe(2);
    const call = (stream: boolean) =>
      ask(sluice, "/v1/messages", {
        ...turn(model, { stream }),
        messages: [{ role: "user", content: 'call:WebFetch{"url":"a"}' }],
      });
    const whole = (await call(false)).body.content as JsonObject[];
    const use = whole.find(({ type }) => type === "tool_use");
    expect(use).toMatchObject({ name: "WebFetch", input: { url: "a" } });
    const result = { type: "tool_result", tool_use_id: use?.id as string, content: "b" };
    const next = await received({
      ...turn(model),
      messages: [
        { role: "user", content: "Fetch." },
        { role: "assistant", content: whole },
        { role: "user", content: [result, { type: "text", text: "echo:request" }] },
      ],
    });
    if (model !== "sim-gemini") expect(next.split(String(use?.id)).length - 1).toBe(2);
    expect((await call(true)).text).toMatch(/"type":"tool_use","id":"[^"]+","name":"WebFetch"/);
  });
});

test("its own provider gets all of it, byte by byte", async () => {
  const { messages, ...body } = turn("sim-messages");
  const plain = { ...body, messages: (messages as JsonObject[]).filter(({ role }) => role !== "system") };
  expect(JSON.parse(await received(plain))).toEqual({ ...plain, model: "claude-simulated" });
});

const recorded = "../shared/clients/claude-code";
test.skipIf(!existsSync(recorded) && !process.env.CI)(
  "of every recorded request, no other provider gets the line or the ids",
  async () => {
    const files = readdirSync(recorded).filter((file) => /post-(v1-)+messages\.json$/.test(file));
    expect(files.length).toBeGreaterThan(20);
    for (const [index, file] of files.entries()) {
      const { body } = JSON.parse(readFileSync(`${recorded}/${file}`, "utf8")) as { body: JsonObject };
      const messages = [...(body.messages as JsonObject[]), { role: "user", content: "echo:request" }];
      const model = OTHERS[index % OTHERS.length] as string;
      const text = await received({ ...body, model, messages, stream: false, tool_choice: { type: "auto" } });
      expect(/billing-header|device_id|DeferredToolPlaceholder/.exec(text)?.[0] ?? file).toBe(file);
    }
  },
  20_000,
);
