/**
 * Payments as the composition root runs them: opened when a Stripe key is configured, looked after by a timer.
 * Without a key there are no routes and no webhook, and nothing of Stripe's is loaded.
 */
import { type Billing, openBilling } from "../billing/billing.ts";
import type { Config } from "../config.ts";
import { billingRoutes } from "../console/billing.ts";
import type { ManagementRoute } from "../console/route.ts";
import type { Database } from "../db/database.ts";
import type { Books } from "../ledger/books.ts";
import type { Log } from "../telemetry/log.ts";

/** Automatic top-ups that are due, and everything else that is due. */
const TOP_UPS_EVERY_MS = 10_000;
const SWEEP_EVERY_MS = 60_000;

/** Payments, or their absence. */
export interface Payments {
  readonly billing: Billing | undefined;
  readonly routes: readonly ManagementRoute[];
  stop(): Promise<void>;
}

/** Opens payments, as far as they are configured. */
export function openPayments(config: Config, log: Log, database: Database, books: Books): Payments {
  const billing = openBilling({ config, database, books, log });
  if (!billing) return { billing, routes: [], stop: async () => {} };
  const failed = (error: unknown) => log.error("automatic top-ups failed", { error: String(error) });
  const timers = [
    setInterval(() => void billing.runAutoTopUps().catch(failed), TOP_UPS_EVERY_MS),
    setInterval(() => void billing.sweep(), SWEEP_EVERY_MS),
  ];
  for (const timer of timers) timer.unref();
  return {
    billing,
    routes: billingRoutes(billing.tools),
    async stop() {
      for (const timer of timers) clearInterval(timer);
      await billing.close();
    },
  };
}
