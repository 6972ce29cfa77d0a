/**
 * Joins the management routes: each resource with what it stands on.
 * A part of the composition root; a route that is not named here does not exist.
 */
import type { PriceBook } from "../catalog/prices/book.ts";
import type { Config } from "../config.ts";
import { accountRoutes } from "../console/account.ts";
import { creditRoutes } from "../console/credits.ts";
import { type EndpointParts, endpointRoutes } from "../console/endpoints.ts";
import { keyRoutes } from "../console/keys.ts";
import { planRoutes } from "../console/plans.ts";
import { priceRoutes } from "../console/prices.ts";
import { createManagement, type Management, type ManagementRoute } from "../console/route.ts";
import { workspaceRoutes } from "../console/workspaces.ts";
import type { GatewayError } from "../core/error.ts";
import type { Database } from "../db/database.ts";
import type { Gateway } from "../gateway/gateway.ts";
import { isOffered } from "../gateway/model.ts";
import { openCoupons } from "../ledger/coupons.ts";
import type { Provider } from "../providers/provider.ts";
import { usageByKey } from "../usage/by-key.ts";
import { findRecord } from "../usage/records.ts";
import type { Parts } from "./parts.ts";

/** All management routes. `rootKeys` are those that may do everything. */
export function manage(settings: {
  config: Config;
  parts: Parts;
  prices: PriceBook;
  gateway: Gateway;
  providers: readonly Provider[];
  /** Those of payments; none when there are no payments. */
  billing: readonly ManagementRoute[];
  database: Database;
  rootKeys: readonly string[];
  logError: (id: string, error: GatewayError) => void;
}): Management {
  const { config, parts, prices, rootKeys, logError } = settings;
  const { keys, books, workspaces, authenticator, recorder } = parts;
  const { sql } = settings.database;
  const coupons = openCoupons({ sql, books, nowMs: Date.now });
  return createManagement({
    routes: [
      ...keyRoutes({ keys, workspaces, authenticator, usage: (ids) => usageByKey(sql, ids) }),
      ...accountRoutes({
        workspaces,
        findRecord: (id, workspaceId) => findRecord(sql, recorder, id, workspaceId),
      }),
      ...workspaceRoutes({ workspaces, defaults: config.defaults, plans: config.plans.map(({ id }) => id) }),
      // A check that is asked for counts like that of the watch.
      ...creditRoutes({ sql, books: { ...books, check: parts.watch.check }, coupons, workspaces, nowMs: Date.now }),
      ...planRoutes(config.plans),
      ...priceRoutes(prices),
      ...endpointRoutes(endpointParts(settings.gateway, settings.providers)),
      ...settings.billing,
    ],
    authenticator,
    rootKeys,
    logError,
  });
}

function endpointParts({ catalog, health, attempting, nowMs }: Gateway, providers: readonly Provider[]): EndpointParts {
  const shown = providers.map(({ id, type }) => ({
    id,
    name: type.name,
    keys: () => attempting.traffic.keys(id)?.states() ?? [],
  }));
  return { catalog, health, providers: shown, isOffered, nowMs };
}
