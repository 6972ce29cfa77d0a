/**
 * Guesses how many tokens texts and requests are, where a provider did not say and the call must be settled at once.
 * The meter weighs what an answer says with it; a request is looked through only when its usage is missing.
 */
import type { Json, JsonObject } from "../core/json.ts";

/** Weights are in hundredths of a token. */
const UNITS_PER_TOKEN = 100;

/**
 * Of one character, by its kind. Measured with the vocabulary of current OpenAI models on prose, code, JSON and several
 * scripts: the sum is within 20 % nearly everywhere, where four characters to a token is half of JSON or a third of Chinese.
 */
const LETTER = 20;
const DIGIT = 45;
const SIGN = 55;
/** Greek to Thai. */
const FOREIGN = 34;
/** Chinese, Japanese, Korean, and halves of what lies beyond the basic plane. */
const WIDE = 74;

function weightOf(code: number): number {
  if (code >= 0x2e80) return WIDE;
  if (code >= 0x80) return FOREIGN;
  if ((code >= 0x61 && code <= 0x7a) || (code >= 0x41 && code <= 0x5a) || code <= 0x20) return LETTER;
  return code >= 0x30 && code <= 0x39 ? DIGIT : SIGN;
}

/** Pieces of streams are a token or two long, so one character tells of each; of long texts this many are looked at. */
const SHORT = 8;
const SAMPLES = 256;

/** The weight of a text. Long ones are sampled, so the time is bounded. */
export function weigh(text: string): number {
  const { length } = text;
  if (length === 0) return 0;
  if (length <= SHORT) return length * weightOf(text.charCodeAt(length >> 1));
  const step = length <= SAMPLES ? 1 : length / SAMPLES;
  let weight = 0;
  let count = 0;
  for (let at = 0; at < length; at += step) {
    weight += weightOf(text.charCodeAt(Math.floor(at)));
    count += 1;
  }
  return Math.round((weight / count) * length);
}

/** Whole tokens of a weight, rounded up. */
export function tokensOf(weight: number): number {
  return Math.ceil(weight / UNITS_PER_TOKEN);
}

/** What media come to differs by model; these are middling. */
const IMAGE_WEIGHT = 800 * UNITS_PER_TOKEN;
const BYTES_PER_MEDIUM_TOKEN = 50;
/** A number, and what of the marks around a field a model gets to see. */
const SCALAR_WEIGHT = 100;
const FIELD_WEIGHT = 50;
/** Settings of a request are no prompt; of its plain texts at the top only these are. */
const TEXTS = new Set(["input", "prompt", "system", "instructions", "contents"]);

/** About how many tokens the prompt of this request is: its texts and tools. Encoded media count as media. */
export function estimatePrompt(body: JsonObject): number {
  let weight = 0;
  for (const key in body) {
    const value = body[key];
    if (typeof value === "object" || TEXTS.has(key)) weight += weighValue(value);
  }
  return tokensOf(weight);
}

function weighValue(value: Json | undefined): number {
  if (typeof value === "string") return weigh(value);
  if (typeof value !== "object" || value === null) return value === null ? 0 : SCALAR_WEIGHT;
  let weight = 0;
  if (Array.isArray(value)) {
    for (const item of value) weight += weighValue(item);
    return weight;
  }
  for (const key in value) {
    const item = value[key];
    const isMedium = typeof item === "string" && isEncoded(key, item);
    weight += FIELD_WEIGHT + (isMedium ? weighMedium(item, value) : weighValue(item));
  }
  return weight;
}

function weighMedium(data: string, { media_type, mimeType, mime_type }: JsonObject): number {
  const type = media_type ?? mimeType ?? mime_type ?? data.slice("data:".length, MAX_TYPE);
  if (typeof type === "string" && type.startsWith("image/")) return IMAGE_WEIGHT;
  return Math.ceil(((data.length * 3) / 4 / BYTES_PER_MEDIUM_TOKEN) * UNITS_PER_TOKEN);
}

const MAX_TYPE = 100;
/** The fields that hold bytes as text in one format or another. */
const ENCODED = new Set(["data", "file_data"]);
const LEAST_ENCODED = 100;

function isEncoded(key: string, text: string): boolean {
  if (text.startsWith("data:")) return text.slice(0, MAX_TYPE).includes(";base64,");
  return ENCODED.has(key) && text.length >= LEAST_ENCODED && /^[A-Za-z0-9+/_-]{80}/.test(text);
}
