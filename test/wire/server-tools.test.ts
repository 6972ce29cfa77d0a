/**
 * The proof across formats for providers' own tools: searches and code of recorded answers, told in every other dialect,
 * whole and streamed. What was asked and found is looked for in the wire's own fields, where official clients look.
 */
import { describe, expect, test } from "bun:test";
import type { Choice } from "../../src/core/event.ts";
import { asArray, asObject, asString, type Json, type JsonObject } from "../../src/core/json.ts";
import { collect } from "../../src/core/reply.ts";
import { DIALECTS } from "../../src/dialects/index.ts";
import { haveRecordings, SKIP_REASON } from "../support/wire.ts";
import { contextFor, decodeRecording, decodeStream, PAIRS, REQUEST_ID, recordingsOf } from "./exchanges.ts";
import { streamText } from "./replies.ts";

const present = haveRecordings();
const title = (name: string) => (present ? name : `${name} (${SKIP_REASON})`);

/** The dialects that have a form for these tools. */
type Speaker = "openai-responses" | "anthropic-messages" | "gemini";

/** What a body tells of searches and code. */
interface Told {
  queries: string[];
  pages: string[];
  code: string[];
  printed: string[];
}

const objects = (value: Json | undefined) =>
  asArray(value)
    .map(asObject)
    .filter((one) => one !== undefined);
/** The objects in a field of each. */
const inside = (list: readonly JsonObject[], field: string) =>
  list.map((one) => asObject(one[field])).filter((one) => one !== undefined);
const texts = (values: readonly (Json | undefined)[]) => values.flatMap((value) => asString(value) ?? []);

const READ: Record<Speaker, (body: JsonObject) => Told> = {
  "openai-responses": (body) => {
    const items = objects(body.output);
    const actions = inside(
      items.filter(({ type }) => type === "web_search_call"),
      "action",
    );
    const searches = actions.filter(({ type }) => type === "search");
    const runs = items.filter(({ type }) => type === "code_interpreter_call");
    return {
      queries: texts(searches.map(({ query }) => query)),
      pages: texts(searches.flatMap(({ sources }) => objects(sources)).map(({ url }) => url)),
      code: texts(runs.map(({ code }) => code)),
      printed: texts(runs.flatMap(({ outputs }) => objects(outputs)).map(({ logs }) => logs)),
    };
  },
  "anthropic-messages": (body) => {
    const blocks = objects(body.content);
    const used = (name: string) =>
      blocks
        .filter((block) => block.type === "server_tool_use" && block.name === name)
        .map(({ input }) => asObject(input));
    const results = (type: string) => blocks.filter((block) => block.type === type);
    return {
      queries: texts(used("web_search").map((input) => input?.query)),
      pages: texts(
        results("web_search_tool_result")
          .flatMap(({ content }) => objects(content))
          .map(({ url }) => url),
      ),
      code: texts(used("code_execution").map((input) => input?.code)),
      printed: results("code_execution_tool_result").map(({ content }) => {
        const { stdout, stderr } = asObject(content) ?? {};
        return [stdout, stderr].filter(Boolean).join("\n");
      }),
    };
  },
  gemini: (body) => {
    const candidates = objects(body.candidates);
    const grounding = inside(candidates, "groundingMetadata");
    const parts = candidates.flatMap(({ content }) => objects(asObject(content)?.parts));
    return {
      queries: texts(grounding.flatMap(({ webSearchQueries }) => asArray(webSearchQueries))),
      pages: texts(
        grounding.flatMap(({ groundingChunks }) => objects(groundingChunks)).map(({ web }) => asObject(web)?.uri),
      ),
      code: texts(parts.map(({ executableCode }) => asObject(executableCode)?.code)),
      printed: texts(parts.map(({ codeExecutionResult }) => asObject(codeExecutionResult)?.output)),
    };
  },
};

