/**
 * Tests of searches and code as Responses items: what upstreams leave untold, and items that run while others are written.
 * The breadth is in the recordings and the cases; here is each behaviour by its name.
 */
import { expect, test } from "bun:test";
import { checkOrder } from "../../../test/support/order.ts";
import type { CanonicalEvent } from "../../core/event.ts";
import { asObject, type JsonObject } from "../../core/json.ts";
import { collect } from "../../core/reply.ts";
import type { ServerCallPart, ServerResultPart } from "../../core/request.ts";
import { createSseParser } from "../../upstream/sse.ts";
import { openaiResponses } from "./index.ts";

const search = (id: string, action: JsonObject): JsonObject => ({
  id: `ws_${id}`,
  type: "web_search_call",
  status: "completed",
  action: { type: "search", ...action },
});

const citing = (...urls: string[]): JsonObject => ({
  id: "msg_1",
  type: "message",
  role: "assistant",
  status: "completed",
  content: [
    {
      type: "output_text",
      text: "So.",
      annotations: urls.map((url) => ({ type: "url_citation", url, title: "T", start_index: 0, end_index: 3 })),
    },
  ],
});

function decode(...output: JsonObject[]): CanonicalEvent[] {
  const events = openaiResponses.decodeReply({ id: "resp_1", status: "completed", output, usage: {} }, { id: "req_1" });
  checkOrder(events);
  return events;
}

const results = (events: readonly CanonicalEvent[]) =>
  collect(events).choices[0]?.parts.filter((part) => part.type === "server-result");

test("a search that tells its sources is told with them", () => {
  const events = decode(search("1", { query: "q", sources: [{ type: "url", url: "https://a.example" }] }), citing());
  expect(collect(events).choices[0]?.parts.slice(0, 2)).toMatchObject([
    { type: "server-call", id: "1", call: { kind: "web-search", queries: ["q"] } },
    { type: "server-result", callId: "1", result: { pages: [{ url: "https://a.example" }] } },
  ]);
});

test("where no search tells what it found, the last found what the answer cites", () => {
  const events = decode(search("1", { query: "a" }), search("2", { query: "b" }), citing("https://a.example"));
  expect(results(events)).toMatchObject([
    { callId: "1", result: { pages: [] } },
    { callId: "2", result: { pages: [{ url: "https://a.example", title: "T" }] } },
  ]);
});

test("an imitator's search has its query in arguments; opening a page is no search", () => {
  const imitated = { type: "web_search_call", id: "fc_1", status: "completed", arguments: '{"query":"q"}' };
  const opened = search("2", { type: "open_page", url: "https://a.example" });
  expect(collect(decode(imitated, opened)).choices[0]?.parts).toMatchObject([
    { type: "server-call", call: { queries: ["q"] } },
    { type: "opaque", value: opened },
    { type: "server-result" },
  ]);
});

test("a search that failed is told so", () => {
  const failed = { ...search("1", { query: "q" }), status: "failed" };
  expect(results(decode(failed))).toMatchObject([{ result: { pages: [], error: "failed" } }]);
});

test("the format's own items come back as they were, once", () => {
  const items = [search("1", { query: "a" }), citing("https://a.example")];
  const context = {
    id: "req_1",
    createdAt: 1,
    model: "m",
    request: { model: "m", stream: false, messages: [] },
    wantsStreamUsage: true,
  };
  const body = openaiResponses.encodeReply(collect(decode(...items)), context);
  expect(body.output).toMatchObject(items);
  expect(body.output).toHaveLength(2);
});

const call = (id: string, query: string): ServerCallPart => ({
  type: "server-call",
  id,
  call: { kind: "web-search", queries: [query] },
});
const result = (callId: string): ServerResultPart => ({
  type: "server-result",
  callId,
  result: { kind: "web-search", pages: [{ url: `https://${callId}.example` }] },
});

/** The data of the events that a caller gets of these parts. */
function written(parts: (ServerCallPart | ServerResultPart)[]): JsonObject[] {
  const encoder = openaiResponses.streamEncoder(
    {
      id: "req_1",
      createdAt: 1,
      model: "m",
      request: { model: "m", stream: true, messages: [] },
      wantsStreamUsage: true,
    },
    "sse",
  );
  let text = encoder.event({ type: "message-start" });
  for (const [part, value] of parts.entries()) text += encoder.event({ type: "part", choice: 0, part, value });
  text += encoder.event({ type: "message-end", choice: 0, finish: { reason: "stop" } }) + encoder.end();
  const parser = createSseParser();
  return [...parser.push(Buffer.from(text)), ...parser.end()].map(({ data }) => JSON.parse(data) as JsonObject);
}

test("searches that run side by side keep their places", () => {
  const events = written([call("a", "x"), call("b", "y"), result("b"), result("a")]);
  const done = events.filter(({ type }) => type === "response.output_item.done");
  expect(done).toMatchObject([
    { output_index: 1, item: { id: "ws_b", status: "completed" } },
    { output_index: 0, item: { id: "ws_a", action: { sources: [{ url: "https://a.example" }] } } },
  ]);
  expect(asObject(events.at(-1)?.response)?.output).toMatchObject([{ id: "ws_a" }, { id: "ws_b" }]);
});

test("a call without a result is ended with the answer", () => {
  const events = written([call("a", "x"), result("elsewhere")]);
  const types = events.map(({ type }) => String(type).replace("response.", ""));
  expect(types).toEqual([
    "created",
    "in_progress",
    "output_item.added",
    "web_search_call.in_progress",
    "web_search_call.searching",
    "web_search_call.completed",
    "output_item.done",
    "completed",
  ]);
});
