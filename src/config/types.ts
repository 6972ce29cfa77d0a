/**
 * The settings as the program sees them: typed, with defaults filled in, names in camel case.
 * `loadConfig` makes one `Config` at start; the composition root hands each part what it needs of it.
 */
import type { DataPolicy, Quirks } from "../core/endpoint.ts";
import type { Capability } from "../core/head.ts";
import type { Nano } from "../core/money.ts";
import type { WireFormatId } from "../core/operation.ts";
import type { BillingConfig } from "./billing.ts";

export type { BillingConfig };

/** How the service is called, and how its keys begin. */
export interface BrandConfig {
  readonly name: string;
  /** Always a prefix that `createKey` accepts. */
  readonly keyPrefix: string;
}

/** One configured upstream account. */
export interface ProviderConfig {
  /** Unique; `[a-z0-9-]{1,63}`. */
  readonly id: string;
  /** A key of the `providerTypes` that `loadConfig` was given. */
  readonly type: string;
  /** `http` or `https`, without credentials, query, fragment or trailing slash. Named by the operator, so it may be private. */
  readonly baseUrl?: string;
  /** Printable ASCII without spaces, or JSON documents; empty for an upstream that needs none. */
  readonly apiKeys: readonly string[];
  /** Absent: the type's own. */
  readonly dialects?: readonly WireFormatId[];
  /** Sent with every request to this upstream. Names in lower case. */
  readonly headers: Readonly<Record<string, string>>;
  /** Where they differ from the general ones. */
  readonly timeouts: { readonly connectMs?: number; readonly firstByteMs?: number; readonly idleMs?: number };
  /** What closing a call's connection does, before what is known of the type. */
  readonly abort?: { readonly streamed?: OnAbort; readonly plain?: OnAbort };
  readonly region?: string;
  readonly data?: DataPolicy;
  /** Of a cloud: `[a-z0-9-]{1,63}`, both. */
  readonly location?: string;
  readonly project?: string;
  readonly tokenUrl?: string;
}

export const ON_ABORT = ["ends-charge", "charges"] as const;
type OnAbort = (typeof ON_ABORT)[number];

/** A decimal of US dollars as it was written, checked to be an amount that `core/money.ts` converts exactly. */
export type Dollars = number | string;

/** Prices of a million tokens, by class. */
export interface TokenRatesConfig {
  readonly input?: Dollars;
  readonly output?: Dollars;
  readonly cacheRead?: Dollars;
  /** Entries that live five minutes. */
  readonly cacheWrite?: Dollars;
  readonly cacheWrite1h?: Dollars;
  readonly reasoning?: Dollars;
  readonly imageInput?: Dollars;
  readonly imageOutput?: Dollars;
  readonly audioInput?: Dollars;
  readonly audioOutput?: Dollars;
}

/** A price as written; the catalogue makes integers of it, for the file's models and its own alike. */
export interface PriceConfig extends TokenRatesConfig {
  readonly input: Dollars;
  readonly output: Dollars;
  /** Per request. */
  readonly request?: Dollars;
  /** Per web search that the provider runs. */
  readonly webSearch?: Dollars;
  /** Per request in which the provider searches the web, however often. */
  readonly searchedRequest?: Dollars;
  readonly tiers?: (TokenRatesConfig & { readonly above: number })[];
}

/** One way to serve a configured model. */
export interface EndpointConfig {
  /** The id of a provider in `Config.providers`. */
  readonly provider: string;
  /** What the upstream calls the model. */
  readonly model: string;
  /** Lower is tried earlier. */
  readonly priority: number;
  readonly weight?: number;
  readonly region?: string;
  readonly quantization?: string;
  readonly data?: DataPolicy;
  readonly dialects?: readonly WireFormatId[];
  /** Before the margin. Absent: the model's price. */
  readonly price?: PriceConfig;
  /** What the provider charges. Absent: the price before the margin. */
  readonly cost?: PriceConfig;
  readonly quirks?: Quirks;
}

/** A model of the file, in the form in which the catalogue defines its own. */
export interface ModelConfig {
  readonly id: string;
  readonly aliases: readonly string[];
  readonly name?: string;
  readonly description?: string;
  /** At least one. */
  readonly endpoints: readonly EndpointConfig[];
  /** Before the margin. */
  readonly price?: PriceConfig;
  /** Absent: the general one. */
  readonly marginPercent?: number | string;
  /** Tokens of its context window. */
  readonly context: number;
  /** The most tokens it can answer with; 0 for a model that makes embeddings. */
  readonly maxOutput: number;
  /** Absent: not said; the catalogue decides. */
  readonly capabilities?: readonly Capability[];
}

export interface PlanConfig {
  readonly id: string;
  readonly name?: string;
  readonly description?: string;
  /** Requests per minute; absent means no limit from the plan. */
  readonly rpm?: number;
  /** Requests per day; absent means no limit from the plan. */
  readonly rpd?: number;
  /** Tokens per minute; absent means no limit from the plan. */
  readonly tpm?: number;
  readonly includedRequestsPerDay: number;
  /** Requests of free models a day; absent means no limit. */
  readonly freeRequestsPerDay?: number;
  /** Globs of the models the plan opens. */
  readonly models: readonly string[];
  /** Per month, in whole cents. */
  readonly priceNano?: Nano;
  /** Per year, in whole cents. */
  readonly priceAnnualNano?: Nano;
}

