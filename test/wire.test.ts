/**
 * The proof across formats on real traffic: every recorded request and answer of each dialect in every other.
 * It stands over the dialects and `convert`; a dialect's own round trips are tested beside it.
 */
import { describe, expect, test } from "bun:test";
import { collect } from "../src/core/reply.ts";
import type { CanonicalRequest } from "../src/core/request.ts";
import { DIALECTS } from "../src/dialects/index.ts";
import { createSseParser } from "../src/upstream/sse.ts";
import { haveRecordings, type Recording, SKIP_REASON } from "./support/wire.ts";
import { READERS } from "./wire/clients.ts";
import {
  decodeRecording,
  decodeRequest,
  MAIN,
  type MainDialect,
  PAIRS,
  recordingsOf,
  requestsOf,
  type SourceRequest,
  table,
} from "./wire/exchanges.ts";
import { factsOf } from "./wire/facts.ts";
import { breakOff, carry, chanceFrom, convertOf, relayOf, SENTENCE } from "./wire/relays.ts";
import { difference, expected, streamText, throughBody, toldBy } from "./wire/replies.ts";
import { convertRequest, garbled, misplacedText, missingFacts } from "./wire/requests.ts";
import { requestValidators } from "./wire/schemas.ts";
import { createAsker, MODELS } from "./wire/simulated.ts";

const present = haveRecordings();
const title = (name: string) => (present ? name : `${name} (${SKIP_REASON})`);
const SLOW_MS = 120_000;

interface Decoded extends SourceRequest {
  request: CanonicalRequest;
}

/** Every request of a dialect that the dialect itself takes. */
function decodedOf(id: MainDialect): Decoded[] {
  return requestsOf(id).flatMap((source) => {
    const request = decodeRequest(source);
    return request ? [{ ...source, request }] : [];
  });
}

const requests = Object.fromEntries(MAIN.map((id) => [id, decodedOf(id)])) as Record<MainDialect, Decoded[]>;
const requestOf = new Map(Object.values(requests).flatMap((list) => list.map(({ file, request }) => [file, request])));

/** Its own provider refused this request too. */
const wasRefused = (file: string) => /\.error\d{3}\./.test(file);

/** Complaints about converted requests that are no fault of the conversion. */
const ALLOWED: readonly { complaint: RegExp; why: string; only?: (file: string) => boolean }[] = [
  {
    complaint: /temperature/,
    why: "a temperature outside of its own API's bounds is the caller's mistake, which the upstream has to name",
    only: wasRefused,
  },
  {
    complaint: /Invalid schema for function/,
    why: "a strict tool that its own API refused as well",
    only: wasRefused,
  },
  {
    complaint: /Invalid value: 'video_url'/,
    why: "films go in the form that imitators take; routing sends none to a model that cannot see them",
  },
];

function isAllowed(file: string, complaint: string): boolean {
  return ALLOWED.some((one) => one.complaint.test(complaint) && (one.only?.(file) ?? true));
}

