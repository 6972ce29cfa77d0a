/**
 * Turns validated settings into the `Config` that the program uses: other names, credit and plans in integers.
 * It runs only on settings without mistakes, so it has none to report.
 */
import { dollarsToNano } from "../core/money.ts";
import { buildBilling, isLiveKey } from "./billing.ts";
import { buildQuirks } from "./quirks.ts";
import {
  BUILT_IN_PLAN,
  type FileSettings,
  type ModelSettings,
  type PriceSettings,
  type ProviderSettings,
} from "./schema.ts";
import type {
  Config,
  EndpointConfig,
  ModelConfig,
  PlanConfig,
  PriceConfig,
  ProviderConfig,
  TokenRatesConfig,
} from "./types.ts";

/** The settings as a `Config`. `providers` stands for those of the settings: keys from variables are in it. */
export function buildConfig(
  settings: FileSettings,
  providers: readonly ProviderConfig[],
  file: string | undefined,
  warnings: readonly string[],
): Config {
  return {
    file,
    port: settings.port,
    host: settings.host,
    dataDir: settings.data_dir,
    publicUrl: settings.public_url,
    trustedProxies: settings.trusted_proxies,
    databaseUrl: settings.database_url,
    redisUrl: settings.redis_url,
    secret: settings.secret,
    rootKey: settings.root_key,
    smtpUrl: settings.smtp_url,
    brand: { name: settings.brand.name, keyPrefix: settings.brand.key_prefix },
    providers,
    models: settings.models.map(buildModel),
    plans: buildPlans(settings),
    defaults: {
      plan: settings.defaults.plan,
      welcomeCreditNano: dollarsToNano(settings.defaults.welcome_credit_usd),
      welcomeCreditExpiresDays: settings.defaults.welcome_credit_expires_days,
    },
    limits: buildLimits(settings.limits),
    timeouts: buildTimeouts(settings.timeouts),
    circuits: {
      failures: settings.circuits.failures,
      restMs: settings.circuits.rest_ms,
      longestRestMs: settings.circuits.longest_rest_ms,
      retryPercent: settings.circuits.retry_percent,
    },
    database: {
      poolSize: settings.database.pool_size,
      statementTimeoutMs: settings.database.statement_timeout_ms,
      nodeSilenceMs: settings.database.node_silence_ms,
      minFreeBytes: settings.database.min_free_bytes,
    },
    stripe: {
      secretKey: settings.stripe.secret_key,
      webhookSecret: settings.stripe.webhook_secret,
      apiBase: settings.stripe.api_base,
    },
    billing: buildBilling(settings.billing),
    log: settings.log,
    catalog: {
      curated: settings.catalog.curated,
      allowUnpriced: settings.catalog.allow_unpriced,
      auto: settings.catalog.auto,
    },
    prices: { marginPercent: settings.prices.margin_percent },
    warnings: [...warnings, ...paymentWarnings(settings)],
  };
}

function paymentWarnings({ stripe, database_url }: FileSettings): string[] {
  if (stripe.secret_key === undefined) return [];
  const found: string[] = [];
  if (stripe.webhook_secret === undefined)
    found.push("stripe.webhook_secret is not set: there is no webhook route, so payments are noticed late.");
  if (isLiveKey(stripe.secret_key) && database_url === undefined)
    found.push("billing.allow_embedded_live is set: real payments, with one machine's disk keeping the books.");
  return found;
}

function buildLimits(limits: FileSettings["limits"]): Config["limits"] {
  return {
    maxBodyBytes: limits.max_body_bytes,
    maxBodyBytesInFlight: limits.max_body_bytes_in_flight,
    maxJsonDepth: limits.max_json_depth,
    maxConcurrentCalls: limits.max_concurrent_calls,
    maxReplyBytes: limits.max_reply_bytes,
    maxAttempts: limits.max_attempts,
    maxAbandonedCalls: limits.max_abandoned_calls,
  };
}

function buildTimeouts(timeouts: FileSettings["timeouts"]): Config["timeouts"] {
  return {
    connectMs: timeouts.connect_ms,
    firstByteMs: timeouts.first_byte_ms,
    idleMs: timeouts.idle_ms,
    writeStallMs: timeouts.write_stall_ms,
    keepAliveMs: timeouts.keep_alive_ms,
    abandonedMs: timeouts.abandoned_ms,
    drainMs: timeouts.drain_ms,
    headerReadMs: timeouts.header_read_ms,
    bodyReadMs: timeouts.body_read_ms,
  };
}

