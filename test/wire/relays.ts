/**
 * Carries recorded answers through relay and through convert as the gateway does, in pieces cut anywhere.
 * `test/wire.test.ts` holds that both see the same events, and that relay hands on the very bytes.
 */
import { GatewayError } from "../../src/core/error.ts";
import type { CanonicalEvent } from "../../src/core/event.ts";
import { convert } from "../../src/gateway/convert.ts";
import { relay } from "../../src/gateway/relay.ts";
import type { Piece, Translation } from "../../src/gateway/translation.ts";
import { candidate, inquiryIn, SMALL } from "../support/calls.ts";
import type { Recording } from "../support/wire.ts";
import { MAIN, type MainDialect } from "./exchanges.ts";

/** What came out of a translation. */
export interface Carried {
  output: string;
  events: CanonicalEvent[];
}

/** A source of numbers from 0 up to a bound, the same in every run. */
export type Chance = (below: number) => number;

export function chanceFrom(seed: number): Chance {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) & 0x7fffffff;
    return state % Math.max(1, below);
  };
}

const MAX_CUTS = 30;

/** The bytes in pieces cut at random places, between the bytes of a character too. */
function pieces(bytes: Uint8Array, chance: Chance): Uint8Array[] {
  const cuts = Array.from({ length: chance(MAX_CUTS) }, () => chance(bytes.length)).sort((a, b) => a - b);
  return [...cuts, bytes.length].map((cut, index) => bytes.subarray(index === 0 ? 0 : cuts[index - 1], cut));
}

/** A relay of this dialect; `wantsUsage`: the caller asked for usage in the stream, where the format asks. */
export function relayOf(id: MainDialect, stream: boolean, wantsUsage = true): Translation {
  const body = { ...SMALL[id], ...(id !== "gemini" && { stream }) };
  if (id === "openai-chat" && stream && wantsUsage) Object.assign(body, { stream_options: { include_usage: true } });
  return relay(inquiryIn(id, { body, stream }), candidate(id));
}

/** A conversion of answers in this dialect for a caller of the next one. */
export function convertOf(id: MainDialect, stream: boolean): Translation {
  const other = MAIN[(MAIN.indexOf(id) + 1) % MAIN.length] ?? id;
  return convert(inquiryIn(other, { stream }), candidate(id));
}

/** The recorded answer through a translation. */
export function carry(translation: Translation, { response }: Recording, chance: Chance): Carried {
  if (response.sse === undefined) {
    const { output, events } = translation.whole(Buffer.from(JSON.stringify(response.body ?? null)));
    return { output: Buffer.from(toBytes(output)).toString("utf8"), events: [...events] };
  }
  const stream = translation.stream();
  const outputs: Uint8Array[] = [];
  const events: CanonicalEvent[] = [];
  const take = (step: Piece) => {
    outputs.push(toBytes(step.output));
    events.push(...step.events);
  };
  for (const piece of pieces(Buffer.from(response.sse), chance)) {
    take(stream.push(piece));
    // After an error the gateway reads no further.
    if (events.at(-1)?.type === "error") break;
  }
  if (events.at(-1)?.type !== "error") take(stream.end());
  return { output: Buffer.concat(outputs).toString("utf8"), events };
}

/** What the gateway says of an upstream that broke off. */
export const SENTENCE = "The model's provider broke off.";

/** The stream as a caller of `to` gets it when the upstream breaks off somewhere; undefined for a whole body. */
export function breakOff(
  { response }: Recording,
  from: MainDialect,
  to: MainDialect,
  chance: Chance,
): { output: string; isFailed: boolean } | undefined {
  if (response.sse === undefined) return undefined;
  const bytes = Buffer.from(response.sse);
  const translation = from === to ? relayOf(to, true) : convert(inquiryIn(to, { stream: true }), candidate(from));
  const stream = translation.stream();
  let { output, events } = stream.push(bytes.subarray(0, chance(bytes.length)));
  const outputs = [toBytes(output)];
  if (events.at(-1)?.type !== "error") {
    ({ output, events } = stream.end());
    outputs.push(toBytes(output));
  }
  const isFailed = events.at(-1)?.type === "error";
  if (isFailed) outputs.push(toBytes(stream.fail(new GatewayError("upstream_unavailable", SENTENCE))));
  return { output: Buffer.concat(outputs).toString("utf8"), isFailed };
}

function toBytes(output: Uint8Array | string): Uint8Array {
  return typeof output === "string" ? Buffer.from(output) : output;
}
