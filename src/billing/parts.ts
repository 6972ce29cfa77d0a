/**
 * What the parts of billing share: settings, the log, the outcome of what Stripe tells, locks and notices.
 * `billing.ts` makes one `Parts` at start and hands it to every function here.
 */
import { eq } from "drizzle-orm";
import { GatewayError, invalidRequest } from "../core/error.ts";
import type { Nano } from "../core/money.ts";
import type { Database } from "../db/database.ts";
import { schema } from "../db/schema.ts";
import type { Transaction } from "../db/transaction.ts";
import type { Books } from "../ledger/books.ts";
import type { StripeAccess } from "./stripe.ts";

/** The settings of payments, as the configuration makes them. */
export interface BillingSettings {
  readonly currency: "usd";
  readonly topUp: {
    readonly minNano: Nano;
    readonly maxNano: Nano;
    readonly feeMinNano: Nano;
    readonly feePpm: bigint;
  };
  readonly packages: readonly {
    readonly id: string;
    readonly name?: string;
    readonly payNano: Nano;
    readonly creditNano: Nano;
  }[];
  readonly creditExpiresDays?: number;
  readonly disputes: { readonly reverse: "opened" | "lost" };
  readonly pastDueGraceDays: number;
  readonly proration: "always_invoice" | "create_prorations";
  readonly autoTopUp: { readonly maxPerDay: number };
}

/** A plan, as far as it is sold. */
export interface PlanOffer {
  readonly id: string;
  /** What people read. */
  readonly name?: string;
  readonly priceNano?: Nano;
  readonly priceAnnualNano?: Nano;
}

export interface BillingLog {
  error(message: string, fields?: Record<string, unknown>): void;
  warn(message: string, fields?: Record<string, unknown>): void;
  info(message: string, fields?: Record<string, unknown>): void;
}

export interface Parts {
  readonly database: Database;
  readonly books: Books;
  readonly stripe: StripeAccess;
  readonly settings: BillingSettings;
  readonly plans: readonly PlanOffer[];
  readonly defaultPlan: string;
  readonly brandName: string;
  /** Where users reach the service, without a trailing slash: the only place that payment pages return to. */
  readonly publicUrl: string;
  readonly log: BillingLog;
  readonly now: () => Date;
}

/** What became of something that Stripe told. `refused`: it does not fit what we opened, so nothing was done. */
export interface Outcome {
  readonly outcome: "applied" | "ignored" | "refused";
  readonly detail?: string;
  readonly workspaceId?: string;
  readonly paymentId?: string;
}

/** Not about anything that was opened here: another use of the same Stripe account. */
export const FOREIGN: Outcome = { outcome: "ignored", detail: "not ours" };

/** Waits until no other transaction works on that object of Stripe's. Taken in the order payment intent, invoice, rest. */
export async function lock({ sql }: Transaction, id: string): Promise<void> {
  await sql`select pg_advisory_xact_lock(hashtextextended(${`stripe:${id}`}, 0))`;
}

/** The workspace that is to pay. Throws `not_found`, and `invalid_request` for the operator's own. */
export async function payingWorkspace({ database }: Parts, id: string): Promise<{ id: string; plan: string }> {
  const [found] = await database.orm.select().from(schema.workspaces).where(eq(schema.workspaces.id, id));
  if (!found) throw new GatewayError("not_found", "There is no such workspace.");
  if (found.billing !== "prepaid") throw invalidRequest("The operator's workspace has nothing to pay.");
  return found;
}

/** The id of what may be the object itself. */
export function idOf(value: string | { readonly id: string } | null | undefined): string | undefined {
  return typeof value === "string" ? value : (value?.id ?? undefined);
}

/** A moment as Stripe writes it. */
export function fromSeconds(seconds: number): Date;
export function fromSeconds(seconds: number | null | undefined): Date | null;
export function fromSeconds(seconds: number | null | undefined): Date | null {
  return seconds === null || seconds === undefined ? null : new Date(seconds * 1000);
}

/** Where a page of Stripe's sends people back to: inside the public address, whatever was asked for. */
export function returnUrl(publicUrl: string, wanted: string | undefined, fallback: string, field: string): string {
  if (wanted === undefined) return `${publicUrl}${fallback}`;
  const base = new URL(publicUrl);
  const target = URL.parse(wanted, `${publicUrl}/`);
  if (target?.origin !== base.origin || target.username || target.password)
    throw invalidRequest(`${field}: expected an address that begins with ${base.origin}.`, field);
  return target.href;
}
