/**
 * A stream being pumped from an upstream made of promises, with a clock of its own.
 * For tests of the pump: what it reads, writes and settles, one step at a time.
 */
import type { CanonicalEvent } from "../../src/core/event.ts";
import type { Departure } from "../../src/gateway/departure.ts";
import { Meter } from "../../src/gateway/meter.ts";
import { createPulse, type Ending, pump } from "../../src/gateway/pump.ts";
import type { ReplyStream, Translation } from "../../src/gateway/translation.ts";
import { UpstreamFault, type UpstreamResponse } from "../../src/upstream/http.ts";
import { candidate, inquiryIn } from "./calls.ts";

const bytes = (text: string) => new TextEncoder().encode(text);
export const text = (value: Uint8Array | undefined) => Buffer.from(value ?? []).toString();
export const FAILURE = { kind: "server", status: 500, message: "sk-canary-0123456789 broke" } as const;

/** An upstream that gives what the test hands it, when it hands it. */
function upstream() {
  let waiting: PromiseWithResolvers<Uint8Array | undefined> | undefined;
  const seen = { reads: 0, cancelled: 0 };
  const response: UpstreamResponse = {
    status: 200,
    headers: new Headers(),
    next() {
      seen.reads += 1;
      waiting = Promise.withResolvers();
      return waiting.promise;
    },
    readAll: () => Promise.reject(new Error("not here")),
    cancel() {
      seen.cancelled += 1;
      waiting?.reject(new UpstreamFault("cancelled", undefined, true));
    },
  };
  return {
    response,
    seen,
    give: (value: string | undefined) => waiting?.resolve(value === undefined ? undefined : bytes(value)),
    fail: (error: unknown) => waiting?.reject(error),
  };
}

export interface Setting {
  opening?: string[];
  /** What the stream makes of each chunk; by default it is passed on. */
  push?: ReplyStream["push"];
  endEvents?: CanonicalEvent[];
  /** The end makes nothing for the caller. */
  silentEnd?: boolean;
  ended?: boolean;
  failed?: boolean;
  /** Where the provider charges on. */
  departure?: Departure;
}

export function begin(setting: Setting = {}) {
  const source = upstream();
  const clock = { ms: 0 };
  const pulse = createPulse({ keepAliveMs: 1000, writeStallMs: 5000, nowMs: () => clock.ms, maxAbandonedBytes: 1000 });
  const meter = new Meter();
  if (setting.failed) meter.observe([{ type: "error", failure: FAILURE }], () => 0);
  const stream: ReplyStream = {
    push: setting.push ?? ((chunk) => ({ output: chunk, events: [] })),
    end: () => ({ output: setting.silentEnd ? "" : "END", events: setting.endEvents ?? [] }),
    fail: (error) => `FAILED ${error.code} ${error.message}`,
    keepAlive: () => ": keep-alive\n\n",
  };
  const endings: Ending[] = [];
  const served = {
    inquiry: inquiryIn("openai-chat"),
    candidate: candidate(),
    translation: {} as Translation,
    meter,
    opening: setting.opening ?? ["OPENING"],
    secrets: () => [],
    rest: { response: source.response, stream, ended: setting.ended ?? false, departure: setting.departure },
  };
  const reader = pump(served, pulse, (ending) => void endings.push(ending)).getReader();
  const beat = (ms: number) => {
    clock.ms += ms;
    for (const one of pulse.live) one.beat(clock.ms);
  };
  return { ...source, reader, endings, beat, pulse, meter };
}

/** Lets everything that is ready happen. */
export const settle = () => Bun.sleep(1);
