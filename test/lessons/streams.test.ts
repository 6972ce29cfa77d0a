/**
 * Lessons from other gateways' issues about streams: calls that lose their arguments, blocks that overlap, streams that look dead.
 * Each test is named for its lesson, through the surfaces and the whole path of a call.
 */
import { describe, expect, test } from "bun:test";
import { asArray, asObject, type JsonObject } from "../../src/core/json.ts";
import { chunk, sse, streamed } from "../support/calls.ts";
import { expectNothingLeft } from "../support/tcp-upstream.ts";
import { READERS } from "../wire/clients.ts";
import { documents, events, look, MESSAGES_TOOL, OTHERS, simulated, stage, turn } from "./upstreams.ts";

expectNothingLeft();

const MESSAGES = "/v1/messages";

/** The calls of a streamed Messages answer, as the official SDK has them. */
async function callsOf(text: string): Promise<[unknown, unknown][]> {
  const message = await READERS["anthropic-messages"](text);
  const blocks = asArray(message.content).map((block) => asObject(block) ?? {});
  return blocks.flatMap(({ type, name, input }) => (type === "tool_use" ? [[name, input] as [unknown, unknown]] : []));
}

/** What is wrong with the order of a Messages stream; undefined when a strict client takes it. */
function disorder(text: string): string | undefined {
  const all = documents(text).filter(({ type }) => type !== "ping");
  const types = all.map(({ type }) => type);
  if (types[0] !== "message_start" || types.lastIndexOf("message_start") !== 0) return "message_start is not first";
  const usage = asObject(asObject(all[0]?.message)?.usage);
  if (typeof usage?.input_tokens !== "number" || typeof usage.output_tokens !== "number")
    return "no usage at the start";
  if (types.indexOf("message_stop") !== types.length - 1) return "message_stop is not the last, or not the only one";
  if (types.at(-2) !== "message_delta") return "message_delta does not stand before message_stop";
  let open: unknown;
  let next = 0;
  for (const { type, index } of all) {
    if (type === "content_block_start") {
      if (open !== undefined || index !== next) return `block ${index} begins while ${open} is open`;
      open = index;
      next += 1;
    } else if (type === "content_block_delta" && index !== open) return `a delta of ${index} while ${open} is open`;
    else if (type === "content_block_stop") {
      if (index !== open) return `block ${index} ends while ${open} is open`;
      open = undefined;
    }
  }
  return open === undefined ? undefined : `block ${open} never ends`;
}

const CALL = { id: "fc_1", type: "function_call", call_id: "call_1", name: "get_weather" };
const RESPONSE = { id: "resp_1", object: "response", created_at: 1, model: "up", output: [], usage: null };
const USAGE = { input_tokens: 10, output_tokens: 5, total_tokens: 15 };

/** A Responses stream whose call has no deltas: its arguments come at the end only, in these events. */
function lateArguments(...late: JsonObject[]): string {
  const item = { ...CALL, status: "in_progress", arguments: "" };
  return events(
    { type: "response.created", response: { ...RESPONSE, status: "in_progress" } },
    { type: "response.output_item.added", output_index: 0, item },
    ...late,
    { type: "response.completed", response: { ...RESPONSE, status: "completed", usage: USAGE } },
  );
}

const ARGUMENTS = '{"city":"Paris"}';
const done: JsonObject = {
  type: "response.function_call_arguments.done",
  item_id: "fc_1",
  output_index: 0,
  arguments: ARGUMENTS,
};
const itemDone: JsonObject = {
  type: "response.output_item.done",
  output_index: 0,
  item: { ...CALL, status: "completed", arguments: ARGUMENTS },
};

describe("lesson 1: arguments of calls reach a Messages stream", () => {
  const late: [string, JsonObject[]][] = [
    ["in the final done event", [done, itemDone]],
    ["in the finished item", [itemDone]],
  ];
  for (const [where, last] of late) {
    test(`that the upstream sends only ${where}`, async () => {
      const one = stage(() => streamed(lateArguments(...last)));
      const text = await one.text(MESSAGES, turn("responses", "Hi", { stream: true, tools: [MESSAGES_TOOL] }));
      expect(await callsOf(text)).toEqual([["get_weather", { city: "Paris" }]]);
      expect(disorder(text)).toBeUndefined();
    });
  }

  test("that the upstream sends whole with the call's name, or after it", async () => {
    const call = { index: 0, id: "c1", type: "function", function: { name: "get_weather", arguments: ARGUMENTS } };
    const split = [
      { index: 0, id: "c1", type: "function", function: { name: "get_weather", arguments: "" } },
      { index: 0, function: { arguments: ARGUMENTS } },
    ];
    for (const pieces of [[call], split]) {
      const chunks = pieces.map((piece) => chunk({ tool_calls: [piece] }));
      const one = stage(() => streamed(sse(...chunks, chunk({}, "tool_calls"))));
      const text = await one.text(MESSAGES, turn("chat", "Hi", { stream: true, tools: [MESSAGES_TOOL] }));
      expect(await callsOf(text)).toEqual([["get_weather", { city: "Paris" }]]);
    }
  });

  test.each(OTHERS)("from %s", async (name) => {
    const one = stage(simulated());
    const order = turn(name, `call:get_weather${ARGUMENTS}`, { stream: true, tools: [MESSAGES_TOOL] });
    expect(await callsOf(await one.text(MESSAGES, order))).toEqual([["get_weather", { city: "Paris" }]]);
  });
});

