/**
 * The prices in force: the catalogue that calls are admitted with, its comparison with published prices, and what was accepted of it.
 * A change makes a new catalogue and puts it in place at once; a call keeps the prices of the catalogue that admitted it.
 */
import { createHash } from "node:crypto";
import { invalidRequest } from "../../core/error.ts";
import { fits } from "../../core/glob.ts";
import { buildCatalog, type Catalog, type CatalogInput, type ListedEndpoint, listedEndpoints } from "../catalog.ts";
import type { PriceDefinition } from "../definition.ts";
import { compare, type PriceRow } from "./compare.ts";
import type { Overrides } from "./overrides.ts";
import type { Published } from "./published.ts";

/** Which endpoints: globs of endpoint or model ids. Absent: all. */
export interface PriceWish {
  readonly only?: readonly string[];
}

/** A comparison as the console and the command line show it. */
export interface PriceDiff {
  /** The moment that the published prices are of. */
  readonly at: string;
  readonly rows: readonly PriceRow[];
  readonly same: readonly string[];
  readonly unlisted: readonly string[];
  /** Names this comparison: `apply` with it refuses if another one would come out now. */
  readonly digest: string;
}

export interface PriceApplication {
  readonly applied: readonly PriceRow[];
  /** Changes that were left alone: suspicious ones that nobody named, and prices that cannot be taken. */
  readonly skipped: readonly PriceRow[];
}

export interface PriceBook {
  /** Always the catalogue in force; each look is at one that never changes. */
  readonly catalog: Catalog;
  /** Compares with the prices published for a moment, by default now. */
  diff(wish: PriceWish & { readonly at?: Date }): Promise<PriceDiff>;
  /** Puts published prices of now in force. Suspicious changes only where `only` names them. Throws `invalid_request` for another digest. */
  apply(wish: PriceWish & { readonly digest?: string }): Promise<PriceApplication>;
  /** Takes accepted prices out of force again; returns the endpoints that had one. */
  reset(wish: PriceWish): Promise<{ readonly reset: readonly string[] }>;
  /** Reads what is accepted, and puts a new catalogue in place if it changed. */
  refresh(): Promise<void>;
}

export interface PriceBookSettings {
  readonly input: CatalogInput;
  readonly overrides: Overrides;
  /** Called once, when it is first needed. */
  readonly loadPublished: () => Promise<Published>;
  readonly source: string;
  readonly now: () => Date;
  /** Told of stored prices that cannot be read; the curated ones hold there. */
  readonly onBroken: (endpointIds: readonly string[]) => void;
}

/** The catalogue in force, and the accepted prices it is built with. */
interface InForce {
  readonly catalog: Catalog;
  readonly overrides: ReadonlyMap<string, PriceDefinition>;
  refresh(): Promise<void>;
}

function createInForce(settings: PriceBookSettings): InForce {
  let overrides: ReadonlyMap<string, PriceDefinition> = new Map();
  let catalog = buildCatalog(settings.input);
  let broken = "";
  // One after the other, so that no slow reading puts older prices in place of newer ones.
  let reading: Promise<void> = Promise.resolve();

  async function read(): Promise<void> {
    const loaded = await settings.overrides.load();
    const unreadable = loaded.broken.join();
    if (unreadable !== broken && loaded.broken.length > 0) settings.onBroken(loaded.broken);
    broken = unreadable;
    if (isSame(loaded.prices, overrides)) return;
    // Built before anything is replaced: if it throws, the prices of before stay.
    const next = buildCatalog({ ...settings.input, overrides: loaded.prices });
    overrides = loaded.prices;
    catalog = next;
  }

  return {
    get catalog() {
      return catalog;
    },
    get overrides() {
      return overrides;
    },
    refresh() {
      reading = reading.catch(() => {}).then(read);
      return reading;
    },
  };
}

/** The work, done on the first call; a failure is forgotten, so that the next call tries again. */
function once<T>(work: () => Promise<T>): () => Promise<T> {
  let done: Promise<T> | undefined;
  return () => {
    done ??= work().catch((error) => {
      done = undefined;
      throw error;
    });
    return done;
  };
}

/** The book over what is configured. Holds the prices that are configured until the first `refresh`. Throws CatalogError. */
export function createPriceBook(settings: PriceBookSettings): PriceBook {
  const inForce = createInForce(settings);
  const { refresh } = inForce;
  const published = once(settings.loadPublished);

  const chosen = ({ only }: PriceWish): ListedEndpoint[] => {
    const all = listedEndpoints({ ...settings.input, overrides: inForce.overrides });
    return only ? all.filter(({ id, modelId }) => only.some((glob) => fits(glob, id) || fits(glob, modelId))) : all;
  };
  const compareAt = async (wish: PriceWish, at: Date) => {
    const comparison = compare(chosen(wish), await published(), at);
    return { ...comparison, digest: digestOf(comparison.rows) };
  };

  return {
    catalog: {
      find: (name) => inForce.catalog.find(name),
      get models() {
        return inForce.catalog.models;
      },
      get auto() {
        return inForce.catalog.auto;
      },
    },
    async diff(wish) {
      const at = wish.at ?? settings.now();
      const { rows, same, unlisted, digest } = await compareAt(wish, at);
      return { at: at.toISOString(), rows, same, unlisted, digest };
    },
    async apply(wish) {
      await refresh();
      const { rows, proposed, digest } = await compareAt(wish, settings.now());
      if (wish.digest !== undefined && wish.digest !== digest) {
        throw invalidRequest("Prices have changed since this comparison; compare again.", "digest");
      }
      const isAccepted = (row: PriceRow) => proposed.has(row.endpoint) && (!row.suspicious || wish.only !== undefined);
      const applied = rows.filter(isAccepted);
      const prices = new Map(applied.map((row) => [row.endpoint, proposed.get(row.endpoint) as PriceDefinition]));
      if (prices.size > 0) await settings.overrides.put(prices, settings.source);
      await refresh();
      const isSkipped = (row: PriceRow) => !isAccepted(row) && (row.changes.length > 0 || row.problem !== null);
      return { applied, skipped: rows.filter(isSkipped) };
    },
    async reset(wish) {
      await refresh();
      const ids = chosen(wish).flatMap(({ id }) => (inForce.overrides.has(id) ? [id] : []));
      if (ids.length > 0) await settings.overrides.remove(ids);
      await refresh();
      return { reset: ids };
    },
    refresh,
  };
}

function digestOf(rows: readonly PriceRow[]): string {
  return createHash("sha256").update(JSON.stringify(rows)).digest("hex").slice(0, 32);
}

function isSame(one: ReadonlyMap<string, PriceDefinition>, other: ReadonlyMap<string, PriceDefinition>): boolean {
  const text = (map: ReadonlyMap<string, PriceDefinition>) => JSON.stringify([...map]);
  return text(one) === text(other);
}
