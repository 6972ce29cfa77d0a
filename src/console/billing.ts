/**
 * Routes for payments: quotes, buying credit, subscriptions, invoices, automatic top-ups.
 * A provisioning key pays for its own workspace; the root key names one. They exist when Stripe is configured.
 */
import { z } from "zod";
import { centsToDollars, type Quote, quote } from "../billing/amounts.ts";
import { type AutoTopUp, changeAutoTopUp, readAutoTopUp } from "../billing/auto-top-up.ts";
import { openCheckout } from "../billing/checkout.ts";
import { findCustomer } from "../billing/customers.ts";
import { listInvoices, type StoredInvoice } from "../billing/invoices.ts";
import { payingWorkspace } from "../billing/parts.ts";
import { listPayments, type ShownPayment } from "../billing/payments.ts";
import { INTERVALS } from "../billing/prices.ts";
import type { Subscription } from "../billing/subscription-state.ts";
import {
  currentSubscription,
  openPortal,
  previewChange,
  type Subscribing,
  setCancelled,
  subscribe,
} from "../billing/subscriptions.ts";
import { GatewayError, invalidRequest } from "../core/error.ts";
import type { JsonObject } from "../core/json.ts";
import { nano, nanoToDollars } from "../core/money.ts";
import { audit } from "../ledger/audit.ts";
import { actorOf, amount } from "./fields.ts";
import { check, type ManagementRoute, type RouteReply, type RouteRequest, text } from "./route.ts";

const MAX_URL = 2000;
const MAX_THRESHOLD = nano(1_000_000n * 1_000_000_000n);

const workspace = z.uuid().optional();
const dollars = z.union([z.number(), z.string().max(40)]);
const address = text(MAX_URL).optional();

const checkoutSchema = z.strictObject({
  workspace,
  amount_usd: dollars.optional(),
  package: text(100).optional(),
  success_url: address,
  cancel_url: address,
  save_payment_method: z.boolean().optional(),
});

const subscribeSchema = z.strictObject({
  workspace,
  plan: text(100),
  interval: z.enum(INTERVALS).default("month"),
  proration_date: z.number().int().min(0).optional(),
  success_url: address,
  cancel_url: address,
});

const portalSchema = z.strictObject({ workspace, return_url: address });
const plainSchema = z.strictObject({ workspace });

const autoTopUpSchema = z.strictObject({
  workspace,
  enabled: z.boolean(),
  threshold_usd: amount({ min: nano(0n), max: MAX_THRESHOLD }).optional(),
  amount_usd: dollars.optional(),
  payment_method: text(200).optional(),
});

/** The workspace that a call is for: the key's own, or the one that the root key names. */
function workspaceOf({ caller, query }: RouteRequest, named: string | undefined): string {
  const asked = named ?? check(z.object({ workspace }), { workspace: query.get("workspace") ?? undefined }).workspace;
  const own = caller.principal?.workspaceId;
  if (own !== undefined && asked !== undefined && asked !== own)
    throw new GatewayError("not_found", "There is no such workspace.");
  const found = own ?? asked;
  if (found === undefined) throw invalidRequest("workspace: is needed with the root key.", "workspace");
  return found;
}

const time = (moment: Date | null) => moment?.toISOString() ?? null;

function quoteEntry(found: Quote): JsonObject {
  return {
    amount_usd: centsToDollars(found.totalCents - found.feeCents),
    fee_usd: centsToDollars(found.feeCents),
    total_usd: centsToDollars(found.totalCents),
    credit_usd: nanoToDollars(found.creditNano),
    package: found.packageId ?? null,
  };
}

function paymentEntry(payment: ShownPayment): JsonObject {
  return {
    id: payment.id,
    kind: payment.kind,
    status: payment.status,
    total_usd: centsToDollars(payment.amountCents),
    fee_usd: centsToDollars(payment.feeCents),
    credit_usd: nanoToDollars(nano(payment.creditNano)),
    refunded_usd: centsToDollars(payment.refundedCents),
    disputed_usd: centsToDollars(payment.disputedCents),
    package: payment.packageId,
    error: payment.error,
    receipt_url: payment.receiptUrl,
    invoice: payment.invoiceId,
    created_at: payment.createdAt.toISOString(),
    credited_at: time(payment.creditedAt),
  };
}

