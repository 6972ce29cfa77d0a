/**
 * What the simulated OpenAI APIs share: error envelope, headers, and the checks of common fields.
 * Used by chat completions, responses, completions and embeddings.
 */
import type { Directives } from "./directives.ts";
import { type Json, typeName } from "./json.ts";
import { invalid, type Problem } from "./problem.ts";
import { hex, type Seed } from "./seed.ts";

const TYPES: Record<number, string> = {
  401: "invalid_request_error",
  402: "insufficient_quota",
  403: "invalid_request_error",
  404: "invalid_request_error",
  429: "requests",
};
const CODES: Record<number, string> = {
  401: "invalid_api_key",
  402: "insufficient_quota",
  403: "unsupported_country_region_territory",
  404: "model_not_found",
  429: "rate_limit_exceeded",
};

/** OpenAI's error envelope. */
export const openaiError = (problem: Problem): Json => ({
  error: {
    message: problem.message,
    type: problem.status >= 500 ? "server_error" : (TYPES[problem.status] ?? "invalid_request_error"),
    param: problem.param,
    code: problem.code ?? CODES[problem.status] ?? null,
  },
});

/** {@link openaiError} in the form an API needs. */
export const refuseAsOpenai = (problem: Problem, _seed: Seed, _orders: Directives): Json => openaiError(problem);

/** The headers of OpenAI's answers. */
export const openaiHeaders = (seed: Seed): Record<string, string> => ({
  "x-request-id": `req_${hex(seed, 90, 32)}`,
  "openai-processing-ms": "12",
  "openai-version": "2020-10-01",
  "x-ratelimit-limit-requests": "10000",
  "x-ratelimit-limit-tokens": "30000000",
  "x-ratelimit-remaining-requests": "9999",
  "x-ratelimit-remaining-tokens": "29999986",
  "x-ratelimit-reset-requests": "6ms",
  "x-ratelimit-reset-tokens": "0s",
});

/** A required field that is missing. */
export const missing = (param: string): Problem =>
  invalid(`Missing required parameter: '${param}'.`, param, "missing_required_parameter");

/** A field of the wrong type. */
export const wrongType = (param: string, expected: string, value: unknown): Problem =>
  invalid(
    `Invalid type for '${param}': expected ${expected}, but got ${typeName(value)} instead.`,
    param,
    "invalid_type",
  );

/** A value outside a closed list. */
export function unsupported(param: string, value: unknown, supported: readonly string[]): Problem {
  const quoted = supported.map((one) => `'${one}'`);
  const list = quoted.length > 1 ? `${quoted.slice(0, -1).join(", ")}, and ${quoted.at(-1)}` : quoted.join("");
  return invalid(`Invalid value: '${String(value)}'. Supported values are: ${list}.`, param, "invalid_value");
}

/** Checks a decimal's range. */
export function checkDecimal(body: Json, param: string, least: number, most: number): void {
  const value = body[param];
  if (value === undefined || value === null) return;
  if (typeof value !== "number") throw wrongType(param, "a decimal", value);
  if (value > most) {
    const words = `Expected a value <= ${most}, but got ${value} instead.`;
    throw invalid(`Invalid '${param}': decimal above maximum value. ${words}`, param, "decimal_above_max_value");
  }
  if (value < least) {
    const words = `Expected a value >= ${least}, but got ${value} instead.`;
    throw invalid(`Invalid '${param}': decimal below minimum value. ${words}`, param, "decimal_below_min_value");
  }
}

/** Checks an integer's lower bound and gives it. */
export function checkInteger(body: Json, param: string, least: number): number | undefined {
  const value = body[param];
  if (value === undefined || value === null) return undefined;
  if (typeof value !== "number" || !Number.isInteger(value)) throw wrongType(param, "an integer", value);
  if (value < least) {
    const words = `Expected a value >= ${least}, but got ${value} instead.`;
    throw invalid(`Invalid '${param}': integer below minimum value. ${words}`, param, "integer_below_min_value");
  }
  return value;
}

/** Checks the type of optional booleans. */
export function checkBooleans(body: Json, params: readonly string[]): void {
  for (const param of params) {
    const value = body[param];
    if (value !== undefined && value !== null && typeof value !== "boolean") throw wrongType(param, "a boolean", value);
  }
}

/** Checks a function's name. */
export function checkName(name: unknown, param: string): string {
  if (name === undefined) throw missing(param);
  if (typeof name !== "string") throw wrongType(param, "a string", name);
  if (name.length > 64) {
    const words = `Expected a string with maximum length 64, but got a string with length ${name.length} instead.`;
    throw invalid(`Invalid '${param}': string too long. ${words}`, param, "string_above_max_length");
  }
  if (!/^[a-zA-Z0-9_-]+$/.test(name)) {
    const words = "Expected a string that matches the pattern '^[a-zA-Z0-9_-]+$'.";
    throw invalid(`Invalid '${param}': string does not match pattern. ${words}`, param, "invalid_value");
  }
  return name;
}

/** A model that does not exist by its very name. */
export const isUnknownModel = (model: string): boolean => /not-found|non-?exist|does-not-exist/.test(model);

/** The model named by the body. */
export function readModel(body: Json, words: string): string {
  const { model } = body;
  if (model === undefined || model === null || model === "") throw invalid(words);
  if (typeof model !== "string") throw wrongType("model", "a string", model);
  return model;
}

/** What OpenAI says to a call without a key. */
export const OPENAI_KEY_MISSING =
  "You didn't provide an API key. You need to provide your API key in an Authorization header using Bearer auth (i.e. " +
  "Authorization: Bearer YOUR_KEY). You can obtain an API key from https://platform.openai.com/account/api-keys.";

/** What OpenAI says to a body that is not a JSON object. */
export const OPENAI_NOT_JSON =
  "We could not parse the JSON body of your request. (HINT: This likely means you aren't using your HTTP library " +
  "correctly. The OpenAI API expects a JSON payload, but what was sent was not valid JSON.)";
