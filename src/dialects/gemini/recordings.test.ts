/**
 * Runs every recorded generateContent exchange through this dialect: order, usage, splits, round trips, requests.
 * It also reads the requests that real tools sent; what is equal only after a normalisation is normalised here, with the reason.
 */
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { createJsonArrayParser } from "../../../test/support/json-array.ts";
import { checkOrder } from "../../../test/support/order.ts";
import { clientRequests, haveRecordings, type Recording, recordings, SKIP_REASON } from "../../../test/support/wire.ts";
import type { CanonicalEvent, Reply } from "../../core/event.ts";
import { CAPABILITIES } from "../../core/head.ts";
import { asObject, type JsonObject } from "../../core/json.ts";
import { collect } from "../../core/reply.ts";
import { createSseParser } from "../../upstream/sse.ts";
import type { EncodeContext, EncodeTarget } from "../dialect.ts";
import { gemini } from "./index.ts";
import { comparable, joined, meaning, naiveSearches, naiveUsage, recordedUsage, tidy } from "./recordings.normal.ts";

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