/** What a new workspace begins with. */
export interface DefaultsConfig {
  /** The id of one of the plans. */
  readonly plan: string;
  readonly welcomeCreditNano: Nano;
  /** Absent: it lasts for ever. */
  readonly welcomeCreditExpiresDays?: number;
}

/** Bounds on what callers and upstreams can make the program hold at once. */
export interface LimitsConfig {
  readonly maxBodyBytes: number;
  /** Of all request bodies being read or held together. */
  readonly maxBodyBytesInFlight: number;
  readonly maxJsonDepth: number;
  readonly maxConcurrentCalls: number;
  /** Of one upstream reply that is not a stream. */
  readonly maxReplyBytes: number;
  readonly maxAttempts: number;
  /** Calls that are read to their end though their callers have left. */
  readonly maxAbandonedCalls: number;
}

/** Waits, all in milliseconds. */
export interface TimeoutsConfig {
  readonly connectMs: number;
  /** From sending a request to the upstream's first byte. */
  readonly firstByteMs: number;
  /** Between two pieces of an upstream's stream. */
  readonly idleMs: number;
  /** A caller that takes nothing for so long is cut off. */
  readonly writeStallMs: number;
  /** After so long a silence something harmless is written into the caller's stream. */
  readonly keepAliveMs: number;
  /** How long a call is read on whose caller has left. */
  readonly abandonedMs: number;
  /** How long live calls may go on after the signal to stop. */
  readonly drainMs: number;
  readonly headerReadMs: number;
  readonly bodyReadMs: number;
}

/** When endpoints that fail are left alone for a while. */
export interface CircuitsConfig {
  /** In a row; 0: never. */
  readonly failures: number;
  readonly restMs: number;
  readonly longestRestMs: number;
  /** What further tries may add to all calls. */
  readonly retryPercent: number;
}

export interface DatabaseConfig {
  readonly poolSize: number;
  readonly statementTimeoutMs: number;
  /** After so much silence another gateway is taken for dead. */
  readonly nodeSilenceMs: number;
  /** With less free disk than this the embedded store takes no paid work. */
  readonly minFreeBytes: number;
}

export interface StripeConfig {
  readonly secretKey?: string;
  readonly webhookSecret?: string;
  /** Where Stripe's API is reached; absent means Stripe itself. */
  readonly apiBase?: string;
}

export const LOG_LEVELS = ["error", "warn", "info", "debug"] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

export interface LogConfig {
  readonly level: LogLevel;
  readonly format: "json" | "text";
}

/** Every setting. Optional ones are those whose absence means something. */
export interface Config {
  /** The file that was read, if there was one. */
  readonly file?: string;
  readonly port: number;
  readonly host: string;
  /** As written: relative paths are relative to the working directory. */
  readonly dataDir: string;
  /** Without a trailing slash. */
  readonly publicUrl?: string;
  /** Addresses and CIDR ranges of proxies whose `X-Forwarded-For` is believed. */
  readonly trustedProxies: readonly string[];
  readonly databaseUrl?: string;
  readonly redisUrl?: string;
  /** The key-encryption key; absent means the one kept in the data directory. At least 32 characters. */
  readonly secret?: string;
  /** At least 32 characters. */
  readonly rootKey?: string;
  readonly smtpUrl?: string;
  readonly brand: BrandConfig;
  /** Those of the file, then those switched on by a variable alone (their id is their type). */
  readonly providers: readonly ProviderConfig[];
  readonly models: readonly ModelConfig[];
  /** Those of the file, and the built-in one unless the file has one of its name. */
  readonly plans: readonly PlanConfig[];
  readonly defaults: DefaultsConfig;
  readonly limits: LimitsConfig;
  readonly timeouts: TimeoutsConfig;
  readonly circuits: CircuitsConfig;
  readonly database: DatabaseConfig;
  readonly stripe: StripeConfig;
  readonly billing: BillingConfig;
  readonly log: LogConfig;
  readonly catalog: { readonly curated: boolean; readonly allowUnpriced: boolean; readonly auto: readonly string[] };
  /** A decimal that `withMargin` of `core/money.ts` takes. */
  readonly prices: { readonly marginPercent: number | string };
  /** Things that are allowed but look unintended; to be logged at start. */
  readonly warnings: readonly string[];
}

/** Where a key comes from that is more than one variable's text. */
export interface KeySource {
  variable(name: string): string | undefined;
  readFile(path: string): string | undefined;
}

/** What the configuration must know of a provider type; `providers/` holds the rest. */
export interface ProviderTypeFacts {
  /** Environment variables that may hold its keys, the preferred one first. */
  readonly keyVariables: readonly string[];
  /** Absent: the file must name one, and a variable alone does not switch the type on. */
  readonly baseUrl?: string;
  /** In its place: the address of a location. A variable alone does not switch such a type on either. */
  address?(location: string): string;
  /** Variables that name the location, and the location without any; absent where there are none. */
  readonly location?: { readonly variables: readonly string[]; readonly fallback?: string };
  /** Variables that name the project; absent where there are none. */
  readonly projectVariables?: readonly string[];
  /** The project that a key belongs to. */
  projectOf?(key: string): string | undefined;
  /** Makes a key of a variable, where that is more than its text. Undefined: something is missing or wrong. */
  keyFrom?(variable: string, source: KeySource): string | undefined;
}
