/**
 * What is known of endpoints and providers: prices, limits, data policy, circuits and statistics of the last day.
 * Shapes are OpenRouter's, so that existing tooling reads them; the operator's routes add circuits, keys and a reset.
 */
import { z } from "zod";
import type { Catalog } from "../catalog/catalog.ts";
import type { Principal } from "../core/call.ts";
import type { Endpoint, Model } from "../core/endpoint.ts";
import { GatewayError } from "../core/error.ts";
import type { Json, JsonObject } from "../core/json.ts";
import { type Pico, picoToDollars } from "../core/money.ts";
import type { KeyState } from "../upstream/credentials.ts";
import type { HealthBook } from "../upstream/health.ts";
import { check, type ManagementRoute, text } from "./route.ts";

/** A configured provider, as these routes show it. */
export interface ShownProvider {
  readonly id: string;
  /** What people call its kind. */
  readonly name: string;
  readonly keys: () => readonly KeyState[];
}

export interface EndpointParts {
  readonly catalog: Catalog;
  readonly health: HealthBook;
  readonly providers: readonly ShownProvider[];
  /** Whether a key may see a model. */
  readonly isOffered: (principal: Principal, model: Model) => boolean;
  /** On the clock of the health book. */
  readonly nowMs: () => number;
}

function dollars(price: Pico | undefined): string {
  return price === undefined ? "0" : picoToDollars(price);
}

/** OpenRouter's codes: 0 is well, below it is not. */
const STATUS = { closed: 0, "half-open": -1, open: -2 } as const;

function percent(share: number | undefined): number | null {
  return share === undefined ? null : Math.round(share * 10_000) / 100;
}

/** An endpoint as `/models/…/endpoints` lists it. Latencies in milliseconds, throughput in tokens a second. */
export function endpointEntry(endpoint: Endpoint, health: HealthBook): JsonObject {
  const { perToken, perRequest, perWebSearch } = endpoint.price;
  const { circuit, windows } = health.read(endpoint.id);
  const lately = windows["30m"];
  return {
    name: `${endpoint.provider} | ${endpoint.modelId}`,
    tag: endpoint.id,
    model_id: endpoint.modelId,
    provider_name: endpoint.provider,
    context_length: endpoint.contextTokens,
    max_completion_tokens: endpoint.maxOutputTokens,
    max_prompt_tokens: null,
    quantization: endpoint.quantization ?? null,
    region: endpoint.region ?? null,
    data_policy: { training: endpoint.data?.trains ?? null, retains_prompts: endpoint.data?.retains ?? null },
    dialects: [...endpoint.dialects],
    supported_parameters: [...endpoint.capabilities],
    pricing: {
      prompt: dollars(perToken.input),
      completion: dollars(perToken.output),
      input_cache_read: dollars(perToken.cacheRead),
      input_cache_write: dollars(perToken.cacheWrite5m),
      request: dollars(perRequest),
      web_search: dollars(perWebSearch),
    },
    status: STATUS[circuit],
    uptime_last_5m: percent(windows["5m"].uptime),
    uptime_last_30m: percent(lately.uptime),
    uptime_last_1d: percent(windows["1d"].uptime),
    latency_last_30m: { p50: lately.firstContentP50Ms ?? null, p95: lately.firstContentP95Ms ?? null },
    throughput_last_30m: lately.tokensPerSecond ?? null,
  };
}

function findModel({ catalog, isOffered }: EndpointParts, principal: Principal | undefined, name: string): Model {
  const model = catalog.find(name);
  if (!model || (principal && !isOffered(principal, model)))
    throw new GatewayError("model_not_available", "There is no such model here.", { param: "model" });
  return model;
}

function endpointsOf(parts: EndpointParts, principal: Principal | undefined, name: string): JsonObject {
  const model = findModel(parts, principal, name);
  return {
    data: {
      id: model.id,
      name: model.name,
      created: model.createdAt ?? 0,
      description: model.description ?? "",
      architecture: { capabilities: [...model.capabilities] },
      endpoints: model.endpoints.map((endpoint) => endpointEntry(endpoint, parts.health)),
    },
  };
}

/** What the operator sees: every endpoint's circuit with its reason, every window, and the state of each key by its place. */
function overview({ catalog, health, providers, nowMs }: EndpointParts): JsonObject {
  const endpoints = catalog.models.flatMap((model) => model.endpoints);
  return {
    data: providers.map((provider) => ({
      id: provider.id,
      name: provider.name,
      keys: provider.keys().map(({ index, state, untilMs }) => ({ index, state, rests_ms: restOf(untilMs, nowMs) })),
      endpoints: endpoints
        .filter((endpoint) => endpoint.provider === provider.id)
        .map((endpoint) => {
          const { circuit, reason, restsUntilMs, windows } = health.read(endpoint.id);
          const rests_ms = restOf(restsUntilMs, nowMs);
          return { id: endpoint.id, circuit, reason: reason ?? null, rests_ms, windows: windows as unknown as Json };
        }),
    })),
  };
}

function restOf(untilMs: number | undefined, nowMs: () => number): number | null {
  return untilMs === undefined ? null : Math.max(0, Math.round(untilMs - nowMs()));
}

const resetSchema = z.strictObject({ endpoint: text(500) });

/** `GET models/…/endpoints`, `GET providers`, and the operator's `admin/providers` and `admin/endpoints/reset`. */
export function endpointRoutes(parts: EndpointParts): ManagementRoute[] {
  const decode = (segment: string | undefined) => {
    try {
      return decodeURIComponent(segment ?? "");
    } catch {
      return "";
    }
  };
  return [
    {
      method: "GET",
      path: "models/:author/:slug/endpoints",
      access: "key",
      handle: async ({ caller, params }) => ({
        body: endpointsOf(parts, caller.principal, `${decode(params.author)}/${decode(params.slug)}`),
      }),
    },
    {
      method: "GET",
      path: "models/:slug/endpoints",
      access: "key",
      handle: async ({ caller, params }) => ({ body: endpointsOf(parts, caller.principal, decode(params.slug)) }),
    },
    {
      method: "GET",
      path: "providers",
      access: "key",
      handle: async () => ({
        body: {
          data: parts.providers.map(({ id, name }) => ({
            name,
            slug: id,
            privacy_policy_url: null,
            terms_of_service_url: null,
            status_page_url: null,
          })),
        },
      }),
    },
    { method: "GET", path: "admin/providers", access: "root", handle: async () => ({ body: overview(parts) }) },
    {
      method: "POST",
      path: "admin/endpoints/reset",
      access: "root",
      async handle({ body }) {
        const { endpoint } = check(resetSchema, body);
        const known = parts.catalog.models.some((model) => model.endpoints.some(({ id }) => id === endpoint));
        if (!known) throw new GatewayError("not_found", "There is no such endpoint.");
        parts.health.reset(endpoint);
        return { body: { data: { endpoint, circuit: parts.health.state(endpoint) } } };
      },
    },
  ];
}