describe.skipIf(!present)(title("recorded requests in every other dialect"), () => {
  const rows = new Map(PAIRS.map((pair) => [String(pair), { total: 0, whole: 0, valid: 0, taken: 0, asked: 0 }]));
  const rowOf = (from: MainDialect, to: MainDialect) =>
    rows.get(String([from, to])) as NonNullable<ReturnType<typeof rows.get>>;

  test(
    "nothing that a request says is missing without being named, and texts keep their order",
    () => {
      const faults: string[] = [];
      for (const [from, to] of PAIRS) {
        for (const { file, body, request } of requests[from]) {
          const facts = factsOf(from, body);
          const converted = convertRequest(request, to);
          const missing = missingFacts(facts, request, converted)[0] ?? misplacedText(facts, converted);
          const row = rowOf(from, to);
          row.total += 1;
          if (!missing) row.whole += 1;
          else faults.push(`${to} from ${file}: ${missing.kind} ${missing.value.slice(0, 120)}`);
        }
      }
      expect(faults).toEqual([]);
    },
    SLOW_MS,
  );

  test(
    "the target's own schema takes the body",
    () => {
      const validators = requestValidators();
      const faults: string[] = [];
      for (const [from, to] of PAIRS) {
        for (const { file, request } of requests[from]) {
          const complaints = validators[to](convertRequest(request, to).body);
          if (complaints.length === 0) rowOf(from, to).valid += 1;
          else if (!isAllowed(file, complaints.join("; "))) faults.push(`${to} from ${file}: ${complaints.join("; ")}`);
        }
      }
      expect(faults).toEqual([]);
    },
    SLOW_MS,
  );

  test(
    "the simulated provider takes the request",
    async () => {
      const ask = createAsker();
      const faults: string[] = [];
      for (const [from, to] of PAIRS) {
        for (const model of MODELS[to]) {
          for (const { file, request } of requests[from]) {
            const complaint = await ask(request, to, model);
            const row = rowOf(from, to);
            row.asked += 1;
            if (complaint === undefined) row.taken += 1;
            else if (!isAllowed(file, complaint)) faults.push(`${model} from ${file}: ${complaint}`);
          }
        }
      }
      expect(faults).toEqual([]);
    },
    SLOW_MS,
  );

  test(
    "histories that were cut, doubled or rearranged are made whole",
    async () => {
      const ask = createAsker();
      const chance = chanceFrom(1_726);
      const faults: string[] = [];
      for (const [from, to] of PAIRS) {
        for (const source of requests[from]) {
          const spoilt = garbled(source, chance);
          const request = spoilt && decodeRequest(spoilt);
          if (!request) continue;
          for (const model of MODELS[to]) {
            const complaint = await ask(request, to, model);
            if (complaint && !isAllowed(source.file, complaint))
              faults.push(`${model} from ${source.file}: ${complaint}`);
          }
        }
      }
      expect(faults).toEqual([]);
    },
    SLOW_MS,
  );

  test("the numbers", () => {
    const cells = PAIRS.map(([from, to]) => {
      const { total, whole, valid, taken, asked } = rowOf(from, to);
      return [from, to, `${whole} of ${total}`, `${valid} of ${total}`, `${taken} of ${asked}`];
    });
    console.log(table("converted requests", ["from", "to", "nothing missing", "valid", "taken"], cells));
    for (const list of Object.values(requests)) expect(list.length).toBeGreaterThan(0);
  });

  test("these checks notice what is left out", () => {
    const noticed = { text: 0, tool: 0 };
    for (const { body, request } of requests["openai-chat"]) {
      const facts = factsOf("openai-chat", body);
      const spoilt = { ...request, messages: request.messages.slice(0, -1), tools: undefined };
      const kinds = missingFacts(facts, request, convertRequest(spoilt, "anthropic-messages")).map(({ kind }) => kind);
      if (kinds.includes("text") || kinds.includes("result")) noticed.text += 1;
      if (kinds.includes("tool")) noticed.tool += 1;
    }
    expect(noticed.text).toBeGreaterThan(requests["openai-chat"].length * 0.8);
    expect(noticed.tool).toBeGreaterThan(50);
  });
});

/** The answers of a dialect that are no errors. */
const answersOf = (id: MainDialect) => recordingsOf(id).filter(({ response }) => response.status < 400);

describe.skipIf(!present)(title("recorded answers in every other dialect"), () => {
  const rows: (string | number)[][] = [];

  for (const [from, to] of PAIRS) {
    test(
      `${from} told in ${to}, whole and through its official SDK`,
      async () => {
        const faults: string[] = [];
        const counts = { total: 0, whole: 0, streamed: 0, failed: 0 };
        for (const recording of answersOf(from)) {
          const events = decodeRecording(from, recording);
          const reply = collect(events);
          if (reply.failure) {
            counts.failed += 1;
            continue;
          }
          counts.total += 1;
          const request = requestOf.get(recording.file);
          const wanted = expected(reply, to);
          const whole = difference(wanted, throughBody(reply, to, request));
          if (whole) faults.push(`${recording.file}: ${whole}`);
          else counts.whole += 1;
          const streamed = await throughClient(recording, from, to);
          if (streamed) faults.push(`${recording.file}, streamed: ${streamed}`);
          else counts.streamed += 1;
        }
        rows.push([
          from,
          to,
          `${counts.whole} of ${counts.total}`,
          `${counts.streamed} of ${counts.total}`,
          counts.failed,
        ]);
        expect(faults).toEqual([]);
      },
      SLOW_MS,
    );
  }

  async function throughClient(recording: Recording, from: MainDialect, to: MainDialect): Promise<string | undefined> {
    const events = decodeRecording(from, recording);
    const text = streamText(events, to, requestOf.get(recording.file));
    try {
      return difference(expected(collect(events), to), toldBy(to, await READERS[to](text)));
    } catch (error) {
      return `the SDK threw ${error}`;
    }
  }

  test("the numbers", () => {
    console.log(table("converted answers", ["from", "to", "whole", "streamed", "(errors)"], rows));
    for (const id of MAIN) expect(answersOf(id).length).toBeGreaterThan(0);
  });
});

