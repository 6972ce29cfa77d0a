/**
 * Tools and thinking through the whole server: calls come out, results and signed thoughts go back in.
 * The simulated provider refuses foreign and broken signatures as the real ones do, so a second turn proves the first.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { dialectOf, FAMILIES, type Family, type Sluice, startSluice } from "../support/server.ts";
import type { Answer, OfferedTool, Question, Surface, Turn } from "./drivers/driver.ts";
import { DRIVERS, WAYS, type Way } from "./drivers/index.ts";
import { expectTokensOfJournal } from "./drivers/journal.ts";

const START_TIMEOUT_MS = 60_000;

let sluice: Sluice;
beforeAll(async () => {
  sluice = await startSluice();
}, START_TIMEOUT_MS);
afterAll(() => sluice.stop(), START_TIMEOUT_MS);

const parameters = {
  type: "object",
  properties: { city: { type: "string" }, days: { type: "integer" } },
  required: ["city"],
  additionalProperties: false,
};
const TOOLS: readonly OfferedTool[] = [
  { name: "get_weather", parameters },
  { name: "add", parameters: { type: "object", properties: {} } },
];

const ENDED: Record<Surface, string> = {
  "openai-chat": "stop",
  "openai-responses": "completed",
  "anthropic-messages": "end_turn",
  gemini: "STOP",
};
const CALLED: Record<Surface, string> = {
  "openai-chat": "tool_calls",
  "openai-responses": "completed",
  "anthropic-messages": "tool_use",
  gemini: "STOP",
};

type More = Partial<Question>;

function ask(way: Pick<Way, "driver" | "streamed">, model: Family, turns: readonly Turn[], more: More = {}) {
  return way.driver.ask(sluice, { model, streamed: way.streamed, turns, tools: TOOLS, ...more });
}

/** The answer to the tools' results; each result is a text that names its call's tool. */
function answerResults(way: Way, model: Family, user: string, first: Answer, more: More = {}): Promise<Answer> {
  const results = first.calls.map((call) => ({ call, text: `result of ${call.name}` }));
  return ask(way, model, [{ user }, { said: first.said }, { results }], more);
}

const ONE = 'call:get_weather{"city":"São Paulo","days":2}';
const TWO = `${ONE} call:add{}`;

describe.each([...WAYS])("$name", (way) => {
  const { driver, family } = way;

  test("a tool is called with its arguments, and its result is answered", async () => {
    const first = await ask(way, family, [{ user: ONE }]);
    expect(first.calls).toEqual([
      { id: expect.any(String), name: "get_weather", args: { city: "São Paulo", days: 2 } },
    ]);
    expect(first).toMatchObject({ text: "", finish: CALLED[driver.surface] });
    expectTokensOfJournal(sluice, first);
    const second = await answerResults(way, family, ONE, first);
    expect(second.text).toContain('[tool results: 1: "result of get_weather"]');
    expect(second).toMatchObject({ calls: [], finish: ENDED[driver.surface] });
    expectTokensOfJournal(sluice, second);
  });

  test("two tools are called at once, and both results are answered", async () => {
    const first = await ask(way, family, [{ user: TWO }]);
    expect(first.calls.map(({ name, args }) => [name, args])).toEqual([
      ["get_weather", { city: "São Paulo", days: 2 }],
      ["add", {}],
    ]);
    // Generation 2 of Gemini names no calls, and relayed bytes are its own; results then go by order.
    if (driver.surface !== "gemini" || family !== "sim-gemini") {
      expect(new Set(first.calls.map((call) => call.id)).size).toBe(2);
    }
    expectTokensOfJournal(sluice, first);
    const second = await answerResults(way, family, TWO, first);
    expect(second.text).toContain('[tool results: 2: "result of get_weather", "result of add"]');
    expectTokensOfJournal(sluice, second);
  });

  test("a text before the calls arrives with them", async () => {
    const user = `${ONE} preamble`;
    const first = await ask(way, family, [{ user }]);
    expect(first.text).toContain("You said: call:get_weather");
    expect(first.calls).toHaveLength(1);
    expect(first.finish).toBe(CALLED[driver.surface]);
    const second = await answerResults(way, family, user, first);
    expect(second.text).toContain("result of get_weather");
  });

  test("thinking is seen, and accepted back", async () => {
    const first = await ask(way, family, [{ user: "hi" }], { thinks: true });
    expect(first.text).toStartWith("You said: hi");
    if (showsThinking(way)) expect(first.thinking).toBe('The user said "hi". I will answer plainly.');
    expect(first.tokens.thinking).toBeGreaterThan(0);
    expectTokensOfJournal(sluice, first);
    const turns = [{ user: "hi" }, { said: first.said }, { user: "go on" }];
    const second = await ask(way, family, turns, { thinks: true });
    expect(second.text).toStartWith("You said: go on");
    // What Gemini signs here is the text, and Messages has no place for that; Gemini can do without.
    const isLost = driver.surface === "anthropic-messages" && dialectOf(family) === "gemini";
    if (family !== "sim-chat" && !isLost) expect(second.text).toContain("[signatures: 1]");
    expectTokensOfJournal(sluice, second);
  });

  test("thinking before parallel calls is seen, and accepted back with their results", async () => {
    const first = await ask(way, family, [{ user: TWO }], { thinks: true });
    if (showsThinking(way)) expect(first.thinking).toStartWith('The user said "call:get_weather');
    expect(first.calls).toHaveLength(2);
    expectTokensOfJournal(sluice, first);
    const second = await answerResults(way, family, TWO, first, { thinks: true });
    expect(second.text).toContain('[tool results: 2: "result of get_weather", "result of add"]');
    if (family !== "sim-chat") expect(second.text).toContain("[signatures: 1]");
    if (showsThinking(way)) expect(second.thinking).toContain("I have 2 tool results now.");
    expectTokensOfJournal(sluice, second);
  });
});

/** Whether the client sees the thinking: not where it only said how much to think, and the provider shows it on request. */
function showsThinking({ driver, family }: Way): boolean {
  return driver.surface !== "openai-chat" || family === "sim-chat" || family === "sim-messages";
}

const CHANGES = DRIVERS.flatMap((driver) =>
  FAMILIES.flatMap((from) =>
    FAMILIES.filter((to) => to !== from).map((to) => ({
      driver,
      from,
      to,
      name: `${driver.surface}: ${from} then ${to}`,
    })),
  ),
);

describe("the model may change in mid-conversation, its thoughts and calls with it", () => {
  for (const { driver, from, to, name } of CHANGES) {
    test(name, async () => {
      for (const streamed of [false, true]) {
        const way = { driver, streamed };
        const first = await ask(way, from, [{ user: TWO }], { thinks: true });
        const results = first.calls.map((call) => ({ call, text: `result of ${call.name}` }));
        const turns: Turn[] = [{ user: TWO }, { said: first.said }, { results }];
        const second = await ask(way, to, turns, { thinks: true });
        expect(second.text).toContain('[tool results: 2: "result of get_weather", "result of add"]');
        // And back, with the history of both.
        const third = await ask(way, from, [...turns, { said: second.said }, { user: "go on" }], { thinks: true });
        expect(third.text).toStartWith("You said: go on");
      }
    });
  }
});
