/**
 * The Gemini surface: the model and the streaming wish stand in the path, the framing in the query.
 * Model ids may hold slashes, unencoded, so the verb begins after the last colon.
 */
import type { PathFacts } from "../dialects/dialect.ts";
import { type AnyDialect, DIALECTS, EMBEDDING_DIALECTS } from "../dialects/index.ts";
import type { Match, Surface } from "./surface.ts";
import { decodeSegment, queryParameter } from "./url.ts";

interface Verb {
  readonly dialect: AnyDialect;
  readonly action: Match["action"];
  readonly path: PathFacts;
}

const { gemini: generation } = DIALECTS;
const embeddings = EMBEDDING_DIALECTS["gemini-embeddings"];
const PREFIX = "models/";
const VERBS: ReadonlyMap<string, Verb> = new Map([
  ["generateContent", { dialect: generation, action: "answer", path: { stream: false } }],
  ["streamGenerateContent", { dialect: generation, action: "answer", path: { stream: true } }],
  ["countTokens", { dialect: generation, action: "count", path: { stream: false } }],
  ["embedContent", { dialect: embeddings, action: "answer", path: { batch: false } }],
  ["batchEmbedContents", { dialect: embeddings, action: "answer", path: { batch: true } }],
]);

export const gemini: Surface = {
  name: generation.id,
  dialect: generation,
  match({ route, query }): Match | undefined {
    if (!route.startsWith(PREFIX)) return undefined;
    const colon = route.lastIndexOf(":");
    if (colon <= PREFIX.length) return undefined;
    const verb = VERBS.get(route.slice(colon + 1));
    if (!verb) return undefined;
    const { dialect, action, path } = verb;
    const framing = path.stream && queryParameter(query, "alt") !== "sse" ? "json-array" : "sse";
    const model = decodeSegment(route.slice(PREFIX.length, colon));
    return { surface: dialect.id, dialect, framing, path: { ...path, model }, action };
  },
};
