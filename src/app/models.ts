/**
 * What can be called: the configured providers, or the simulated one, and the catalogue over them with the accepted prices.
 * A part of the composition root.
 */
import { buildCatalog, type Catalog, type CatalogInput, defaultDialects } from "../catalog/catalog.ts";
import { CURATED, MODELS_OF_FORMATS } from "../catalog/curated/index.ts";
import type { ModelDefinition } from "../catalog/definition.ts";
import { createPriceBook, type PriceBook } from "../catalog/prices/book.ts";
import { openOverrides } from "../catalog/prices/overrides.ts";
import { loadPublished } from "../catalog/prices/published.ts";
import type { Config } from "../config.ts";
import type { Database } from "../db/database.ts";
import { PROVIDER_TYPES } from "../providers/index.ts";
import type { Provider } from "../providers/provider.ts";
import type { SimulatorServer } from "../simulator/index.ts";
import type { Log } from "../telemetry/log.ts";

/** How soon a node sees the prices that another one put in force. */
const PRICES_EVERY_MS = 30_000;

/** Whether the simulated provider has to run here: nothing else is configured, or the file asks for it without an address. */
export function needsSimulator(config: Config): boolean {
  if (config.providers.length === 0) return true;
  return config.providers.some((provider) => provider.type === SIMULATED && provider.baseUrl === undefined);
}

const SIMULATED = "simulated";

/** The configured providers, ready to be called; without any, the simulated one. */
export function toProviders(config: Config, simulator: SimulatorServer | undefined): Provider[] {
  const configured =
    config.providers.length > 0
      ? config.providers
      : [{ id: SIMULATED, type: SIMULATED, apiKeys: [], headers: {}, timeouts: {} }];
  return configured.map((provider): Provider => {
    const type = PROVIDER_TYPES[provider.type];
    if (!type) throw new Error(`unknown provider type ${provider.type}`);
    const inProcess = provider.type === SIMULATED && provider.baseUrl === undefined;
    return {
      id: provider.id,
      type,
      baseUrl: inProcess
        ? `${simulator?.url}/v1`
        : (provider.baseUrl ?? type.baseUrl ?? type.address?.(provider.location ?? "") ?? ""),
      credentials: inProcess ? [SIMULATED] : provider.apiKeys,
      dialects: provider.dialects ?? type.dialects,
      headers: provider.headers,
      timeouts: provider.timeouts,
      abort: provider.abort,
      region: provider.region,
      data: provider.data,
      location: provider.location,
      project: provider.project,
      tokenUrl: provider.tokenUrl,
    };
  });
}

function catalogInput(config: Config, providers: readonly Provider[]): CatalogInput {
  return {
    definitions: config.models,
    curated: curatedFor(config),
    providers,
    marginPercent: config.prices.marginPercent,
    allowUnpriced: config.catalog.allowUnpriced,
    auto: config.catalog.auto,
  };
}

/** The catalogue of the configuration alone. Throws CatalogError. */
export function catalogOver(config: Config, providers: readonly Provider[]): Catalog {
  return buildCatalog(catalogInput(config, providers));
}

/** The catalogue with the prices that the operator accepted, and what keeps it up to date. */
export async function catalogWithOverrides(
  config: Config,
  providers: readonly Provider[],
  { sql }: Database,
  log: Log,
): Promise<{ catalog: Catalog; book: PriceBook; stop(): void }> {
  const book = createPriceBook({
    input: catalogInput(config, providers),
    overrides: openOverrides(sql),
    loadPublished,
    source: "published",
    now: () => new Date(),
    onBroken: (endpoints) => log.error("accepted prices cannot be read; the curated ones hold", { endpoints }),
  });
  await book.refresh();
  // A store that is away is reported by its own watch; until it is back the prices of before hold.
  const timer = setInterval(() => void book.refresh().catch(() => {}), PRICES_EVERY_MS);
  timer.unref();
  return { catalog: book.catalog, book, stop: () => clearInterval(timer) };
}

/** The catalogue that this configuration makes, without opening anything. Throws CatalogError. */
export function buildCatalogOf(config: Config): Catalog {
  return catalogOver(config, toProviders(config, undefined));
}

/** The curated models. Without a real provider the simulated one serves those of the formats' makers, each in its maker's format. */
function curatedFor(config: Config): readonly ModelDefinition[] {
  if (!config.catalog.curated) return [];
  if (config.providers.length > 0) return CURATED;
  return MODELS_OF_FORMATS.map((model) => ({
    ...model,
    endpoints: model.endpoints.map((endpoint) => ({
      ...endpoint,
      dialects:
        endpoint.dialects ?? defaultDialects(model.maxOutput, PROVIDER_TYPES[endpoint.provider]?.dialects ?? []),
      provider: SIMULATED,
      listedBy: endpoint.provider,
    })),
  }));
}
