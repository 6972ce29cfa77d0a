/**
 * Opens payments: everything that the console's routes, the webhook and the sweep need, over one way to Stripe.
 * The composition root calls `openBilling` at start; without a Stripe key there are no payments.
 */
import type { Database } from "../db/database.ts";
import type { Books } from "../ledger/books.ts";
import { checkAutoTopUp } from "./auto-top-up.ts";
import type { BillingLog, BillingSettings, Parts, PlanOffer } from "./parts.ts";
import type { Payment } from "./payments.ts";
import { createPriceFinder } from "./prices.ts";
import { openStripe } from "./stripe.ts";
import { createRefresh } from "./subscription-state.ts";
import type { Subscribing } from "./subscriptions.ts";
import { runAutoTopUps, sweep } from "./sweep.ts";
import { createWebhook, type Webhook } from "./webhook.ts";

/** What of the configuration payments depend on. */
export interface BillingConfiguration {
  readonly stripe: { readonly secretKey?: string; readonly webhookSecret?: string; readonly apiBase?: string };
  readonly billing: BillingSettings;
  readonly plans: readonly PlanOffer[];
  readonly defaults: { readonly plan: string };
  readonly brand: { readonly name: string };
  readonly publicUrl?: string;
  readonly host: string;
  readonly port: number;
}

export interface Billing {
  /** What the functions of this folder take. */
  readonly tools: Subscribing;
  /** Absent without a webhook secret: then there is no such route. */
  readonly webhook: Webhook | undefined;
  /** Buys credit for a workspace whose balance is below its threshold, if it wants that. Never rejects. */
  checkAutoTopUp(workspaceId: string): Promise<Payment | undefined>;
  /** Every automatic top-up that is due. */
  runAutoTopUps(): Promise<void>;
  /** All that is to be done now and then, automatic top-ups included. Never rejects; a second call waits for the first. */
  sweep(): Promise<void>;
  /** Resolves when nothing of this is under way any more. */
  close(): Promise<void>;
}

/** Payments over an open database; undefined when no Stripe key is configured. Asks nothing of Stripe yet. */
export function openBilling(input: {
  readonly config: BillingConfiguration;
  readonly database: Database;
  readonly books: Books;
  readonly log: BillingLog;
  readonly now?: () => Date;
}): Billing | undefined {
  const { config, database, books, log } = input;
  const { secretKey, webhookSecret, apiBase } = config.stripe;
  if (secretKey === undefined) return undefined;
  const parts: Parts = {
    database,
    books,
    log,
    stripe: openStripe({ secretKey, apiBase }),
    settings: config.billing,
    plans: config.plans,
    defaultPlan: config.defaults.plan,
    brandName: config.brand.name,
    publicUrl: config.publicUrl ?? `http://${config.host}:${config.port}`,
    now: input.now ?? (() => new Date()),
  };
  const refresh = createRefresh(parts);
  const running = createSingleFlight();
  const once = running.once;
  return {
    tools: { parts, refresh, findPrice: createPriceFinder(parts) },
    webhook: webhookSecret === undefined ? undefined : createWebhook(parts, webhookSecret, refresh),
    checkAutoTopUp: (workspaceId) =>
      once(`check:${workspaceId}`, async () => {
        try {
          return await checkAutoTopUp(parts, workspaceId);
        } catch (error) {
          log.error("an automatic top-up could not be begun", { workspace: workspaceId, error: String(error) });
          return undefined;
        }
      }),
    runAutoTopUps: () => once("top-ups", () => runAutoTopUps(parts)),
    sweep: () => once("sweep", () => sweep(parts)),
    close: running.idle,
  };
}

/** Work by name: who asks for what is being done gets that. */
function createSingleFlight() {
  const running = new Map<string, Promise<unknown>>();
  return {
    once<T>(name: string, work: () => Promise<T>): Promise<T> {
      const known = running.get(name) as Promise<T> | undefined;
      if (known) return known;
      const begun = work().finally(() => running.delete(name));
      running.set(name, begun);
      return begun;
    },
    async idle(): Promise<void> {
      await Promise.allSettled(running.values());
    },
  };
}
