/**
 * The schema of the configuration file: every setting with its kind, its default and a sentence about it.
 * Variables, mistakes and `docs/config.md` are derived from it, so a setting is added here and in `build.ts` only.
 */
import { z } from "zod";
import { CAPABILITIES } from "../core/head.ts";
import { type Price, pico, withMargin } from "../core/money.ts";
import { isAddressRange } from "../identity/address.ts";
import { DEFAULT_KEY_PREFIX, isKeyPrefix } from "../identity/key.ts";
import { billingFields } from "./billing.ts";
import {
  choice,
  credential,
  dollars,
  flag,
  group,
  list,
  matching,
  says,
  separated,
  setting,
  text,
  url,
  wholeNumber,
} from "./leaf.ts";
import { dataPolicy, dialects, HOUR_MS, milliseconds, provider, region, slug } from "./provider.ts";
import { quirkFields } from "./quirks.ts";
import { LOG_LEVELS } from "./types.ts";

const MEBIBYTE = 1024 * 1024;
const GIBIBYTE = 1024 * MEBIBYTE;
const MAX_TOKENS = 100_000_000;
const MAX_REQUESTS = 1_000_000_000;
const MAX_TOKENS_PER_MINUTE = 1_000_000_000_000;
const MAX_EXPIRY_DAYS = 3650;
const MAX_MARGIN_PERCENT = 10_000;
const NO_PRICE: Price = { perToken: { input: pico(0n), output: pico(0n) } };

/** The plan that exists without being configured: every request is paid by credit. */
export const BUILT_IN_PLAN = "payg";

/** The provider type that runs in this process when it has no `base_url`. */
export const IN_PROCESS_TYPE = "simulated";

const modelId = () =>
  matching(/^[A-Za-z0-9][A-Za-z0-9._:/@+-]{0,199}$/, "1 to 200 of letters, digits and . _ : / @ + -, no sign first");
const modelGlob = () => matching(/^[A-Za-z0-9._:/@+*-]{1,200}$/, "a model id in which * stands for anything");
const perMillion = (what: string) => setting(dollars("perMillion"), `Price of a million ${what}.`);

function percentage() {
  const fits = (value: number | string): boolean => {
    try {
      withMargin(NO_PRICE, value);
      return Number(value) <= MAX_MARGIN_PERCENT;
    } catch {
      return false;
    }
  };
  const sentence = `a percentage from 0 to ${MAX_MARGIN_PERCENT} with at most 6 places`;
  return says(z.union([z.number(), z.string()]).refine(fits), sentence);
}

function tokenPrices() {
  return {
    cache_read: perMillion("input tokens read from the provider's cache").optional(),
    cache_write: perMillion("input tokens written to the cache for five minutes").optional(),
    cache_write_1h: perMillion("input tokens written to the cache for an hour").optional(),
    reasoning: perMillion("reasoning tokens").optional(),
    image_input: perMillion("image input tokens").optional(),
    image_output: perMillion("image output tokens").optional(),
    audio_input: perMillion("audio input tokens").optional(),
    audio_output: perMillion("audio output tokens").optional(),
  };
}

/** The fields of a price; the reference shows them once. */
export function priceFields() {
  return group({
    input: perMillion("input tokens"),
    output: perMillion("output tokens"),
    ...tokenPrices(),
    request: setting(dollars("piece"), "Price of a request, on top of its tokens.").optional(),
    web_search: setting(dollars("piece"), "Price of a web search that the provider runs.").optional(),
    searched_request: setting(
      dollars("piece"),
      "Price of a request in which the provider searches the web, however often.",
    ).optional(),
    tiers: setting(
      list(tierFields(), 10),
      "Other prices for long prompts: `above` (more tokens than this in the prompt) and any of the prices per million.",
    ).optional(),
  });
}

