/**
 * The models that the simulated provider lists; it answers to any other name as well.
 * Served at `/v1/models` in OpenAI's or Anthropic's form and at `/v1beta/models` in Gemini's.
 */
import type { Incoming } from "./api.ts";
import type { Json } from "./json.ts";
import type { Plain } from "./plain.ts";
import { Problem } from "./problem.ts";
import { createView } from "./reading.ts";

const OPENAI = [
  "gpt-4o-mini",
  "gpt-4o",
  "gpt-4.1",
  "gpt-5",
  "gpt-5-mini",
  "o4-mini",
  "text-embedding-3-small",
  "text-embedding-3-large",
];
const ANTHROPIC = ["claude-opus-4-5", "claude-sonnet-4-5", "claude-haiku-4-5"];
const GEMINI = ["gemini-2.5-flash", "gemini-2.5-pro", "gemini-3-pro-preview", "gemini-embedding-001"];
const CREATED = 1_735_689_600;
const CREATED_AT = "2025-01-01T00:00:00Z";

const openaiModel = (id: string): Json => ({ id, object: "model", created: CREATED, owned_by: "simulator" });

const anthropicModel = (id: string): Json => ({ type: "model", id, display_name: id, created_at: CREATED_AT });

const geminiModel = (id: string): Json => ({
  name: `models/${id}`,
  version: "001",
  displayName: id,
  description: "A simulated model.",
  inputTokenLimit: 1_048_576,
  outputTokenLimit: 65_536,
  supportedGenerationMethods: id.includes("embedding") ? ["embedContent"] : ["generateContent", "countTokens"],
});

function plain(call: Incoming, body: Json): Plain {
  return { view: createView(call.raw, call.body, call.pathModel), body, usage: null };
}

/** `GET /v1/models` and `GET /v1/models/{id}` in OpenAI's form. */
export function listOpenai(call: Incoming): Plain {
  if (call.pathModel !== "") return plain(call, openaiModel(call.pathModel));
  return plain(call, { object: "list", data: [...OPENAI, ...ANTHROPIC, ...GEMINI].map(openaiModel) });
}

/** The same in Anthropic's form. */
export function listAnthropic(call: Incoming): Plain {
  if (call.pathModel !== "") return plain(call, anthropicModel(call.pathModel));
  const data = ANTHROPIC.map(anthropicModel);
  return plain(call, { data, has_more: false, first_id: ANTHROPIC[0], last_id: ANTHROPIC.at(-1) });
}

/** The same in Gemini's form. */
export function listGemini(call: Incoming): Plain {
  if (call.pathModel !== "") return plain(call, geminiModel(call.pathModel));
  return plain(call, { models: GEMINI.map(geminiModel) });
}

/** What is said at a path that leads nowhere. */
export function nowhere(call: Incoming): Plain {
  throw new Problem(404, `Unknown request URL: ${call.path}. Please check the URL for typos.`, null, "unknown_url");
}
