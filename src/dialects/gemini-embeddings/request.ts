/**
 * Requests of Gemini's embedContent and batchEmbedContents in both directions.
 * A batch is a list of the same requests that also come alone; keys come in either spelling.
 */
import type { EmbeddingInput, EmbeddingPart, EmbeddingRequest } from "../../core/embedding.ts";
import { invalidRequest } from "../../core/error.ts";
import type { Capability, Head } from "../../core/head.ts";
import { asArray, asObject, asString, type Json, type JsonObject } from "../../core/json.ts";
import { collectLosses, type Losses } from "../../core/loss.ts";
import type { Edit } from "../../core/patch.ts";
import { at, optionalInteger, optionalString, requiredArray, toObject } from "../../core/read.ts";
import type { PathFacts } from "../dialect.ts";
import { type EmbeddingTarget, type EncodedEmbedding, loseExtras } from "../embedding.ts";
import { camelKeys, camelObject, others } from "../gemini/keys.ts";
import { mediaNeeds } from "../gemini/peek.ts";
import { modelName } from "../gemini/request-decode.ts";
import { resource } from "../gemini/resource.ts";

export const ID = "gemini-embeddings" as const;

const BATCH_KNOWN: ReadonlySet<string> = new Set(["model", "requests"]);
const CONFIG_KNOWN: ReadonlySet<string> = new Set(["taskType", "title", "outputDimensionality"]);
const KNOWN: ReadonlySet<string> = new Set(["model", "content", "embedContentConfig", ...CONFIG_KNOWN]);
const CONTENT_KNOWN: ReadonlySet<string> = new Set(["parts", "role"]);

function isBatch(body: JsonObject, path: PathFacts): boolean {
  return path.batch ?? body.requests !== undefined;
}

/** The facts of a request. Vectors are no output tokens, so the limit of those is none. */
export function peek(body: JsonObject, path: PathFacts): Head {
  const needs = new Set<Capability>();
  for (const request of isBatch(body, path) ? asArray(body.requests) : [body]) {
    mediaNeeds(asObject(asObject(request)?.content)?.parts, needs);
  }
  return {
    model: modelName(path.model ?? optionalString(body, "model") ?? ""),
    stream: false,
    maxOutputTokens: 0,
    candidates: 1,
    needs: [...needs],
    wantsStreamUsage: true,
  };
}

/** Throws `invalid_request` naming the parameter's path for a wrong type. */
export function decodeRequest(body: JsonObject, path: PathFacts): EmbeddingRequest {
  const model = modelName(path.model ?? optionalString(body, "model") ?? "");
  if (!isBatch(body, path)) {
    return { model, inputs: [decodeInput(body, "")], single: true, encoding: "float" };
  }
  const requests = requiredArray(body, "requests");
  if (requests.length === 0) throw invalidRequest("requests: expected at least one.", "requests");
  const extras = others(camelKeys(body), BATCH_KNOWN);
  return {
    model,
    inputs: requests.map((request, index) => {
      const place = at("requests", index);
      return decodeInput(toObject(request, place), place);
    }),
    single: false,
    encoding: "float",
    ...(extras && { extras: { [ID]: extras } }),
  };
}

function decodeInput(request: JsonObject, place: string): EmbeddingInput {
  const top = camelKeys(request);
  // Newer clients put the wishes into an object of their own.
  const config = camelObject(top.embedContentConfig) ?? {};
  const wishes = { ...config, ...others(top, new Set()) };
  const dimensions = optionalInteger(wishes, "outputDimensionality", place, 1);
  const task = optionalString(wishes, "taskType", place);
  const title = optionalString(wishes, "title", place);
  const content = toObject(top.content, at(place, "content"));
  const extras = { ...others(top, KNOWN), ...others(config, CONFIG_KNOWN), ...others(content, CONTENT_KNOWN) };
  return {
    content: { type: "parts", parts: decodeParts(content, at(at(place, "content"), "parts")) },
    ...(dimensions !== undefined && { dimensions }),
    ...(task !== undefined && { task }),
    ...(title !== undefined && { title }),
    ...(Object.keys(extras).length > 0 && { extras: { [ID]: extras } }),
  };
}

function decodeParts({ parts }: JsonObject, place: string): EmbeddingPart[] {
  if (!Array.isArray(parts) || parts.length === 0) throw invalidRequest(`${place}: expected at least one part.`, place);
  return parts.map((part, index) => {
    const object = toObject(part, at(place, index));
    const text = asString(object.text);
    if (text !== undefined && Object.keys(object).length === 1) return { type: "text", text };
    return { type: "opaque", dialect: ID, value: object };
  });
}

/** Always a batch. Throws `invalid_request` for tokens and for another format's objects: there is no way to say them. */
export function encodeRequest(request: EmbeddingRequest, target: EmbeddingTarget): EncodedEmbedding {
  const losses = collectLosses();
  const model = resource(target.model);
  const requests = request.inputs.map((input): Json => ({ model, ...encodeInput(input, target, losses) }));
  if (request.endUser !== undefined) losses.add("endUser");
  loseExtras(request.extras, ID, losses);
  return { body: { requests, ...request.extras?.[ID] }, losses: losses.list() };
}

function encodeInput(input: EmbeddingInput, target: EmbeddingTarget, losses: Losses): JsonObject {
  const encoded: JsonObject = { content: { parts: encodeParts(input.content) } };
  const wish = (field: "dimensions" | "task" | "title", name: string) => {
    const value = input[field];
    if (value === undefined) return;
    if (target.quirks.refuses?.includes(field)) losses.add(field);
    else encoded[name] = value;
  };
  wish("task", "taskType");
  wish("title", "title");
  wish("dimensions", "outputDimensionality");
  loseExtras(input.extras, ID, losses);
  return { ...input.extras?.[ID], ...encoded };
}

function encodeParts(content: EmbeddingInput["content"]): Json[] {
  if (content.type === "tokens") {
    throw invalidRequest("input: this model's provider takes texts, not tokens. Send the text itself.", "input");
  }
  return content.parts.map((part) => {
    if (part.type === "text") return { text: part.text };
    if (part.dialect === ID) return part.value;
    throw invalidRequest("input: this model's provider does not take inputs of this form. Send texts.", "input");
  });
}

/**
 * The model's name, which the path says too and each request of a batch repeats. Those of a batch are within a list, so
 * the list is written anew, but only where a name in it differs.
 */
export function relayEdits(body: JsonObject, target: EmbeddingTarget): Edit[] {
  const model = resource(target.model);
  const edits: Edit[] = [];
  if (body.model !== undefined && body.model !== model) edits.push({ path: ["model"], value: JSON.stringify(model) });
  const requests = asArray(body.requests).map((request) => asObject(request));
  if (requests.some((request) => request?.model !== undefined && request.model !== model)) {
    const renamed = requests.map((request) => ({ ...request, model }));
    edits.push({ path: ["requests"], value: JSON.stringify(renamed) });
  }
  return edits;
}