function tierFields() {
  return group({
    above: setting(wholeNumber(1, MAX_TOKENS), "The tier holds for a call whose prompt has more tokens than this."),
    input: perMillion("input tokens").optional(),
    output: perMillion("output tokens").optional(),
    ...tokenPrices(),
  });
}

const price = (about: string) => setting(priceFields(), about).optional();

const endpoint = group({
  provider: setting(slug(), "The `id` of a provider."),
  model: setting(text(300, "a model name"), "What the provider calls the model."),
  priority: setting(wholeNumber(0, 1000), "Lower is tried earlier.").default(1),
  weight: setting(
    wholeNumber(1, 1000),
    "Its share of the calls among endpoints of one priority and price; without it 1.",
  ).optional(),
  region: setting(region(), "`providers[].region` for this endpoint.").optional(),
  quantization: setting(
    matching(/^[A-Za-z0-9_.-]{1,30}$/, "a name such as fp8"),
    "How the model's numbers are stored there, for callers who choose: `fp8`, `bf16`.",
  ).optional(),
  data: dataPolicy(", if not as its provider's"),
  dialects: setting(
    dialects(),
    "The formats the model can be called in there; without it the provider's own for answers, or for embeddings when `max_output` is 0.",
  ).optional(),
  price: price("Its price there before the margin, if not the model's."),
  cost: price("What the provider charges there, if that is not the price before the margin."),
  quirks: quirkFields().optional(),
});

const model = group({
  id: setting(modelId(), "The name callers use."),
  aliases: setting(list(modelId(), 50), "Other names for it.").default([]),
  name: setting(text(100), "The name people read.").optional(),
  description: setting(text(2000), "A few sentences about it.").optional(),
  endpoints: list(endpoint, 50, 1),
  price: price("Its price before the margin; a model without one is not offered."),
  margin_percent: setting(percentage(), "`prices.margin_percent` for this model.").optional(),
  context: setting(wholeNumber(1, MAX_TOKENS), "Tokens of its context window."),
  max_output: setting(
    wholeNumber(0, MAX_TOKENS),
    "The most tokens it can answer with; 0 for a model that makes embeddings.",
  ),
  capabilities: setting(list(choice(CAPABILITIES), CAPABILITIES.length), "What it can do.").optional(),
});

const plan = group({
  id: setting(slug(), `The plan's own name, unique in the file. \`${BUILT_IN_PLAN}\` replaces the built-in plan.`),
  name: setting(text(60), "The name people read, if not the id.").optional(),
  description: setting(text(500), "A sentence or two about it.").optional(),
  rpm: setting(wholeNumber(1, MAX_REQUESTS), "Requests per minute and key.").optional(),
  rpd: setting(wholeNumber(1, MAX_REQUESTS), "Requests per day and key.").optional(),
  tpm: setting(wholeNumber(1, MAX_TOKENS_PER_MINUTE), "Tokens per minute and key.").optional(),
  included_requests_per_day: setting(wholeNumber(0, MAX_REQUESTS), "Requests a day that cost no credit.").default(0),
  free_requests_per_day: setting(
    wholeNumber(0, MAX_REQUESTS),
    "Requests of free models a day, if not `defaults.free_requests_per_day`.",
  ).optional(),
  models: setting(list(modelGlob(), 200), "Globs of the models that the plan opens.").default(["*"]),
  price: setting(dollars("charge"), "Price of a month.").optional(),
  price_annual: setting(dollars("charge"), "Price of a year.").optional(),
});

const brand = group({
  name: setting(text(60), "The name that users see.").default("Sluice"),
  key_prefix: setting(
    says(z.string().refine(isKeyPrefix), "2 to 32 of letters, digits, - and _, a letter first and - or _ last"),
    "How new API keys begin. Keys made before a change stay valid.",
  ).default(DEFAULT_KEY_PREFIX),
});

