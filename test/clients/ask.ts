/**
 * Requests as clients send them, byte by byte, without an SDK between.
 * For tests of what a client's own habits need, through the whole server.
 */
import type { JsonObject } from "../../src/core/json.ts";
import type { Sluice } from "../support/server.ts";

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  /** The body as JSON; empty for a stream. */
  readonly body: JsonObject;
}

/** Sends a request with the test's key, unless a header says otherwise, and reads the answer whole. */
export async function ask(
  sluice: Sluice,
  path: string,
  body: JsonObject,
  headers: Record<string, string> = {},
): Promise<Answer> {
  const response = await fetch(sluice.url + path, {
    method: "POST",
    headers: { "content-type": "application/json", authorization: `Bearer ${sluice.key}`, ...headers },
    body: JSON.stringify(body),
  });
  const text = await response.text();
  const isJson = response.headers.get("content-type")?.startsWith("application/json");
  return { status: response.status, headers: response.headers, text, body: isJson ? JSON.parse(text) : {} };
}

/** The JSON documents of a stream's events. */
export function eventsOf(text: string): JsonObject[] {
  const lines = text.split(/\r?\n/).filter((line) => line.startsWith("data: {"));
  return lines.map((line) => JSON.parse(line.slice(6)) as JsonObject);
}

/** What the provider received, when it was ordered to answer with that (`echo:request`). */
export function echoed(text: string): JsonObject {
  return JSON.parse(text) as JsonObject;
}