/** A provider of the file with the keys it uses. */
export function buildProvider(provider: ProviderSettings, apiKeys: readonly string[]): ProviderConfig {
  const headers = Object.entries(provider.headers).map(([name, value]) => [name.toLowerCase(), value] as const);
  const { connect_ms, first_byte_ms, idle_ms } = provider.timeouts;
  return {
    id: provider.id,
    type: provider.type,
    baseUrl: provider.base_url,
    apiKeys,
    dialects: provider.dialects,
    headers: Object.fromEntries(headers),
    timeouts: { connectMs: connect_ms, firstByteMs: first_byte_ms, idleMs: idle_ms },
    abort: provider.abort,
    region: provider.region,
    data: provider.data,
    location: provider.location,
    project: provider.project,
    tokenUrl: provider.token_url,
  };
}

function buildModel(model: ModelSettings): ModelConfig {
  return {
    id: model.id,
    aliases: model.aliases,
    name: model.name,
    description: model.description,
    endpoints: model.endpoints.map(buildEndpoint),
    price: model.price && buildPrice(model.price),
    marginPercent: model.margin_percent,
    context: model.context,
    maxOutput: model.max_output,
    capabilities: model.capabilities,
  };
}

function buildEndpoint(endpoint: ModelSettings["endpoints"][number]): EndpointConfig {
  return {
    provider: endpoint.provider,
    model: endpoint.model,
    priority: endpoint.priority,
    weight: endpoint.weight,
    region: endpoint.region,
    quantization: endpoint.quantization,
    data: endpoint.data,
    dialects: endpoint.dialects,
    price: endpoint.price && buildPrice(endpoint.price),
    cost: endpoint.cost && buildPrice(endpoint.cost),
    quirks: endpoint.quirks && buildQuirks(endpoint.quirks),
  };
}

type TokenPriceSettings = Omit<NonNullable<PriceSettings["tiers"]>[number], "above">;

function buildTokenRates(rates: TokenPriceSettings): TokenRatesConfig {
  return {
    input: rates.input,
    output: rates.output,
    cacheRead: rates.cache_read,
    cacheWrite: rates.cache_write,
    cacheWrite1h: rates.cache_write_1h,
    reasoning: rates.reasoning,
    imageInput: rates.image_input,
    imageOutput: rates.image_output,
    audioInput: rates.audio_input,
    audioOutput: rates.audio_output,
  };
}

function buildPrice(price: PriceSettings): PriceConfig {
  return {
    ...buildTokenRates(price),
    input: price.input,
    output: price.output,
    request: price.request,
    webSearch: price.web_search,
    searchedRequest: price.searched_request,
    tiers: price.tiers?.map((tier) => ({ ...buildTokenRates(tier), above: tier.above })),
  };
}

/** The file's plans, and the built-in one unless it is among them. */
function buildPlans({ plans, defaults }: FileSettings): PlanConfig[] {
  const freeRequestsPerDay = defaults.free_requests_per_day;
  const built = plans.map((plan) => buildPlan(plan, freeRequestsPerDay));
  if (plans.some(({ id }) => id === BUILT_IN_PLAN)) return built;
  return [...built, { id: BUILT_IN_PLAN, includedRequestsPerDay: 0, freeRequestsPerDay, models: ["*"] }];
}

function buildPlan(plan: FileSettings["plans"][number], freeRequestsPerDay: number | undefined): PlanConfig {
  return {
    id: plan.id,
    name: plan.name,
    description: plan.description,
    rpm: plan.rpm,
    rpd: plan.rpd,
    tpm: plan.tpm,
    includedRequestsPerDay: plan.included_requests_per_day,
    freeRequestsPerDay: plan.free_requests_per_day ?? freeRequestsPerDay,
    models: plan.models,
    priceNano: plan.price === undefined ? undefined : dollarsToNano(plan.price),
    priceAnnualNano: plan.price_annual === undefined ? undefined : dollarsToNano(plan.price_annual),
  };
}
