/**
 * All surfaces, and the one entry for everything under the model API: calls, the model list, preflights, unknown paths.
 * The composition root hands it every request that is not the console's or the operator's.
 */
import type { Model } from "../core/endpoint.ts";
import { GatewayError, toGatewayError } from "../core/error.ts";
import type { JsonObject } from "../core/json.ts";
import { type AnyDialect, DIALECTS } from "../dialects/index.ts";
import { count } from "../gateway/count.ts";
import { type Gateway, newRequestId, type Visit } from "../gateway/gateway.ts";
import { handle } from "../gateway/handle.ts";
import { isOffered } from "../gateway/model.ts";
import { commonHeaders, refuse } from "../gateway/respond.ts";
import { messages } from "./anthropic.ts";
import { gemini } from "./gemini.ts";
import { geminiModelEntry, geminiModelList, messagesModelEntry, modelEntry, modelList } from "./models.ts";
import { chatCompletions, compaction, completions, embeddings, responses } from "./openai.ts";
import { credential, type Match, type Surface } from "./surface.ts";
import { decodeSegment, type Place, queryParameter } from "./url.ts";

const SURFACES: readonly Surface[] = [
  chatCompletions,
  messages,
  responses,
  gemini,
  completions,
  compaction,
  embeddings,
];

/** What the server can do for a request. */
export interface Connection {
  /** The body is in: its deadline no longer applies, and a silent stream must not be cut. */
  bodyRead(): void;
  /** Where the caller comes from; undefined when it cannot be told. */
  clientAddress(): string | undefined;
}

function find(place: Place): Match | undefined {
  for (const surface of SURFACES) {
    const match = surface.match(place);
    if (match) return match;
  }
  return undefined;
}

/** Answers any request to the model API. Never rejects. */
export function answerModelApi(
  gateway: Gateway,
  request: Request,
  place: Place,
  connection: Connection,
): Response | Promise<Response> {
  const match = find(place);
  const visit = toVisit(request, place, match ?? guess(request, place), connection);
  if (match && request.method === "POST")
    return match.action === "count" ? count(gateway, visit) : handle(gateway, visit);
  if (request.method === "OPTIONS") return preflight(request);
  if (match) {
    const refusal = refuse(visit, newRequestId(), wrongMethod(place));
    refusal.headers.set("allow", "POST, OPTIONS");
    return refusal;
  }
  try {
    if (place.route === "models" || place.route.startsWith("models/")) return models(gateway, visit, place);
    throw new GatewayError("not_found", "There is nothing at this path.");
  } catch (error) {
    return refuse(visit, newRequestId(), toGatewayError(error));
  }
}

function toVisit(request: Request, place: Place, match: Match, connection: Connection): Visit {
  return {
    ...match,
    request,
    credential: credential(request.headers, () => (place.query ? queryParameter(place.query, "key") : undefined)),
    bodyRead: connection.bodyRead,
    clientAddress: connection.clientAddress,
  };
}

/** Which format to answer in where the path belongs to no format, or to none that is known. */
function guess({ headers, method }: Request, place: Place): Match {
  let dialect: AnyDialect = DIALECTS["openai-chat"];
  // Other formats have model ids with a colon too, and ask for them with GET.
  const isVerb = method === "POST" && place.route.includes(":");
  if (place.beta || isVerb || headers.has("x-goog-api-client")) dialect = DIALECTS.gemini;
  else if (place.route.startsWith("messages") || headers.has("anthropic-version")) {
    dialect = DIALECTS["anthropic-messages"];
  } else if (place.route.startsWith("responses")) dialect = DIALECTS["openai-responses"];
  return { surface: "none", dialect, framing: "sse", path: {}, action: "answer" };
}

/**
 * Codex tries a WebSocket at the Responses route first; 426 sends it to plain HTTP at once, where 404 costs it seven tries.
 * A proxy in front may have taken the header away that asked for the upgrade.
 */
function wrongMethod(place: Place): GatewayError {
  if (place.route === "responses") {
    return new GatewayError("upgrade_refused", "WebSockets are not offered here. Send the request with POST.");
  }
  return new GatewayError("method_not_allowed", "Send this request with POST.");
}

const PREFLIGHT_SECONDS = "86400";

/** The answer that browsers need before they send the real request. */
export function preflight(request: Request): Response {
  return new Response(null, {
    status: 204,
    headers: {
      "access-control-allow-origin": "*",
      "access-control-allow-methods": "GET, POST, PATCH, DELETE, HEAD, OPTIONS",
      "access-control-allow-headers": request.headers.get("access-control-request-headers") ?? "*",
      "access-control-max-age": PREFLIGHT_SECONDS,
    },
  });
}

async function models(gateway: Gateway, visit: Visit, place: Place): Promise<Response> {
  const id = newRequestId();
  try {
    if (visit.request.method !== "GET" && visit.request.method !== "HEAD") {
      if (place.route.includes(":")) throw new GatewayError("not_found", "Models have no such method here.");
      throw new GatewayError("method_not_allowed", "Ask for models with GET.");
    }
    const principal = await gateway.authenticate(visit);
    const shown = gateway.catalog.models.filter((model) => isOffered(principal, model));
    const headers = commonHeaders(id);
    if (place.route === "models") {
      return Response.json(listFor(visit.dialect.id, shown), { headers });
    }
    const wanted = gateway.catalog.find(decodeSegment(place.route.slice("models/".length)));
    if (!wanted || !shown.includes(wanted)) {
      throw new GatewayError("model_not_available", "There is no such model here.");
    }
    return Response.json(entryFor(visit.dialect.id)(wanted), { headers });
  } catch (error) {
    return refuse(visit, id, toGatewayError(error));
  }
}

function listFor(dialect: string, models: readonly Model[]): JsonObject {
  return dialect === "gemini" ? geminiModelList(models) : modelList(models, entryFor(dialect));
}

function entryFor(dialect: string): (model: Model) => JsonObject {
  if (dialect === "gemini") return geminiModelEntry;
  return dialect === "anthropic-messages" ? messagesModelEntry : modelEntry;
}
