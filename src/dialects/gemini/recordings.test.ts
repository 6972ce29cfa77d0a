/**
 * Runs every recorded generateContent exchange through this dialect: order, usage, splits, round trips, requests.
 * It also reads the requests that real tools sent; what is equal only after a normalisation is normalised here, with the reason.
 */
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { checkOrder } from "../../../test/support/order.ts";
import { clientRequests, haveRecordings, type Recording, recordings, SKIP_REASON } from "../../../test/support/wire.ts";
import type { CanonicalEvent, Reply } from "../../core/event.ts";
import { CAPABILITIES } from "../../core/head.ts";
import { asArray, asObject, type Json, type JsonObject } from "../../core/json.ts";
import { collect } from "../../core/reply.ts";
import type { CanonicalRequest } from "../../core/request.ts";
import { emptyUsage } from "../../core/usage.ts";
import { createJsonArrayParser } from "../../upstream/json-array.ts";
import { createSseParser } from "../../upstream/sse.ts";
import type { EncodeContext, EncodeTarget } from "../dialect.ts";
import { gemini } from "./index.ts";
import { SKIP_SIGNATURE } from "./wire.ts";

const all = recordings("gemini.generateContent");
const answered = all.filter((recording) => recording.response.status < 400);
const streams = answered.filter((recording) => recording.response.sse !== undefined);
const documents = answered.filter((recording) => recording.response.sse === undefined);
const withRequest = all.filter((recording) => recording.request);
const title = (text: string) => (haveRecordings() ? text : `${text} (${SKIP_REASON})`);

/** Streams that break off or end in an error on purpose. */
const BROKEN = new Set([
  "vertex.stream.vertexai-sdk-test-data.0c8238ec83",
  "vertex.stream.vertexai-sdk-test-data.ebded8a190",
]);
const isBroken = ({ file }: Recording) => [...BROKEN].some((name) => file.includes(name));

function bytesOf(recording: Recording): Uint8Array {
  return new TextEncoder().encode(recording.response.sse);
}

function decodeStream(bytes: Uint8Array, cuts: readonly number[] = [], isArray = false): CanonicalEvent[] {
  const parser = isArray ? createJsonArrayParser() : createSseParser();
  const decoder = gemini.streamDecoder({ id: "req_test" });
  const events: CanonicalEvent[] = [];
  let from = 0;
  for (const cut of [...cuts, bytes.length]) {
    for (const frame of parser.push(bytes.subarray(from, cut))) events.push(...decoder.frame(frame));
    from = cut;
  }
  for (const frame of parser.end()) events.push(...decoder.frame(frame));
  return [...events, ...decoder.end()];
}

function eventsOf(recording: Recording): CanonicalEvent[] {
  if (recording.response.sse !== undefined) return decodeStream(bytesOf(recording));
  return gemini.decodeReply(recording.response.body ?? null, { id: "req_test" });
}

function contextFor(reply: Reply): EncodeContext {
  return {
    id: "req_test",
    createdAt: 1,
    model: reply.model ?? "",
    request: { model: "m", stream: false, messages: [] },
    wantsStreamUsage: true,
  };
}

/** The last usageMetadata of an answer that counts anything, read without this dialect. */
function recordedUsage(recording: Recording): JsonObject | undefined {
  const { sse, body } = recording.response;
  const chunks: Json[] =
    sse === undefined
      ? [body ?? null].flat()
      : sse
          .split(/\r?\n\r?\n/)
          .filter((block) => block.startsWith("data:"))
          .map((block) => JSON.parse(block.replace(/^data: ?/, "")));
  const list = chunks.map((chunk) => asObject(asObject(chunk)?.usageMetadata));
  return list.filter((usage) => usage?.promptTokenCount !== undefined || usage?.totalTokenCount !== undefined).at(-1);
}

function modality(usage: JsonObject, key: string, names: unknown[]): number {
  const entries = asArray(usage[key]).map((entry) => asObject(entry) ?? {});
  return entries
    .filter((one) => names.includes(one.modality))
    .reduce((sum, one) => sum + Number(one.tokenCount ?? 0), 0);
}