const defaults = group({
  plan: setting(slug(), `The plan of a new workspace: one of \`plans\`, or \`${BUILT_IN_PLAN}\`.`).default(
    BUILT_IN_PLAN,
  ),
  welcome_credit_usd: setting(dollars("amount"), "Credit that a new workspace is given.").default("0"),
  welcome_credit_expires_days: setting(
    wholeNumber(1, MAX_EXPIRY_DAYS),
    "How many days the welcome credit lasts; without it for ever.",
  ).optional(),
  free_requests_per_day: setting(
    wholeNumber(0, MAX_REQUESTS),
    "Requests of free models a day and workspace, where its plan does not say; without it there is no limit.",
  ).optional(),
});

const limits = group({
  max_body_bytes: setting(wholeNumber(1024, GIBIBYTE), "The largest request body.").default(32 * MEBIBYTE),
  max_body_bytes_in_flight: setting(
    wholeNumber(1024, 64 * GIBIBYTE),
    "All request bodies together; beyond it new calls are turned away.",
  ).default(512 * MEBIBYTE),
  max_json_depth: setting(wholeNumber(16, 10_000), "The deepest nesting in a request body.").default(512),
  max_concurrent_calls: setting(wholeNumber(1, 60_000), "Calls at a time; beyond it new ones are turned away.").default(
    5000,
  ),
  max_reply_bytes: setting(wholeNumber(1024, GIBIBYTE), "The largest upstream reply that is not a stream.").default(
    64 * MEBIBYTE,
  ),
  max_attempts: setting(wholeNumber(1, 10), "Endpoints tried for one call.").default(3),
  max_abandoned_calls: setting(
    wholeNumber(0, 60_000),
    "Calls at a time that are read to their end though their callers have left, because the provider charges on; beyond it they are closed, and what they cost is counted.",
  ).default(500),
});

const timeouts = group({
  connect_ms: setting(milliseconds(), "To open a connection to an upstream.").default(5000),
  first_byte_ms: setting(milliseconds(), "From sending a request to the upstream's first byte.").default(120_000),
  idle_ms: setting(milliseconds(), "Between two pieces of an upstream's stream.").default(300_000),
  write_stall_ms: setting(milliseconds(), "How long a caller may take nothing of its stream.").default(60_000),
  keep_alive_ms: setting(milliseconds(), "Silence after which a sign of life is written to a stream.").default(15_000),
  abandoned_ms: setting(
    milliseconds(),
    "How long a call whose caller has left is read on where the provider charges on; then it is closed.",
  ).default(120_000),
  drain_ms: setting(milliseconds(24 * HOUR_MS), "How long live calls may go on after the signal to stop.").default(
    600_000,
  ),
  header_read_ms: setting(milliseconds(), "To receive a request's headers.").default(30_000),
  body_read_ms: setting(milliseconds(), "To receive a request's body.").default(30_000),
});

const circuits = group({
  failures: setting(
    wholeNumber(0, 1000),
    "So many failures in a row, not the caller's, make an endpoint rest; 0 never lets one rest.",
  ).default(5),
  rest_ms: setting(milliseconds(), "The first rest, after which one call tries the endpoint.").default(30_000),
  longest_rest_ms: setting(milliseconds(), "Each further rest is twice as long, up to this.").default(300_000),
  retry_percent: setting(
    wholeNumber(0, 1000),
    "Further tries may add so much to all calls, beyond twenty for quiet times.",
  ).default(20),
});

const database = group({
  pool_size: setting(wholeNumber(1, 500), "Connections to Postgres.").default(10),
  statement_timeout_ms: setting(milliseconds(), "The longest that one statement may run.").default(10_000),
  node_silence_ms: setting(
    milliseconds(HOUR_MS, 3000),
    "Gateways that share a Postgres: after so long without a sign of life of one, what it had set aside for calls can be spent again.",
  ).default(30_000),
  min_free_bytes: setting(
    wholeNumber(0, 1024 * GIBIBYTE),
    "With less free disk than this the embedded database takes no paid work.",
  ).default(512 * MEBIBYTE),
});

