/**
 * The Gemini surface: the model and the streaming wish stand in the path, the framing in the query.
 * Model ids may hold slashes, unencoded, so the verb begins after the last colon.
 */
import { DIALECTS } from "../dialects/index.ts";
import type { Match, Surface } from "./surface.ts";
import { decodeSegment, queryParameter } from "./url.ts";

const dialect = DIALECTS.gemini;
const PREFIX = "models/";
const ACTIONS: ReadonlyMap<string, Match["action"]> = new Map([
  ["generateContent", "generate"],
  ["streamGenerateContent", "generate"],
  ["countTokens", "count"],
]);

export const gemini: Surface = {
  name: dialect.id,
  dialect,
  match({ route, query }): Match | undefined {
    if (!route.startsWith(PREFIX)) return undefined;
    const colon = route.lastIndexOf(":");
    if (colon <= PREFIX.length) return undefined;
    const verb = route.slice(colon + 1);
    const action = ACTIONS.get(verb);
    if (!action) return undefined;
    const stream = verb === "streamGenerateContent";
    const framing = stream && queryParameter(query, "alt") !== "sse" ? "json-array" : "sse";
    const model = decodeSegment(route.slice(PREFIX.length, colon));
    return { surface: dialect.id, dialect, framing, path: { model, stream }, action };
  },
};