function naiveUsage(usage: JsonObject, searches: number) {
  const count = (key: string) => Number(usage[key] ?? 0);
  const media = (names: unknown[]) =>
    Math.max(0, modality(usage, "promptTokensDetails", names) - modality(usage, "cacheTokensDetails", names)) +
    modality(usage, "toolUsePromptTokensDetails", names);
  const imageInput = media(["IMAGE", 2]);
  const audioInput = media(["AUDIO", 4]);
  const imageOutput = modality(usage, "candidatesTokensDetails", ["IMAGE", 2]);
  const audioOutput = modality(usage, "candidatesTokensDetails", ["AUDIO", 4]);
  const prompt = count("promptTokenCount") + count("toolUsePromptTokenCount");
  return {
    ...emptyUsage("measured"),
    input: prompt - count("cachedContentTokenCount") - imageInput - audioInput,
    cacheRead: count("cachedContentTokenCount"),
    imageInput,
    audioInput,
    output: count("candidatesTokenCount") - imageOutput - audioOutput,
    thinking: count("thoughtsTokenCount"),
    imageOutput,
    audioOutput,
    webSearches: searches,
  };
}

/** Web searches, from the raw text: the queries of the last list of each answer. */
function naiveSearches(recording: Recording): number {
  const text = recording.response.sse ?? JSON.stringify(recording.response.body);
  const lists = [...text.matchAll(/"webSearchQueries": ?(\[[^\]]*\])/g)];
  return lists.length > 0 ? JSON.parse(lists.at(-1)?.[1] ?? "[]").length : 0;
}

/** Documents that differ on purpose after encoding, with the reason. */
const DIFFERENT: Readonly<Record<string, string>> = {
  "vertex.json.vertexai-sdk-test-data.36d478bfd4": "has no finish reason, which clients must have: STOP is written",
};

const isDifferent = ({ file }: Recording) => Object.keys(DIFFERENT).some((name) => file.includes(name));

describe("recorded answers", () => {
  let equalUsage = 0;
  let roundTrips = 0;

  for (const recording of answered) {
    test(`${recording.file}: order, usage, round trip`, () => {
      const events = eventsOf(recording);
      checkOrder(events);
      const last = events.at(-1);
      expect(last?.type).toBe(isBroken(recording) ? "error" : "message-end");

      const decoded = collect(events);
      // An encoder names what the recording leaves unnamed.
      const reply = { ...decoded, id: decoded.id ?? "req_test", model: decoded.model ?? "" };
      const usage = recordedUsage(recording);
      if (usage) expect(reply.usage).toEqual(naiveUsage(usage, naiveSearches(recording)));
      else expect(reply.usage).toBeUndefined();
      equalUsage++;

      if (isBroken(recording) || isDifferent(recording)) return;
      const context = contextFor(reply);
      for (const framing of ["sse", "json-array"] as const) {
        const encoder = gemini.streamEncoder(context, framing);
        let text = "";
        for (const event of events) if (event.type !== "error") text += encoder.event(event);
        text += encoder.end();
        const again = decodeStream(new TextEncoder().encode(text), [], framing === "json-array");
        checkOrder(again);
        // A stream continues a text from chunk to chunk, so neighbouring texts of a document become one.
        expect(joined(collect(again))).toEqual(joined(reply));
        if (framing === "json-array") JSON.parse(text);
      }
      const whole = gemini.decodeReply(gemini.encodeReply(reply, context), { id: "req_test" });
      checkOrder(whole);
      expect(collect(whole)).toEqual(reply);
      roundTrips++;
    });
  }

  test(title("floors"), () => {
    if (!haveRecordings()) return;
    console.log(
      `gemini: ${equalUsage} responses decoded with equal usage, ${roundTrips} of ${answered.length} survive the round trip`,
    );
    expect(equalUsage).toBeGreaterThanOrEqual(259);
    expect(roundTrips).toBeGreaterThanOrEqual(256);
  });
});

