/**
 * Buying credit: a payment is written down, then Stripe makes a page where it is paid.
 * The console's routes call it; the webhook credits what was paid.
 */
import { eq } from "drizzle-orm";
import { schema } from "../db/schema.ts";
import { type Quote, quote } from "./amounts.ts";
import { ensureCustomer } from "./customers.ts";
import { type Parts, payingWorkspace, returnUrl } from "./parts.ts";
import { METADATA, openPayment } from "./payments.ts";

/** What somebody wants to buy. */
export interface TopUpWish {
  readonly amountUsd?: number | string;
  readonly packageId?: string;
  /** Inside the public address; any other is refused. */
  readonly successUrl?: string;
  readonly cancelUrl?: string;
  /** Keep the payment method for automatic top-ups. */
  readonly savePaymentMethod?: boolean;
}

export interface OpenedCheckout {
  readonly id: string;
  readonly url: string;
  readonly quote: Quote;
}

/** Opens a page to pay credit on. Throws what `quote` throws, and what Stripe's failures become. */
export async function openCheckout(parts: Parts, workspaceId: string, wish: TopUpWish): Promise<OpenedCheckout> {
  await payingWorkspace(parts, workspaceId);
  const found = quote(parts.settings, wish);
  const { publicUrl } = parts;
  const successUrl = returnUrl(publicUrl, wish.successUrl, "/console/billing?payment=success", "success_url");
  const cancelUrl = returnUrl(publicUrl, wish.cancelUrl, "/console/billing?payment=cancelled", "cancel_url");
  const customer = await ensureCustomer(parts, workspaceId);
  const payment = await openPayment(parts, {
    workspaceId,
    kind: "top-up",
    amountCents: found.totalCents,
    feeCents: found.feeCents,
    creditNano: found.creditNano,
    packageId: found.packageId,
    customerId: customer.customerId,
  });
  const metadata = { [METADATA.payment]: payment.id, [METADATA.workspace]: workspaceId };
  const session = await parts.stripe.ask((stripe) =>
    stripe.checkout.sessions.create(
      {
        mode: "payment",
        customer: customer.customerId,
        client_reference_id: payment.id,
        metadata,
        line_items: lineItems(parts, found),
        payment_intent_data: {
          metadata,
          ...(wish.savePaymentMethod && { setup_future_usage: "off_session" as const }),
        },
        success_url: successUrl,
        cancel_url: cancelUrl,
      },
      { idempotencyKey: payment.id },
    ),
  );
  const { payments } = schema;
  await parts.database.orm.update(payments).set({ sessionId: session.id }).where(eq(payments.id, payment.id));
  return { id: payment.id, url: session.url ?? "", quote: found };
}

function lineItems({ brandName, settings: { currency } }: Parts, { totalCents, feeCents, name }: Quote) {
  const item = (title: string, cents: bigint) => ({
    quantity: 1,
    price_data: { currency, unit_amount: Number(cents), product_data: { name: title } },
  });
  const title = name ?? `${brandName} credit`;
  const items = [item(title, totalCents - feeCents)];
  if (feeCents > 0n) items.push(item("Top-up fee", feeCents));
  return items;
}