function subscriptionEntry(subscription: Subscription | undefined): JsonObject | null {
  if (!subscription) return null;
  return {
    id: subscription.id,
    plan: subscription.plan,
    interval: subscription.interval,
    price_usd: subscription.amountCents === null ? null : centsToDollars(subscription.amountCents),
    status: subscription.status,
    cancel_at_period_end: subscription.cancelAtPeriodEnd,
    cancel_at: time(subscription.cancelAt),
    period_start: time(subscription.periodStart),
    period_end: time(subscription.periodEnd),
  };
}

function invoiceEntry(invoice: StoredInvoice): JsonObject {
  return {
    id: invoice.id,
    number: invoice.number,
    status: invoice.status,
    subscription: invoice.subscriptionId,
    total_usd: centsToDollars(invoice.totalCents),
    paid_usd: centsToDollars(invoice.paidCents),
    due_usd: centsToDollars(invoice.dueCents),
    url: invoice.hostedUrl,
    pdf_url: invoice.pdfUrl,
    period_start: time(invoice.periodStart),
    period_end: time(invoice.periodEnd),
    created_at: invoice.createdAt.toISOString(),
  };
}

function autoTopUpEntry(settings: AutoTopUp | undefined): JsonObject {
  if (!settings) return { enabled: false };
  return {
    enabled: settings.enabled,
    threshold_usd: nanoToDollars(nano(settings.thresholdNano)),
    amount_usd: nanoToDollars(nano(settings.creditNano)),
    payment_method: settings.paymentMethodId,
    failures: settings.failures,
    next_attempt_at: time(settings.nextAttemptAt),
    last_error: settings.lastError,
  };
}

async function overview({ parts }: Subscribing, request: RouteRequest): Promise<RouteReply> {
  const workspaceId = workspaceOf(request, undefined);
  const { plan } = await payingWorkspace(parts, workspaceId);
  const { topUp, packages } = parts.settings;
  const data = {
    plan,
    subscription: subscriptionEntry(await currentSubscription(parts, workspaceId)),
    auto_top_up: autoTopUpEntry(await readAutoTopUp(parts, workspaceId)),
    saved_payment_method: (await findCustomer(parts, workspaceId))?.paymentMethodId ?? null,
    top_up: { min_usd: nanoToDollars(topUp.minNano), max_usd: nanoToDollars(topUp.maxNano) },
    packages: packages.map(({ id, name, payNano, creditNano }) => ({
      id,
      name: name ?? id,
      pay_usd: nanoToDollars(payNano),
      credit_usd: nanoToDollars(creditNano),
    })),
    plans: parts.plans
      .filter(({ priceNano, priceAnnualNano }) => priceNano || priceAnnualNano)
      .map(({ id, priceNano, priceAnnualNano }) => ({
        id,
        price_usd: priceNano ? nanoToDollars(priceNano) : null,
        price_annual_usd: priceAnnualNano ? nanoToDollars(priceAnnualNano) : null,
      })),
  };
  return { body: { data } };
}

function showQuote({ parts }: Subscribing, { query }: RouteRequest): RouteReply {
  const amountUsd = query.get("amount_usd") ?? undefined;
  return { body: quoteEntry(quote(parts.settings, { amountUsd, packageId: query.get("package") ?? undefined })) };
}

async function checkout(tools: Subscribing, request: RouteRequest): Promise<RouteReply> {
  const wanted = check(checkoutSchema, request.body);
  const opened = await openCheckout(tools.parts, workspaceOf(request, wanted.workspace), {
    amountUsd: wanted.amount_usd,
    packageId: wanted.package,
    successUrl: wanted.success_url,
    cancelUrl: wanted.cancel_url,
    savePaymentMethod: wanted.save_payment_method,
  });
  return { status: 201, body: { id: opened.id, url: opened.url, ...quoteEntry(opened.quote) } };
}

async function payments({ parts }: Subscribing, request: RouteRequest, id?: string): Promise<RouteReply> {
  const found = await listPayments(parts, workspaceOf(request, undefined), id);
  if (id === undefined) return { body: { data: found.map(paymentEntry) } };
  if (!found[0]) throw new GatewayError("not_found", "There is no such payment.");
  return { body: { data: paymentEntry(found[0]) } };
}

function subscribeWish(wanted: z.output<typeof subscribeSchema>) {
  return {
    plan: wanted.plan,
    interval: wanted.interval,
    prorationDate: wanted.proration_date,
    successUrl: wanted.success_url,
    cancelUrl: wanted.cancel_url,
  };
}

