/**
 * The star-shaped cases: for each dialect decode(its file) is the canon and encode(the canon) is its file.
 * N + 1 files prove all N × N pairs up to the canon.
 */
import { describe, expect, test } from "bun:test";
import { CAPABILITIES } from "../src/core/head.ts";
import { collect } from "../src/core/reply.ts";
import type { DialectId } from "../src/core/request.ts";
import type { EncodeContext, EncodeTarget } from "../src/dialects/dialect.ts";
import { DIALECTS } from "../src/dialects/index.ts";
import { createSseParser } from "../src/upstream/sse.ts";
import {
  type Case,
  cases,
  decodedBy,
  dialectsOf,
  expectedLosses,
  plainReply,
  plainRequest,
  sseData,
  withLabel,
} from "./support/cases.ts";
import { checkOrder } from "./support/order.ts";

const TARGET: EncodeTarget = {
  model: "test-model",
  stream: false,
  maxOutputTokens: 32_000,
  capabilities: new Set(CAPABILITIES),
  quirks: {},
};

function context(one: Case): EncodeContext {
  return { id: "case", createdAt: 1_700_000_000, model: "test-model", request: one.request, wantsStreamUsage: true };
}

function json(one: Case, name: string) {
  const text = one.file(name);
  if (text === undefined) throw new Error(`the case ${one.name} has no ${name}`);
  return JSON.parse(text);
}

function decodeStream(id: DialectId, pieces: Iterable<Uint8Array>) {
  const parser = createSseParser();
  const decoder = DIALECTS[id].streamDecoder({ id: "case" });
  const events = [];
  for (const piece of pieces) for (const frame of parser.push(piece)) events.push(...decoder.frame(frame));
  for (const frame of parser.end()) events.push(...decoder.frame(frame));
  events.push(...decoder.end());
  return events;
}

for (const one of cases()) {
  describe(`case ${one.name}`, () => {
    for (const id of dialectsOf(one)) {
      const dialect = DIALECTS[id];
      const own = decodedBy(one, id);
      const path = id === "gemini" ? { model: "test-model", stream: false } : {};

      test(`${id}: its request decodes to the canonical one`, () => {
        const decoded = dialect.decodeRequest(json(one, `${id}.request.json`), path);
        // An altered field comes back as something else, a dropped one not at all: neither can be compared.
        const lost = expectedLosses(one, id).map((loss) => (loss as { field: string }).field);
        expect(plainRequest(withLabel(decoded, own.request), lost)).toEqual(plainRequest(own.request, lost));
      });

      test(`${id}: the canonical request encodes to its own, with exactly the named losses`, () => {
        const encoded = dialect.encodeRequest(one.request, TARGET);
        expect(encoded.losses).toEqual(expectedLosses(one, id) as typeof encoded.losses);
        expect(JSON.parse(JSON.stringify(encoded.body))).toEqual(json(one, `${id}.request.json`));
      });

      test(`${id}: its reply decodes to the canonical one`, () => {
        const events = dialect.decodeReply(json(one, `${id}.response.json`), { id: "case" });
        checkOrder(events);
        expect(plainReply(events)).toEqual(plainReply(own.events));
      });

      test(`${id}: the canonical reply encodes to its own`, () => {
        const encoded = dialect.encodeReply(collect(one.events), context(one));
        expect(JSON.parse(JSON.stringify(encoded))).toEqual(json(one, `${id}.response.json`));
      });

      test(`${id}: its stream decodes to the canonical reply, split at every byte`, () => {
        const bytes = Buffer.from(one.file(`${id}.stream.sse`) ?? "");
        const whole = decodeStream(id, [bytes]);
        checkOrder(whole);
        expect(plainReply(whole)).toEqual(plainReply(own.events));
        for (let cut = 1; cut < bytes.length; cut++) {
          expect(decodeStream(id, [bytes.subarray(0, cut), bytes.subarray(cut)])).toEqual(whole);
        }
        expect(
          decodeStream(
            id,
            Array.from(bytes, (byte) => Uint8Array.of(byte)),
          ),
        ).toEqual(whole);
      });

      test(`${id}: the canonical events encode to its stream`, () => {
        const encoder = dialect.streamEncoder(context(one), "sse");
        let text = "";
        for (const event of one.events) if (event.type !== "error") text += encoder.event(event);
        text += encoder.end();
        expect(sseData(text)).toEqual(sseData(one.file(`${id}.stream.sse`) ?? ""));
      });
    }
  });
}
