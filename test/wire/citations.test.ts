/**
 * The proof across formats for citations: what recorded answers cite, told in every other dialect, whole and streamed.
 * Addresses and titles are looked for in the wire's own fields; the passages that they stand at are compared through the canon.
 */
import { describe, expect, test } from "bun:test";
import type { Choice } from "../../src/core/event.ts";
import { asArray, asObject, asString, type Json, type JsonObject } from "../../src/core/json.ts";
import { collect } from "../../src/core/reply.ts";
import { DIALECTS } from "../../src/dialects/index.ts";
import { haveRecordings, SKIP_REASON } from "../support/wire.ts";
import {
  contextFor,
  decodeRecording,
  decodeStream,
  MAIN,
  type MainDialect,
  PAIRS,
  REQUEST_ID,
  recordingsOf,
} from "./exchanges.ts";
import { streamText } from "./replies.ts";

const present = haveRecordings();
const title = (name: string) => (present ? name : `${name} (${SKIP_REASON})`);

type Cited = Map<string, string>;

function gather(sources: readonly (JsonObject | undefined)[], address: string): Cited {
  const cited: Cited = new Map();
  for (const source of sources) {
    const url = asString(source?.[address]);
    if (url !== undefined && !cited.has(url)) cited.set(url, asString(source?.title) ?? "");
  }
  return cited;
}

const objects = (value: Json | undefined) => asArray(value).map(asObject);

/** What a whole body cites, in the fields where its official clients look. */
const READ: Record<MainDialect, (body: JsonObject) => Cited> = {
  "openai-chat": (body) => {
    const notes = objects(body.choices).flatMap((choice) => objects(asObject(choice?.message)?.annotations));
    return gather(
      notes.map((note) => (note?.type === "url_citation" ? asObject(note.url_citation) : undefined)),
      "url",
    );
  },
  "openai-responses": (body) => {
    const notes = objects(body.output)
      .flatMap((item) => objects(item?.content))
      .flatMap((piece) => objects(piece?.annotations));
    return gather(
      notes.filter((note) => note?.type === "url_citation"),
      "url",
    );
  },
  "anthropic-messages": (body) => {
    const notes = objects(body.content).flatMap((block) => objects(block?.citations));
    return gather(
      notes.filter((note) => note?.type === "web_search_result_location"),
      "url",
    );
  },
  gemini: (body) => {
    const chunks = objects(body.candidates).flatMap((candidate) =>
      objects(asObject(candidate?.groundingMetadata)?.groundingChunks),
    );
    return gather(
      chunks.map((chunk) => asObject(chunk?.web)),
      "uri",
    );
  },
};

const annotationsOf = (choice: Choice) =>
  choice.parts.flatMap((part) =>
    part.type === "text" ? (part.annotations ?? []).map((annotation) => ({ annotation, text: part.text })) : [],
  );

function citedBy(choices: readonly Choice[]): Cited {
  return gather(
    choices.flatMap(annotationsOf).map(({ annotation }) => ({ url: annotation.url, title: annotation.title ?? "" })),
    "url",
  );
}

/** The passages that citations stand at, where their place is told. */
function passages(choices: readonly Choice[]): string[] {
  const found = choices.flatMap(annotationsOf).flatMap(({ annotation: { url, start, end }, text }) => {
    const passage = end === undefined ? "" : text.slice(start ?? 0, end);
    return passage === "" ? [] : [`${url} ${passage}`];
  });
  return [...new Set(found)].sort();
}

/** The recorded answers that cite web pages. */
function citing(from: MainDialect) {
  return recordingsOf(from).flatMap((recording) => {
    const events = decodeRecording(from, recording);
    const reply = collect(events);
    return reply.failure || citedBy(reply.choices).size === 0 ? [] : [{ file: recording.file, events, reply }];
  });
}

/** How many citations quote nothing. */
function unquoted(choices: readonly Choice[]): number {
  return choices.flatMap(annotationsOf).filter(({ annotation }) => !annotation.cited).length;
}

/** How many can quote nothing: they neither stand at a place nor bring a quotation. */
function placeless(choices: readonly Choice[]): number {
  const quotes = ({ annotation: { cited, start, end }, text }: ReturnType<typeof annotationsOf>[number]) =>
    cited || text.slice(start ?? 0, end ?? 0) !== "";
  return choices.flatMap(annotationsOf).filter((one) => !quotes(one)).length;
}

/** Chat streams Gemini's signature of a text before the citations, which then stand apart from the text for its decoder. */
const isParted = (from: MainDialect, to: MainDialect) => from === "gemini" && to === "openai-chat";

describe("citations of recorded answers in every other dialect", () => {
  test.skipIf(!present)(title("there are recordings of each that cite"), () => {
    for (const id of MAIN) expect({ id, many: citing(id).length > 2 }).toEqual({ id, many: true });
  });

  for (const [from, to] of PAIRS) {
    test.skipIf(!present)(title(`${from} told in ${to}`), () => {
      for (const { file, events, reply } of citing(from)) {
        const choices = to === "openai-chat" || to === "gemini" ? reply.choices : reply.choices.slice(0, 1);
        const wanted = citedBy(choices);
        const body = JSON.parse(JSON.stringify(DIALECTS[to].encodeReply(reply, contextFor()))) as JsonObject;
        expect({ file, cited: READ[to](body) }).toEqual({ file, cited: wanted });
        const whole = collect(DIALECTS[to].decodeReply(body, { id: REQUEST_ID }));
        const streamed = collect(decodeStream(to, [Buffer.from(streamText(events, to, undefined))]));
        expect({ file, cited: citedBy(streamed.choices) }).toEqual({ file, cited: wanted });
        // Messages cites whole blocks, so that its passages are longer; what stands at a place is quoted.
        if (to === "anthropic-messages") {
          expect({ file, unquoted: unquoted(streamed.choices) }).toEqual({ file, unquoted: placeless(choices) });
          continue;
        }
        expect({ file, at: passages(whole.choices) }).toEqual({ file, at: passages(choices) });
        if (isParted(from, to)) continue;
        expect({ file, at: passages(streamed.choices) }).toEqual({ file, at: passages(choices) });
      }
    });
  }
});