/** Notes who did something that costs or ends something. */
async function note(
  { parts }: Subscribing,
  request: RouteRequest,
  workspaceId: string,
  action: string,
  details: JsonObject,
) {
  await audit(parts.database.sql, {
    actor: actorOf(request.caller),
    action: `billing.${action}`,
    workspaceId,
    details,
  });
}

async function begin(tools: Subscribing, request: RouteRequest): Promise<RouteReply> {
  const wanted = check(subscribeSchema, request.body);
  const workspaceId = workspaceOf(request, wanted.workspace);
  const done = await subscribe(tools, workspaceId, subscribeWish(wanted));
  await note(tools, request, workspaceId, "subscribe", { plan: wanted.plan, interval: wanted.interval });
  if ("url" in done) return { status: 201, body: { url: done.url, subscription: null } };
  return { body: { url: null, subscription: subscriptionEntry(done.subscription) } };
}

async function preview(tools: Subscribing, request: RouteRequest): Promise<RouteReply> {
  const wanted = check(subscribeSchema, request.body);
  const found = await previewChange(tools, workspaceOf(request, wanted.workspace), subscribeWish(wanted));
  return {
    body: {
      proration_date: found.prorationDate,
      total_usd: centsToDollars(found.totalCents),
      due_usd: centsToDollars(found.dueCents),
      lines: found.lines.map(({ description, cents, proration }) => ({
        description,
        amount_usd: centsToDollars(cents),
        proration,
      })),
    },
  };
}

async function cancelOrResume(tools: Subscribing, request: RouteRequest, cancel: boolean): Promise<RouteReply> {
  const wanted = check(plainSchema, request.body);
  const workspaceId = workspaceOf(request, wanted.workspace);
  const changed = await setCancelled(tools, workspaceId, cancel);
  await note(tools, request, workspaceId, cancel ? "cancel" : "resume", { subscription: changed.id });
  return { body: { subscription: subscriptionEntry(changed) } };
}

async function portal({ parts }: Subscribing, request: RouteRequest): Promise<RouteReply> {
  const wanted = check(portalSchema, request.body);
  const url = await openPortal(parts, workspaceOf(request, wanted.workspace), wanted.return_url);
  return { status: 201, body: { url } };
}

async function invoices({ parts }: Subscribing, request: RouteRequest): Promise<RouteReply> {
  return { body: { data: (await listInvoices(parts, workspaceOf(request, undefined))).map(invoiceEntry) } };
}

async function setAutoTopUp(tools: Subscribing, request: RouteRequest): Promise<RouteReply> {
  const wanted = check(autoTopUpSchema, request.body);
  const workspaceId = workspaceOf(request, wanted.workspace);
  const changed = await changeAutoTopUp(tools.parts, workspaceId, {
    enabled: wanted.enabled,
    thresholdNano: wanted.threshold_usd,
    amountUsd: wanted.amount_usd,
    paymentMethod: wanted.payment_method,
  });
  const entry = autoTopUpEntry(changed);
  await note(tools, request, workspaceId, "auto-top-up", { enabled: changed.enabled, amount_usd: entry.amount_usd });
  return { body: { data: entry } };
}

/** The routes under `billing`. */
export function billingRoutes(tools: Subscribing): ManagementRoute[] {
  const { parts } = tools;
  const route = (
    method: ManagementRoute["method"],
    path: string,
    handle: (request: RouteRequest) => Promise<RouteReply>,
  ): ManagementRoute => ({ method, path: `billing${path}`, access: "manage", handle });
  return [
    route("GET", "", (request) => overview(tools, request)),
    route("GET", "/quote", async (request) => showQuote(tools, request)),
    route("POST", "/checkout", (request) => checkout(tools, request)),
    route("GET", "/payments", (request) => payments(tools, request)),
    route("GET", "/payments/:id", (request) => payments(tools, request, request.params.id ?? "")),
    route("POST", "/subscribe", (request) => begin(tools, request)),
    route("POST", "/subscribe/preview", (request) => preview(tools, request)),
    route("POST", "/cancel", (request) => cancelOrResume(tools, request, true)),
    route("POST", "/resume", (request) => cancelOrResume(tools, request, false)),
    route("POST", "/portal", (request) => portal(tools, request)),
    route("GET", "/invoices", (request) => invoices(tools, request)),
    route("GET", "/auto-top-up", async (request) => ({
      body: { data: autoTopUpEntry(await readAutoTopUp(parts, workspaceOf(request, undefined))) },
    })),
    route("PATCH", "/auto-top-up", (request) => setAutoTopUp(tools, request)),
  ];
}