/** A reply with neighbouring unsigned texts joined, and without what depends on their borders. */
function joined(reply: Reply): Reply {
  const choices = reply.choices.map((choice) => {
    const parts: typeof choice.parts = [];
    for (const part of choice.parts) {
      const before = parts.at(-1);
      const isText = part.type === "text" || part.type === "thinking";
      if (before && isText && before.type === part.type && !("signature" in before)) {
        parts[parts.length - 1] = { ...before, ...part, text: before.text + part.text } as typeof part;
      } else parts.push(part);
    }
    return { ...choice, parts };
  });
  return { ...reply, choices };
}

/** A document without what is said equally by leaving it out, and without the ids that are made here. */
function tidy(value: Json | undefined, key = ""): Json | undefined {
  if (value === null || value === undefined) return undefined;
  if (Array.isArray(value)) {
    const list = value.map((one) => tidy(one)).filter((one) => one !== undefined);
    return list.length > 0 ? list : undefined;
  }
  if (typeof value !== "object") return value;
  const result: JsonObject = {};
  for (const name of Object.keys(value).sort()) {
    const one = value[name];
    if (name === "id" && typeof one === "string" && one.startsWith("callgm_")) continue;
    if (name === "index" && one === 0) continue;
    if (name === "role" && one === "model") continue;
    if (name === "thought" && one === false) continue;
    if (key === "usageMetadata" && one === 0) continue;
    if (name === "text" && one === "") continue;
    const tidied = tidy(one, name);
    if (tidied !== undefined) result[name] = tidied;
  }
  return Object.keys(result).length > 0 ? result : undefined;
}

describe("recorded documents", () => {
  let equal = 0;
  const single = documents.filter((recording) => !Array.isArray(recording.response.body));
  for (const recording of single) {
    test(`${recording.file}: the same document again`, () => {
      const reply = collect(eventsOf(recording));
      const again = gemini.encodeReply(reply, contextFor(reply));
      if (isDifferent(recording)) return;
      const recorded = recording.response.body as JsonObject;
      // Metadata without a single count is no usage, and what it says of traffic is lost with it.
      const counted = recordedUsage(recording) ? recorded : { ...recorded, usageMetadata: undefined };
      const { responseId, modelVersion } = recorded;
      expect(tidy({ ...again, responseId, modelVersion })).toEqual(tidy({ ...counted, responseId, modelVersion }));
      equal++;
    });
  }
  test(title("floors"), () => {
    if (!haveRecordings()) return;
    console.log(`gemini: ${equal} of ${single.length} documents are written again as recorded`);
    expect(equal).toBeGreaterThanOrEqual(127);
  });
});

describe("recorded streams", () => {
  test(title("cut at random points, all give the same events"), () => {
    for (const recording of streams) {
      const bytes = bytesOf(recording);
      const whole = decodeStream(bytes);
      fc.assert(
        fc.property(fc.array(fc.integer({ min: 0, max: bytes.length }), { maxLength: 12 }), (cuts) => {
          const sorted = cuts.sort((a, b) => a - b);
          expect(decodeStream(bytes, sorted)).toEqual(whole);
        }),
        { numRuns: 3 },
      );
    }
  });

  test(title("cut at every byte, some give the same events"), () => {
    const sample = streams.filter((recording) => bytesOf(recording).length < 2000).slice(0, 8);
    if (haveRecordings()) expect(sample.length).toBeGreaterThan(4);
    for (const recording of sample) {
      const bytes = bytesOf(recording);
      const whole = decodeStream(bytes);
      for (let cut = 1; cut < bytes.length; cut++) expect(decodeStream(bytes, [cut])).toEqual(whole);
    }
  });
});

describe("recorded errors", () => {
  for (const recording of all.filter((one) => one.response.status >= 400)) {
    test(`${recording.file}: kind and message`, () => {
      const { status, headers, body } = recording.response;
      const failure = gemini.decodeError(status, new Headers(headers), JSON.stringify(body));
      expect(failure.status).toBe(status);
      expect(failure.message).toBe(String(asObject(asObject(body)?.error)?.message));
      expect(failure.kind).not.toBe("server");
    });
  }
});