/** What an answer tells of these tools, by the canon. */
function toldBy(choices: readonly Choice[], to: Speaker): Told {
  const told: Told = { queries: [], pages: [], code: [], printed: [] };
  for (const part of choices.flatMap(({ parts }) => parts)) {
    if (part.type === "server-call") {
      const { call } = part;
      if (call.kind === "code-execution") told.code.push(call.code);
      else if (to === "gemini") told.queries.push(...call.queries);
      else told.queries.push(call.queries.join("; "));
    } else if (part.type === "server-result") {
      const { result } = part;
      if (result.kind === "web-search") told.pages.push(...result.pages.map(({ url }) => url));
      else if (result.error === undefined) told.printed.push([result.output, result.errors].filter(Boolean).join("\n"));
    }
  }
  return to === "gemini" ? { ...told, pages: sourcesOf(choices, told.pages) } : told;
}

/** Gemini's sources are what the text cites, or what was found where it cites nothing. */
function sourcesOf(choices: readonly Choice[], found: string[]): string[] {
  const cited = choices
    .flatMap(({ parts }) => parts)
    .flatMap((part) => (part.type === "text" ? (part.annotations ?? []).map(({ url }) => url) : []));
  return cited.length > 0 ? [...new Set(cited)] : found;
}

/** Whether results name the calls that they belong to: some recorders replaced every id by another. */
function isPaired({ parts }: Choice): boolean {
  const ids = new Set(parts.map((part) => (part.type === "server-call" ? part.id : undefined)));
  return parts.every((part) => part.type !== "server-result" || ids.has(part.callId));
}

/** The recorded answers in which the provider ran one of its tools. */
function running(from: Parameters<typeof recordingsOf>[0]) {
  return recordingsOf(from).flatMap((recording) => {
    const events = decodeRecording(from, recording);
    const reply = collect(events);
    const ran = reply.choices.some(({ parts }) => parts.some(({ type }) => type === "server-call"));
    return reply.failure || !ran || !reply.choices.every(isPaired) ? [] : [{ file: recording.file, events, reply }];
  });
}

/** The body that a stream amounts to, told by its own dialect again. */
function bodyOfStream(to: Speaker, text: string): JsonObject {
  const reply = collect(decodeStream(to, [Buffer.from(text)]));
  return JSON.parse(JSON.stringify(DIALECTS[to].encodeReply(reply, contextFor()))) as JsonObject;
}

describe("searches and code of recorded answers in every other dialect", () => {
  test.skipIf(!present)(title("there are recordings of each"), () => {
    for (const id of ["openai-responses", "anthropic-messages", "gemini"] as const) {
      const all = running(id).flatMap(({ reply }) => reply.choices.flatMap(({ parts }) => parts));
      for (const kind of ["web-search", "code-execution"]) {
        const calls = all.filter((part) => part.type === "server-call" && part.call.kind === kind);
        expect({ id, kind, many: calls.length > 2 }).toEqual({ id, kind, many: true });
      }
    }
  });

  for (const [from, to] of PAIRS) {
    if (to === "openai-chat" || from === "openai-chat") continue;
    test.skipIf(!present)(title(`${from} told in ${to}`), () => {
      for (const { file, events, reply } of running(from)) {
        const choices = to === "gemini" ? reply.choices : reply.choices.slice(0, 1);
        const wanted = toldBy(choices, to);
        const body = JSON.parse(JSON.stringify(DIALECTS[to].encodeReply(reply, contextFor()))) as JsonObject;
        expect({ file, told: READ[to](body) }).toEqual({ file, told: wanted });
        const streamed = bodyOfStream(to, streamText(events, to, undefined));
        expect({ file, streamed: READ[to](streamed) }).toEqual({ file, streamed: wanted });
        // A caller's client sends the turn back, and the gateway finds in it what its provider did.
        const again = collect(DIALECTS[to].decodeReply(body, { id: REQUEST_ID })).choices;
        expect({ file, code: toldBy(again, to).code }).toEqual({ file, code: wanted.code });
      }
    });
  }
});
