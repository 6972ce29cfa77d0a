/**
 * Which path of the simulated provider leads to which API.
 * The simulator asks it once for every request.
 */
import { anthropicApi } from "./anthropic.ts";
import type { Api, Incoming, Memory } from "./api.ts";
import { chatApi } from "./chat.ts";
import { completionsApi } from "./completions.ts";
import { geminiApi } from "./gemini.ts";
import { listAnthropic, listGemini, listOpenai, nowhere } from "./models.ts";
import { countAnthropic, countGemini, embed, embedGemini, type Plain } from "./plain.ts";
import { countResponses, responsesApi } from "./responses.ts";

/** Where a path leads. */
export interface Route {
  /** Whose envelopes, headers and answers are used. */
  api: Api;
  /** Set when the answer is not generated. */
  plain?: (call: Incoming, memory: Memory) => Plain;
  pathModel: string;
  verb: string;
  isUnknown: boolean;
}

const route = (api: Api, plain?: Route["plain"], pathModel = "", verb = ""): Route => ({
  api,
  plain,
  pathModel,
  verb,
  isUnknown: false,
});

const POSTS: Record<string, Route> = {
  "/v1/chat/completions": route(chatApi),
  "/v1/completions": route(completionsApi),
  "/v1/responses": route(responsesApi),
  "/v1/responses/input_tokens": route(responsesApi, countResponses),
  "/v1/messages": route(anthropicApi),
  "/v1/messages/count_tokens": route(anthropicApi, countAnthropic),
  "/v1/embeddings": route(chatApi, embed),
};

const GEMINI_PLAIN: Record<string, Route["plain"]> = {
  generateContent: undefined,
  streamGenerateContent: undefined,
  countTokens: countGemini,
  embedContent: embedGemini,
  batchEmbedContents: embedGemini,
};

const NOWHERE: Route = { ...route(chatApi, nowhere), isUnknown: true };
const NOWHERE_GEMINI: Route = { ...route(geminiApi, nowhere), isUnknown: true };

/** A model's id may hold slashes and colons, so the verb stands after the last colon. */
const GEMINI_PATH = /^\/v1(?:beta\d?|alpha)?\/(?:.*\/)?(?:models|tunedModels)\/(.+):([A-Za-z]+)$/;

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

function findGet(path: string, headers: Headers): Route {
  const match = /^\/(v1|v1beta)\/models(?:\/(.+))?$/.exec(path);
  if (match === null) return NOWHERE;
  const model = decoded(match[2] ?? "");
  if (match[1] === "v1beta" || headers.has("x-goog-api-key")) return route(geminiApi, listGemini, model);
  if (headers.has("anthropic-version")) return route(anthropicApi, listAnthropic, model);
  return route(chatApi, listOpenai, model);
}

/** The route of a request; one that leads nowhere answers 404. */
export function findRoute(method: string, path: string, headers: Headers): Route {
  if (method === "GET") return findGet(path, headers);
  const known = POSTS[path];
  if (known !== undefined) return known;
  const match = GEMINI_PATH.exec(path);
  if (match === null) return path.startsWith("/v1beta/") ? NOWHERE_GEMINI : NOWHERE;
  const verb = match[2] ?? "";
  return verb in GEMINI_PLAIN ? route(geminiApi, GEMINI_PLAIN[verb], decoded(match[1] ?? ""), verb) : NOWHERE_GEMINI;
}