function targetFor(model: string | null): EncodeTarget {
  return {
    model: model ?? "gemini-3-flash-preview",
    stream: false,
    maxOutputTokens: 1_000_000,
    capabilities: new Set(CAPABILITIES),
    quirks: {},
  };
}

const snake = /([a-z0-9])_([a-z])/g;

/** Fields whose inside is the caller's own and is compared as it is. */
const VERBATIM = new Set(["args", "response", "executableCode", "codeExecutionResult", "toolCall", "toolResponse"]);

/** A recorded request in the spelling and with the fields that this dialect writes. */
function normalised(value: Json | undefined, key = ""): Json | undefined {
  if (value === null || value === undefined) return undefined;
  if (VERBATIM.has(key)) return value;
  if (Array.isArray(value)) return value.map((one) => normalised(one, key)).filter((one) => one !== undefined);
  if (typeof value !== "object") return value;
  const result: JsonObject = {};
  for (const name in value) {
    const camel = name.replace(snake, (_, before: string, letter: string) => before + letter.toUpperCase());
    const one = normalised(value[name], camel);
    if (one === undefined || (camel === "thought" && one === false)) continue;
    // A signature that stands for none is written again by the encoder where it is needed.
    if (camel === "thoughtSignature" && one === SKIP_SIGNATURE) continue;
    if (camel === "response" || camel === "args") result[camel] = one;
    else result[camel] = one;
  }
  return result;
}

/** What the encoder is expected to make of a request, apart from schemas, which have their own tests. */
function comparable(body: JsonObject): JsonObject {
  const top = normalised(body) as JsonObject;
  const config = asObject(top.generationConfig) ?? {};
  const { responseSchema, responseJsonSchema, responseMimeType, thinkingConfig, candidateCount, ...numbers } = config;
  const thinking = asObject(thinkingConfig);
  const tools = asArray(top.tools).flatMap((group) => {
    const { functionDeclarations, ...own } = asObject(group) ?? {};
    const declared = asArray(functionDeclarations).map((one) => {
      const { name, description } = asObject(one) ?? {};
      return { name, ...(description !== undefined && { description }) };
    });
    return [...declared, ...Object.keys(own).map((name) => ({ own: name }))];
  });
  return {
    contents: joinTurns(asArray(top.contents)),
    // A role of the instruction says nothing.
    system: asArray(asObject(top.systemInstruction)?.parts),
    tools: tools.sort((a, b) => Number("own" in a) - Number("own" in b)),
    toolConfig: top.toolConfig,
    numbers,
    hasSchema: responseSchema !== undefined || responseJsonSchema !== undefined,
    isJson: responseMimeType === "application/json",
    // Thoughts are left out unless asked for, so saying so is the same as not.
    thinking: thinking && {
      ...thinking,
      includeThoughts: thinking.includeThoughts === true,
      ...(typeof thinking.thinkingLevel === "string" && { thinkingLevel: thinking.thinkingLevel.toUpperCase() }),
    },
    several: candidateCount === 1 ? undefined : candidateCount,
    safety: asArray(top.safetySettings),
    cachedContent: top.cachedContent,
    modelArmorConfig: top.modelArmorConfig,
  };
}

/** Turns of one role that stand together are written as one. */
function joinTurns(contents: Json[]): JsonObject[] {
  const turns: JsonObject[] = [];
  for (const entry of contents) {
    const { role = "user", parts } = asObject(entry) ?? {};
    const last = turns.at(-1);
    const list = asArray(parts)
      .map(comparablePart)
      .filter((part) => Object.keys(part).length > 0);
    if (last?.role === role) last.parts = [...asArray(last.parts), ...list];
    else turns.push({ role, parts: list });
  }
  // Responses come before other parts of the same turn.
  for (const turn of turns) {
    const isResponse = (part: Json) => asObject(part)?.functionResponse !== undefined;
    const parts = asArray(turn.parts);
    turn.parts = [...parts.filter(isResponse), ...parts.filter((part) => !isResponse(part))];
  }
  return turns;
}

