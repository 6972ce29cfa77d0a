/**
 * Requests of OpenAI's embeddings in both directions: one text or many, or a model's own tokens in place of texts.
 * What a compatible server takes besides (objects with pictures) is kept as it is, for servers of the same format.
 */
import type { EmbeddingInput, EmbeddingPart, EmbeddingRequest, VectorEncoding } from "../../core/embedding.ts";
import { invalidRequest } from "../../core/error.ts";
import type { Head } from "../../core/head.ts";
import { asString, type Json, type JsonObject } from "../../core/json.ts";
import { collectLosses, type Losses } from "../../core/loss.ts";
import type { Edit } from "../../core/patch.ts";
import { readRoutingWish } from "../../core/preferences.ts";
import { at, optionalInteger, optionalString, requiredString } from "../../core/read.ts";
import { commonDimensions, type EmbeddingTarget, type EncodedEmbedding, loseExtras } from "../embedding.ts";
import { addExtras, leftovers } from "../openai-chat/wire.ts";

export const ID = "openai-embeddings" as const;

const KNOWN: ReadonlySet<string> = new Set(["model", "input", "dimensions", "encoding_format", "user"]);

/** The facts of a request. Vectors are no output tokens, so the limit of those is none. */
export function peek(body: JsonObject): Head {
  const model = requiredString(body, "model");
  if (model === "") throw invalidRequest("model: expected the name of a model.", "model");
  return {
    model,
    stream: false,
    maxOutputTokens: 0,
    candidates: 1,
    needs: [],
    wantsStreamUsage: true,
    routing: readRoutingWish(body),
    endUser: asString(body.user),
  };
}

/** Throws `invalid_request` naming the parameter's path for a wrong type. */
export function decodeRequest(body: JsonObject): EmbeddingRequest {
  const dimensions = optionalInteger(body, "dimensions", "", 1);
  const { contents, single } = decodeInput(body.input);
  const endUser = optionalString(body, "user");
  const extras = leftovers(body, KNOWN);
  return {
    model: requiredString(body, "model"),
    inputs: contents.map((content) => ({ content, ...(dimensions !== undefined && { dimensions }) })),
    single,
    encoding: decodeEncoding(body),
    ...(endUser !== undefined && { endUser }),
    ...(extras && { extras: { [ID]: extras } }),
  };
}

function decodeEncoding(body: JsonObject): VectorEncoding {
  const encoding = optionalString(body, "encoding_format") ?? "float";
  if (encoding !== "float" && encoding !== "base64") {
    throw invalidRequest('encoding_format: expected "float" or "base64".', "encoding_format");
  }
  return encoding;
}

type Content = EmbeddingInput["content"];

function decodeInput(input: Json | undefined): { contents: Content[]; single: boolean } {
  if (!Array.isArray(input)) return { contents: [decodeOne(input, "input")], single: true };
  if (input.length === 0) throw invalidRequest("input: expected at least one text.", "input");
  if (typeof input[0] === "number") return { contents: [decodeOne(input, "input")], single: true };
  return { contents: input.map((one, index) => decodeOne(one, at("input", index))), single: false };
}

function decodeOne(value: Json | undefined, path: string): Content {
  if (typeof value === "string") return { type: "parts", parts: [{ type: "text", text: value }] };
  if (Array.isArray(value)) return { type: "tokens", tokens: decodeTokens(value, path) };
  if (typeof value === "object" && value !== null) {
    return { type: "parts", parts: [{ type: "opaque", dialect: ID, value }] };
  }
  throw invalidRequest(`${path}: expected a text, a list of texts, or tokens.`, path);
}

function decodeTokens(values: Json[], path: string): number[] {
  const wrong = values.findIndex((value) => typeof value !== "number" || !Number.isSafeInteger(value) || value < 0);
  if (wrong >= 0) throw invalidRequest(`${at(path, wrong)}: expected a token's number.`, at(path, wrong));
  return values as number[];
}

/** Throws `invalid_request` for an input of another format that is more than text. */
export function encodeRequest(request: EmbeddingRequest, target: EmbeddingTarget): EncodedEmbedding {
  const losses = collectLosses();
  const refused = (field: string) => target.quirks.refuses?.includes(field) ?? false;
  const wishes: JsonObject = {};
  const wish = (field: string, name: string, value: Json | undefined) => {
    if (value === undefined) return;
    if (refused(field)) losses.add(field);
    else wishes[name] = value;
  };
  wish("dimensions", "dimensions", commonDimensions(request));
  // What the caller wants to see in the end is said where it saves work; numbers are the format's own choice.
  if (request.encoding === "base64" && !refused("encoding")) wishes.encoding_format = "base64";
  wish("endUser", "user", request.endUser);
  const inputs = request.inputs.map((input) => encodeInput(input, losses));
  loseExtras(request.extras, ID, losses);
  const body: JsonObject = { model: target.model, input: request.single ? inputs[0] : inputs, ...wishes };
  addExtras(body, request.extras?.[ID]);
  return { body, losses: losses.list() };
}

function encodeInput({ content, task, title, extras }: EmbeddingInput, losses: Losses): Json {
  if (task !== undefined) losses.add("task");
  if (title !== undefined) losses.add("title");
  loseExtras(extras, ID, losses);
  if (content.type === "tokens") return content.tokens;
  const [first, ...others] = content.parts;
  if (others.length === 0 && first?.type === "opaque" && first.dialect === ID) return first.value;
  if (others.length > 0) losses.add("input.parts", "altered");
  return content.parts.map(textOf).join("\n");
}

function textOf(part: EmbeddingPart): string {
  if (part.type === "text") return part.text;
  throw invalidRequest("This model's provider makes embeddings of texts only.");
}

/** The model's name; and no encoding where the upstream refuses to be told one, since vectors can be brought into it here. */
export function relayEdits(_body: JsonObject, { model, quirks }: EmbeddingTarget): Edit[] {
  const edits: Edit[] = [{ path: ["model"], value: JSON.stringify(model) }];
  if (quirks.refuses?.includes("encoding")) edits.push({ path: ["encoding_format"], remove: true });
  return edits;
}