const stripe = group({
  secret_key: setting(credential(), "Switches payments on.", {
    variable: "STRIPE_SECRET_KEY",
    secret: true,
  }).optional(),
  webhook_secret: setting(credential(), "Verifies Stripe's webhooks; without it there is no webhook route.", {
    variable: "STRIPE_WEBHOOK_SECRET",
    secret: true,
  }).optional(),
  api_base: setting(url(["http", "https"], { plain: true }), "Where Stripe's API is reached, if not at Stripe.", {
    variable: "STRIPE_API_BASE",
  }).optional(),
});

const log = group({
  level: setting(choice(LOG_LEVELS), "What is logged: this and what is worse.").default("info"),
  format: setting(choice(["json", "text"]), "One JSON object per line, or text for people.").default("json"),
});

/** The whole file. An empty one is right. */
export const fileSchema = group({
  port: setting(wholeNumber(0, 65_535), "The port to listen on; 0 takes a free one.", { variable: "PORT" }).default(
    8787,
  ),
  host: setting(matching(/^[A-Za-z0-9.:_-]{1,253}$/, "a host name or an IP address"), "The address to listen on.", {
    variable: "HOST",
  }).default("127.0.0.1"),
  data_dir: setting(
    text(1024, "a path"),
    "The directory of the embedded database, the journal and the generated secret.",
    { variable: "SLUICE_DATA" },
  ).default("./data"),
  public_url: setting(
    url(["http", "https"], { plain: true }),
    "The address users reach the service at, for links; without it the listening address.",
  ).optional(),
  trusted_proxies: setting(
    separated(isAddressRange, "an IP address or a range such as 10.0.0.0/8", 100),
    "The proxies in front, whose `X-Forwarded-For` is believed; only keys that are bound to addresses ask for it.",
  ).default([]),
  database_url: setting(url(["postgres", "postgresql"], { plain: false }), "Postgres, instead of the embedded store.", {
    variable: "DATABASE_URL",
    secret: true,
  }).optional(),
  redis_url: setting(url(["redis", "rediss"], { plain: false }), "Redis or Valkey, which several nodes share.", {
    variable: "REDIS_URL",
    secret: true,
  }).optional(),
  secret: setting(
    credential(32),
    "Encrypts the provider keys kept in the database; without it one is generated into the data directory.",
    { secret: true },
  ).optional(),
  root_key: setting(credential(32), "Full management rights for scripts; never model calls.", {
    secret: true,
  }).optional(),
  smtp_url: setting(url(["smtp", "smtps"], { plain: false }), "The server that sends mail.", {
    variable: "SMTP_URL",
    secret: true,
  }).optional(),
  brand: brand.prefault({}),
  providers: list(provider, 500).default([]),
  models: list(model, 5000).default([]),
  plans: list(plan, 100).default([]),
  defaults: defaults.prefault({}),
  limits: limits.prefault({}),
  timeouts: timeouts.prefault({}),
  circuits: circuits.prefault({}),
  database: database.prefault({}),
  stripe: stripe.prefault({}),
  billing: billingFields.prefault({}),
  log: log.prefault({}),
  catalog: group({
    curated: setting(flag(), "Offer the built-in catalogue for the providers that are on.").default(true),
    allow_unpriced: setting(flag(), "Offer models without a price: calls of them cost nothing.").default(false),
    auto: setting(
      list(modelId(), 20),
      "What the model `auto` stands for: the first of these models that can serve a call. Without any there is no `auto`.",
    ).default([]),
  }).prefault({}),
  prices: group({
    margin_percent: setting(percentage(), "What customers pay over the providers' prices, in percent of them.").default(
      0,
    ),
  }).prefault({}),
});

/** The file after validation: defaults filled in, money still as text. */
export type FileSettings = z.output<typeof fileSchema>;
export type ProviderSettings = FileSettings["providers"][number];
export type ModelSettings = FileSettings["models"][number];
export type PriceSettings = NonNullable<ModelSettings["price"]>;