describe.skipIf(!present)(title("recorded answers relayed"), () => {
  const rows: (string | number)[][] = [];
  const chance = chanceFrom(20_261);

  for (const id of MAIN) {
    test(
      `${id}: relay hands on the very bytes, and sees what convert sees`,
      () => {
        const counts = { total: 0, bytes: 0, events: 0, silent: 0 };
        const faults: string[] = [];
        for (const recording of answersOf(id)) {
          const { sse, body } = recording.response;
          const isStream = sse !== undefined;
          counts.total += 1;
          const relayed = carry(relayOf(id, isStream), recording, chance);
          const converted = carry(convertOf(id, isStream), recording, chance);
          const original = sse ?? JSON.stringify(body ?? null);
          // An upstream's own words about its failure are not the caller's to read.
          const isBroken = relayed.events.at(-1)?.type === "error";
          const isSame = relayed.output === original || (isBroken && isStream && original.startsWith(relayed.output));
          if (isSame) counts.bytes += 1;
          else faults.push(`${recording.file}: other bytes`);
          if (Bun.deepEquals(relayed.events, converted.events)) counts.events += 1;
          else faults.push(`${recording.file}: other events`);
          const without = carry(relayOf(id, isStream, false), recording, chance);
          if (Bun.deepEquals(without.events, relayed.events) && !tellsUsageOnly(id, without.output)) counts.silent += 1;
          else faults.push(`${recording.file}: usage that nobody asked for`);
        }
        rows.push([id, counts.total, counts.bytes, counts.events, counts.silent]);
        expect(faults).toEqual([]);
      },
      SLOW_MS,
    );
  }

  test("the numbers", () => {
    console.log(table("relayed answers", ["dialect", "all", "same bytes", "same events", "no usage unasked"], rows));
    expect(rows.length).toBe(MAIN.length);
  });
});

describe.skipIf(!present)(title("recorded streams that break off"), () => {
  const chance = chanceFrom(4_104);

  for (const id of MAIN) {
    test(
      `${id}: every official SDK gets the gateway's error, or the whole answer`,
      async () => {
        const faults: string[] = [];
        for (const recording of answersOf(id)) {
          for (const to of MAIN) {
            const text = breakOff(recording, id, to, chance);
            if (text === undefined) continue;
            const { isFailed, output } = text;
            const thrown = await READERS[to](output).then(
              () => undefined,
              (error: unknown) => String(error),
            );
            // A relayed stream is the upstream's own, and a few of the recorded ones no SDK takes.
            const isTold = thrown?.includes(SENTENCE) || (id === to && thrown !== undefined);
            if (isFailed && !isTold) faults.push(`${to} from ${recording.file}: ${thrown ?? "no error"}`);
            if (!isFailed && thrown && id !== to) faults.push(`${to} from ${recording.file}: ${thrown}`);
          }
        }
        expect(faults).toEqual([]);
      },
      SLOW_MS,
    );
  }
});

/** Whether a stream still has a frame that exists only because relay asked for usage. */
function tellsUsageOnly(id: MainDialect, output: string): boolean {
  if (id !== "openai-chat") return false;
  const parser = createSseParser();
  const frames = [...parser.push(Buffer.from(output)), ...parser.end()];
  return frames.some((frame) => DIALECTS[id].isUsageOnly(frame));
}
