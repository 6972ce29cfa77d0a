/**
 * A workspace's customer at Stripe: made when something is first paid, and the payment method that was saved for later.
 * Checkouts, subscriptions and automatic top-ups ask for it before they ask Stripe for anything else.
 */
import { and, eq, sql as raw } from "drizzle-orm";
import { invalidRequest } from "../core/error.ts";
import { schema } from "../db/schema.ts";
import type { Transaction } from "../db/transaction.ts";
import type { Parts } from "./parts.ts";
import { METADATA } from "./payments.ts";
import { isMissing } from "./stripe.ts";

const { billingCustomers } = schema;

export type Customer = typeof billingCustomers.$inferSelect;

function mine({ stripe }: Parts, workspaceId: string) {
  return and(eq(billingCustomers.workspaceId, workspaceId), eq(billingCustomers.livemode, stripe.livemode));
}

/** The workspace's customer, as far as there is one. */
export async function findCustomer(parts: Parts, workspaceId: string): Promise<Customer | undefined> {
  const [found] = await parts.database.orm.select().from(billingCustomers).where(mine(parts, workspaceId));
  return found;
}

/** The workspace's customer, made if need be; two callers at once get the same one. */
export async function ensureCustomer(parts: Parts, workspaceId: string): Promise<Customer> {
  const known = await findCustomer(parts, workspaceId);
  if (known) return known;
  const { livemode } = parts.stripe;
  const made = await parts.stripe.ask((stripe) =>
    stripe.customers.create(
      { metadata: { [METADATA.workspace]: workspaceId } },
      { idempotencyKey: `customer:${workspaceId}` },
    ),
  );
  await parts.database.orm
    .insert(billingCustomers)
    .values({ workspaceId, livemode, customerId: made.id, createdAt: parts.now() })
    .onConflictDoNothing();
  return (await findCustomer(parts, workspaceId))!;
}

/** Whose customer that is; undefined for one that was not made here. */
export async function customerById({ orm }: Transaction, customerId: string): Promise<Customer | undefined> {
  const [found] = await orm.select().from(billingCustomers).where(eq(billingCustomers.customerId, customerId));
  return found;
}

/** Keeps a payment method that a customer saved, unless a later one is known. */
export async function keepPaymentMethod(
  { orm }: Transaction,
  customerId: string,
  paymentMethodId: string,
  at: Date,
): Promise<void> {
  await orm
    .update(billingCustomers)
    .set({ paymentMethodId, paymentMethodAt: at })
    .where(
      and(
        eq(billingCustomers.customerId, customerId),
        raw`(payment_method_at is null or (payment_method_at, payment_method_id) < (${at.toISOString()}::timestamptz, ${paymentMethodId}))`,
      ),
    );
}

/** The payment method to charge without anybody being there: the one asked for, if it is the customer's, else the saved one. */
export async function chargeableMethod(parts: Parts, customer: Customer, wanted?: string): Promise<string> {
  const id = wanted ?? customer.paymentMethodId;
  if (id === null)
    throw invalidRequest(
      "There is no saved payment method: pay a top-up with save_payment_method first.",
      "payment_method",
    );
  try {
    const method = await parts.stripe.ask((stripe) => stripe.customers.retrievePaymentMethod(customer.customerId, id));
    return method.id;
  } catch (error) {
    if (isMissing(error)) throw invalidRequest("payment_method: the workspace has none of that id.", "payment_method");
    throw error;
  }
}
