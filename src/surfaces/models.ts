/**
 * The list of models, in the shapes that each format's clients read.
 * One merged object serves OpenAI's and Anthropic's clients and Codex; Gemini's has its own path. Only what the key may call is shown.
 */
import type { Model } from "../core/endpoint.ts";
import type { JsonObject } from "../core/json.ts";
import { type Pico, picoToDollars } from "../core/money.ts";
import { type Operation, operationsOf } from "../core/operation.ts";
import { codexModels } from "./codex.ts";

const NO_DATE = 0;

function dollars(price: Pico | undefined): string | undefined {
  return price === undefined ? undefined : picoToDollars(price);
}

/** What can be asked of a model: what its endpoints' formats ask. */
function operations(model: Model): Operation[] {
  return operationsOf(model.endpoints.flatMap((endpoint) => endpoint.dialects));
}

/** A model as `/v1/models` shows it: OpenAI's fields, Anthropic's (`type`, `display_name`, `created_at`), and price and limits. */
export function modelEntry(model: Model): JsonObject {
  const { perToken, perRequest, perWebSearch } = model.price;
  const created = model.createdAt ?? NO_DATE;
  return {
    id: model.id,
    object: "model",
    type: "model",
    created,
    created_at: new Date(created * 1000).toISOString(),
    owned_by: model.endpoints[0]?.provider ?? "sluice",
    display_name: model.name,
    name: model.name,
    description: model.description,
    context_length: model.contextTokens,
    max_output_tokens: model.maxOutputTokens,
    operations: operations(model),
    capabilities: [...model.capabilities],
    pricing: {
      prompt: dollars(perToken.input),
      completion: dollars(perToken.output),
      input_cache_read: dollars(perToken.cacheRead),
      input_cache_write: dollars(perToken.cacheWrite5m),
      internal_reasoning: dollars(perToken.thinking),
      request: dollars(perRequest),
      web_search: dollars(perWebSearch),
    },
    ...(model.unpriced && { unpriced: true }),
  };
}

/** A model as clients of the Messages format read it, who have a form of their own for abilities. */
export function messagesModelEntry(model: Model): JsonObject {
  return {
    ...modelEntry(model),
    capabilities: null,
    max_input_tokens: model.contextTokens,
    max_tokens: model.maxOutputTokens,
    lifecycle: "active",
    deprecated_at: null,
    retires_at: null,
    line: null,
  };
}

/** The answer of `/v1/models`, of entries in the caller's form. Codex wants `models` beside `data`; the paging fields are Anthropic's. */
export function modelList(models: readonly Model[], entry: (model: Model) => JsonObject = modelEntry): JsonObject {
  return {
    object: "list",
    data: models.map(entry),
    models: codexModels(models.filter((model) => operations(model).includes("generation"))),
    has_more: false,
    first_id: models[0]?.id ?? null,
    last_id: models.at(-1)?.id ?? null,
  };
}

/** What Gemini's clients may ask of a model, by its operations. */
const METHODS: { readonly [O in Operation]: readonly string[] } = {
  generation: ["generateContent", "streamGenerateContent", "countTokens"],
  embedding: ["embedContent", "batchEmbedContents"],
};

/** A model as `/v1beta/models` shows it. */
export function geminiModelEntry(model: Model): JsonObject {
  return {
    name: `models/${model.id}`,
    baseModelId: model.id,
    version: "001",
    displayName: model.name,
    description: model.description ?? model.name,
    inputTokenLimit: model.contextTokens,
    outputTokenLimit: model.maxOutputTokens,
    supportedGenerationMethods: operations(model).flatMap((operation) => METHODS[operation]),
    thinking: model.capabilities.has("thinking"),
  };
}

/** The answer of `/v1beta/models`, on one page. */
export function geminiModelList(models: readonly Model[]): JsonObject {
  return { models: models.map(geminiModelEntry) };
}