describe("lesson 2: a Messages stream begins with usage, is in order and stops once", () => {
  const orders = [
    "Hello there",
    'call:get_weather{"city":"Paris"} call:get_weather{"city":"Rome"}',
    "preamble chunks=3",
  ];
  test.each(OTHERS)("from %s", async (name) => {
    const one = stage(simulated());
    for (const order of orders) {
      const thinking = { type: "enabled", budget_tokens: 1024 };
      for (const more of [{}, { thinking }]) {
        const text = await one.text(MESSAGES, turn(name, order, { stream: true, tools: [MESSAGES_TOOL], ...more }));
        expect(disorder(text)).toBeUndefined();
      }
    }
  });

  test("even from an upstream that never tells usage and never says how it ends", async () => {
    const one = stage(() => streamed(`data: ${JSON.stringify(chunk({ content: "Hi" }, "stop"))}\n\n`));
    expect(disorder(await one.text(MESSAGES, turn("chat", "Hi", { stream: true })))).toBeUndefined();
  });

  test("the check sees what is wrong", () => {
    expect(disorder(events({ type: "message_start", message: {} }, { type: "message_stop" }))).toContain("usage");
  });
});

test("lesson 3: parallel calls that interleave in a Chat stream become Messages blocks one after the other", async () => {
  const begin = (index: number) => ({ index, id: `c${index}`, type: "function", function: { name: `f${index}` } });
  const more = (index: number, text: string) => ({ index, function: { arguments: text } });
  const one = stage(() =>
    streamed(
      sse(
        chunk({ tool_calls: [begin(0)] }),
        chunk({ tool_calls: [begin(1), more(0, '{"a"')] }),
        chunk({ tool_calls: [more(1, '{"b":'), more(0, ":0")] }),
        chunk({ tool_calls: [more(0, "}"), more(1, "1}")] }),
        chunk({}, "tool_calls"),
      ),
    ),
  );
  const text = await one.text(MESSAGES, turn("chat", "Hi", { stream: true }));
  expect(disorder(text)).toBeUndefined();
  expect(await callsOf(text)).toEqual([
    ["f0", { a: 0 }],
    ["f1", { b: 1 }],
  ]);
});

describe("an upstream that thinks in silence", () => {
  const surfaces: [string, string, JsonObject, RegExp][] = [
    ["Messages", MESSAGES, turn("chat", "Hi", { stream: true }), /event: ping\n/],
    [
      "Chat",
      "/v1/chat/completions",
      { model: "chat", stream: true, messages: [{ role: "user", content: "Hi" }] },
      /^:/m,
    ],
    ["Responses", "/v1/responses", { model: "chat", stream: true, input: "Hi" }, /^:/m],
    // Google's older client takes nothing but blank lines.
    [
      "Gemini",
      "/v1beta/models/chat:streamGenerateContent?alt=sse",
      { contents: [{ role: "user", parts: [{ text: "Hi" }] }] },
      /\n\n\s+$/,
    ],
  ];
  test.each(surfaces)("keeps a %s stream alive", async (_, path, body, keepAlive) => {
    const isRead = Promise.withResolvers<void>();
    const source = new ReadableStream({
      async start(controller) {
        controller.enqueue(`data: ${JSON.stringify(chunk({ role: "assistant", content: "Well" }))}\n\n`);
        await isRead.promise;
        controller.enqueue(sse(chunk({ content: ", yes." }), chunk({}, "stop")));
        controller.close();
      },
    });
    const one = stage(() => streamed(source), { over: { pumping: { keepAliveMs: 1, writeStallMs: 60_000 } } });
    const answer = await one.ask(path, body);
    const decoder = new TextDecoder();
    let text = "";
    for await (const piece of answer.body as unknown as AsyncIterable<Uint8Array>) {
      text += decoder.decode(piece, { stream: true });
      if (keepAlive.test(text)) isRead.resolve();
    }
    expect(text).toContain(", yes.");
  });
});

test("lesson 7: Codex's WebSocket is refused at once with 426, as Codex needs it to go on over HTTP", async () => {
  const one = stage(simulated());
  const upgrade = {
    connection: "Upgrade",
    upgrade: "websocket",
    "sec-websocket-key": "x",
    "sec-websocket-version": "13",
  };
  const answer = await look(one, "/v1/responses", upgrade);
  expect(answer.status).toBe(426);
  expect(((await answer.json()) as JsonObject).error).toMatchObject({ message: expect.stringContaining("POST") });
  expect(one.asked).toEqual([]);
});

test("Claude Code finds models at /v1/models?limit=1000: at once, on one page, in its own fields", async () => {
  const one = stage(simulated());
  const answer = await look(one, "/v1/models?limit=1000", { "anthropic-version": "2023-06-01" });
  expect([answer.status, answer.redirected]).toEqual([200, false]);
  const { data, has_more } = (await answer.json()) as { data: JsonObject[]; has_more: boolean };
  expect(has_more).toBe(false);
  const entry = data.find(({ id }) => id === "claude");
  expect(entry).toMatchObject({ type: "model", display_name: expect.any(String), created_at: expect.any(String) });
  expect(one.asked).toEqual([]);
});
