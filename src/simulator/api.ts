/**
 * What one wire format of the simulated provider must know: reading, refusing, answering whole and in a stream.
 * The simulator drives whichever one the path names.
 */
import type { Directives } from "./directives.ts";
import type { Frame } from "./frame.ts";
import type { Plan } from "./plan.ts";
import type { Problem } from "./problem.ts";
import type { View } from "./reading.ts";
import type { Seed } from "./seed.ts";

/** A call as it came in. */
export interface Incoming {
  path: string;
  query: URLSearchParams;
  headers: Headers;
  raw: string;
  body: Record<string, unknown>;
  /** The model that the path names, when it does. */
  pathModel: string;
  /** The verb after the model in the path, as in `:streamGenerateContent`. */
  verb: string;
  orders: Directives;
}

/** What the simulator remembers between calls. Every list has a limit. */
export interface Memory {
  /** Cached prefixes by hash. */
  prefixes: Map<string, true>;
  /** The prompt tokens last seen with a prompt cache key. */
  cacheKeys: Map<string, number>;
  /** Conversations by response id. */
  responses: Map<string, unknown[]>;
  /** How often a key of `fail-first` was called. */
  failures: Map<string, number>;
}

/** An answer to write: one plan per choice, and what may be needed to name things. */
export interface Answer {
  view: View;
  plans: Plan[];
  seed: Seed;
  orders: Directives;
  memory: Memory;
}

/** One wire format. */
export interface Api {
  /** Reads and checks a request; throws a {@link Problem}. */
  read(call: Incoming, memory: Memory): View;
  /** The whole answer as JSON. */
  reply(answer: Answer): unknown;
  /** The same answer in events. */
  frames(answer: Answer): Iterable<Frame>;
  /** The envelope of a refusal. */
  refuse(problem: Problem, seed: Seed, orders: Directives): unknown;
  /** The events that tell of a failure inside a stream; `sent` is absent when the answer had not begun. */
  failure(answer: Answer): Iterable<Frame>;
  /** Headers of every answer. */
  headers(seed: Seed): Record<string, string>;
  /** What is said to a call without a key. */
  keyMissing: string;
  /** What is said to a body that is not a JSON object. */
  notJson: string;
  jsonType: string;
  streamType: string;
  /** Whether lines end with CRLF unless asked otherwise. */
  crlf: boolean;
  /** Whether a stream of this call is one JSON array. */
  asArray(call: Incoming): boolean;
}

/** What a provider says when it is asked to fail with a status. */
export const STATUS_WORDS: Record<number, string> = {
  400: "The request is invalid (simulated).",
  401: "Invalid API key provided (simulated).",
  402: "Your credit balance is too low (simulated).",
  403: "Your key may not do this (simulated).",
  404: "The model does not exist or you do not have access to it (simulated).",
  408: "The request timed out (simulated).",
  413: "Request exceeds the maximum size (simulated).",
  429: "Rate limit reached. Please try again later (simulated).",
  500: "The server had an error while processing your request (simulated).",
  502: "Bad gateway (simulated).",
  503: "The service is temporarily overloaded (simulated).",
  504: "The request took too long (simulated).",
  529: "Overloaded",
};
