/**
 * Where Stripe's events arrive: the signature is verified over the raw bytes, and each event is applied once.
 * An event's row is written in the transaction that has its effect, so neither is ever there without the other.
 */
import { eq, lt } from "drizzle-orm";
import type { Stripe } from "stripe";
import { toGatewayError } from "../core/error.ts";
import { schema } from "../db/schema.ts";
import { type Transaction, transact } from "../db/transaction.ts";
import { applyEvent, subscriptionOf } from "./events.ts";
import { fromSeconds, type Outcome, type Parts } from "./parts.ts";
import type { RefreshSubscription } from "./subscription-state.ts";

const { stripeEvents } = schema;

const MAX_BODY_BYTES = 256 * 1024;
const TOLERANCE_SECONDS = 300;
const MAX_BODY_MS = 10_000;
/** Events being applied at a time. Whoever cannot sign takes none of these places. */
const MAX_AT_ONCE = 32;
/** Stripe repeats an event for days, and by hand for a month. */
const KEEP_EVENTS_MS = 400 * 86_400_000;

/** Answers a request to the webhook. Never rejects. */
export type Webhook = (request: Request) => Promise<Response>;

/** The webhook that trusts what is signed with the secret. */
export function createWebhook(parts: Parts, secret: string, refresh: RefreshSubscription): Webhook {
  let applying = 0;
  let warnOfVersion = true;
  return async (request) => {
    if (request.method !== "POST") return answer(405, { error: "method not allowed" });
    const ready = parts.database.ready();
    if (!ready.ok) return unavailable(ready.reason);
    try {
      const body = await readBody(request);
      if (typeof body === "string") return answer(body === "large" ? 413 : 408, { error: `the body is too ${body}` });
      const event = await verify(parts, secret, body, request.headers.get("stripe-signature"));
      if (typeof event === "string") return refuse(parts, event);
      if (warnOfVersion) warnOfVersion = !(await checkVersion(parts, event));
      if (applying >= MAX_AT_ONCE) return unavailable("busy");
      applying += 1;
      const outcome = await take(parts, event, refresh).finally(() => {
        applying -= 1;
      });
      return answer(200, { received: true, outcome });
    } catch (thrown) {
      const error = toGatewayError(thrown);
      parts.log.error("an event could not be applied", { code: error.code, detail: error.detail ?? error.message });
      return unavailable("try again");
    }
  };
}

function answer(status: number, body: Record<string, unknown>): Response {
  return Response.json(body, { status, headers: { "cache-control": "no-store" } });
}

/** Stripe comes again, for days if need be. */
function unavailable(reason: string): Response {
  return Response.json({ error: reason }, { status: 503, headers: { "retry-after": "10" } });
}

function refuse({ log }: Parts, reason: string): Response {
  log.warn("a webhook was refused", { reason });
  return answer(400, { error: reason });
}

/** The raw bytes: another form of the same JSON would have another signature. Or what is wrong with them. */
async function readBody(request: Request): Promise<Uint8Array | "large" | "slow"> {
  const reader = (request.body ?? new Blob([]).stream()).getReader();
  const chunks: Uint8Array[] = [];
  let size = 0;
  let late = false;
  const timer = setTimeout(() => {
    late = true;
    void reader.cancel().catch(() => {});
  }, MAX_BODY_MS);
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (late) return "slow";
      if (done) return Buffer.concat(chunks);
      size += value.length;
      if (size > MAX_BODY_BYTES) return "large";
      chunks.push(value);
    }
  } finally {
    clearTimeout(timer);
  }
}

/** The event, or why it is not believed. */
async function verify(
  { stripe }: Parts,
  secret: string,
  body: Uint8Array,
  signature: string | null,
): Promise<Stripe.Event | string> {
  if (!signature) return "the signature is missing";
  const { webhooks } = await stripe.client();
  let event: Stripe.Event;
  try {
    event = await webhooks.constructEventAsync(body, signature, secret, TOLERANCE_SECONDS);
  } catch {
    return "the signature is not valid, or too old";
  }
  if (event.object !== "event" || typeof event.id !== "string") return "not an event";
  if (event.livemode !== stripe.livemode) return "the event is of another mode than the key";
  if (event.account || event.context) return "the event is of another account";
  return event;
}

/** Events have the form of their endpoint's version; another one than the package's may lack what is read here. Answers whether it warned. */
async function checkVersion({ stripe, log }: Parts, { api_version: told }: Stripe.Event): Promise<boolean> {
  const ours = (await stripe.client()).getApiField("version");
  if (told === null || told === ours) return false;
  log.warn("Stripe's webhook has another API version than this program", { webhook: told, program: ours });
  return true;
}

/** Applies an event, unless it was applied before. */
async function take(parts: Parts, event: Stripe.Event, refresh: RefreshSubscription): Promise<string> {
  const opening = (transaction: Transaction) => enter(transaction, event);
  const subscription = subscriptionOf(event);
  let outcome: Outcome | undefined;
  if (subscription !== undefined) {
    outcome = await refresh(subscription, opening, (transaction, found) => close(transaction, event, found));
  } else {
    outcome = await transact(parts.database.sql, async (transaction) => {
      if (!(await opening(transaction))) return undefined;
      const found = await applyEvent(parts, transaction, event);
      await close(transaction, event, found);
      return found;
    });
  }
  return outcome?.outcome ?? "duplicate";
}

/** Takes the event's id. Another delivery of it waits here until this one is through. */
async function enter({ orm }: Transaction, event: Stripe.Event): Promise<boolean> {
  const taken = await orm
    .insert(stripeEvents)
    .values({ id: event.id, type: event.type, createdAt: fromSeconds(event.created), outcome: "pending" })
    .onConflictDoNothing()
    .returning({ id: stripeEvents.id });
  return taken.length > 0;
}

async function close({ orm }: Transaction, event: Stripe.Event, found: Outcome): Promise<void> {
  await orm.update(stripeEvents).set(found).where(eq(stripeEvents.id, event.id));
}

/** Forgets events that cannot come again. */
export async function forgetEvents({ database, now }: Parts): Promise<void> {
  const before = new Date(now().getTime() - KEEP_EVENTS_MS);
  await database.orm.delete(stripeEvents).where(lt(stripeEvents.receivedAt, before));
}