function comparablePart(part: Json): JsonObject {
  const result = { ...asObject(part) };
  // An empty text without a signature says nothing.
  if (result.text === "" && result.thoughtSignature === undefined) return {};
  const call = asObject(result.functionCall);
  const response = asObject(result.functionResponse);
  if (call) result.functionCall = { args: {}, ...call };
  if (response) {
    // Texts come back under the key that the encoder prefers, or as the object that they are the JSON of.
    const inner = asObject(response.response) ?? {};
    const text = Object.keys(inner).length === 1 ? (inner.result ?? inner.output) : undefined;
    let object: Json | undefined;
    try {
      object = typeof text === "string" ? JSON.parse(text) : undefined;
    } catch {
      object = undefined;
    }
    const written = asObject(object) ?? (typeof text === "string" ? { result: text } : inner);
    const isEmpty = Object.keys(written).length === 0 && response.parts === undefined;
    result.functionResponse = { ...response, response: isEmpty ? { result: "" } : written };
  }
  return result;
}

/** A canonical request without what is said equally by leaving it out: `$schema`, a wish for text, borders of turns. */
function meaning(request: CanonicalRequest): CanonicalRequest {
  const { outputFormat, ...copy } = JSON.parse(
    JSON.stringify(request, (key, value) => (key === "$schema" ? undefined : value)),
  ) as CanonicalRequest;
  const messages: CanonicalRequest["messages"] = [];
  for (const message of copy.messages) {
    const last = messages.at(-1);
    if (last?.role === message.role) (last.content as unknown[]).push(...message.content);
    else messages.push(message);
  }
  return { ...copy, messages, ...(outputFormat && outputFormat.type !== "text" && { outputFormat }) };
}

/** Requests that Google itself refused, or that are not written again as they came, with the reason. */
const ODD_REQUESTS: Readonly<Record<string, string>> = {
  "vertex.error400.opentelemetry-python-contrib.cf6bcb681b": "the role is none: refused here as it was there",
};

describe("recorded requests", () => {
  let kept = 0;
  for (const recording of withRequest) {
    const { body, path } = recording.request as NonNullable<Recording["request"]>;
    const odd = Object.keys(ODD_REQUESTS).some((name) => recording.file.includes(name));
    test(`${recording.file}: the same meaning again`, () => {
      const facts = { model: "m", stream: path.includes("streamGenerateContent") };
      if (odd) {
        expect(() => gemini.decodeRequest(body, facts)).toThrow();
        return;
      }
      gemini.peek(body, facts);
      const request = gemini.decodeRequest(body, facts);
      const encoded = gemini.encodeRequest(request, targetFor(recording.model));
      expect(meaning(gemini.decodeRequest(encoded.body, facts))).toEqual(meaning(request));
      expect(comparable(encoded.body)).toEqual(comparable(body));
      expect(encoded.losses).toEqual([]);
      kept++;
    });
  }
  test(title("floors"), () => {
    if (!haveRecordings()) return;
    console.log(`gemini: ${kept} of ${withRequest.length} requests`);
    expect(kept).toBeGreaterThanOrEqual(225);
  });
});

describe("requests of real tools", () => {
  const own = clientRequests().filter(({ path, body }) => /:(?:streamG|g)enerateContent/.test(path) && asObject(body));
  for (const request of own) {
    test(`${request.file}: decoded and written again`, () => {
      const facts = { model: "m", stream: true };
      const body = request.body as JsonObject;
      const decoded = gemini.decodeRequest(body, facts);
      const encoded = gemini.encodeRequest(decoded, targetFor("gemini-3-flash-preview"));
      expect(meaning(gemini.decodeRequest(encoded.body, facts))).toEqual(meaning(decoded));
      expect(comparable(encoded.body)).toEqual(comparable(body));
      expect(encoded.losses).toEqual([]);
    });
  }
});
