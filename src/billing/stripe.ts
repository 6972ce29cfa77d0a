/**
 * The way to Stripe: the official package, loaded when something is first asked, and its failures as errors of ours.
 * Everything in billing that needs an answer of Stripe's goes through here; no call of a model does.
 */
import type { Stripe } from "stripe";
import { GatewayError, toGatewayError } from "../core/error.ts";

export interface StripeAccess {
  /** Whether the key moves real money. */
  readonly livemode: boolean;
  client(): Promise<Stripe>;
  /** Asks something; rejects with a GatewayError only. */
  ask<T>(question: (stripe: Stripe) => Promise<T>): Promise<T>;
}

const TIMEOUT_MS = 20_000;
const RETRIES = 2;

/** Access with a secret or restricted key. `apiBase` stands in for Stripe's own address. */
export function openStripe(settings: { secretKey: string; apiBase?: string }): StripeAccess {
  let loading: Promise<Stripe> | undefined;
  const client = () => {
    loading ??= load(settings);
    return loading;
  };
  return {
    livemode: /^(sk|rk)_live_/.test(settings.secretKey),
    client,
    async ask(question) {
      const stripe = await client();
      try {
        return await question(stripe);
      } catch (error) {
        throw toRefusal(error);
      }
    },
  };
}

async function load({ secretKey, apiBase }: { secretKey: string; apiBase?: string }): Promise<Stripe> {
  const { Stripe } = await import("stripe");
  const base = apiBase === undefined ? undefined : new URL(apiBase);
  const protocol = base?.protocol === "http:" ? ("http" as const) : ("https" as const);
  return new Stripe(secretKey, {
    timeout: TIMEOUT_MS,
    maxNetworkRetries: RETRIES,
    telemetry: false,
    ...(base && { protocol, host: base.hostname, port: base.port || (protocol === "http" ? 80 : 443) }),
  });
}

/** What can be told of a failure that came from the package. */
export interface StripeFailure {
  readonly type: string;
  readonly code: string | undefined;
  readonly message: string;
}

/** The failure that Stripe (or the way there) reported; undefined for anything else that was thrown. */
export function failureOf(error: unknown): StripeFailure | undefined {
  const { type, code, message } = (error ?? {}) as { readonly [name: string]: unknown };
  if (typeof type !== "string" || !type.startsWith("Stripe")) return undefined;
  return { type, code: typeof code === "string" ? code : undefined, message: String(message) };
}

/** Whether Stripe said that it has no such object. */
export function isMissing(error: unknown): boolean {
  return failureOf((error as { cause?: unknown }).cause ?? error)?.code === "resource_missing";
}

/** Stripe's own sentences name ids and settings of the operator's account, so they go to the log only. */
function toRefusal(error: unknown): GatewayError {
  const failure = failureOf(error);
  if (!failure) return toGatewayError(error);
  const detail = `Stripe: ${failure.type} ${failure.code ?? ""} ${failure.message}`;
  const options = { detail, cause: error };
  switch (failure.type) {
    case "StripeCardError":
      return new GatewayError("invalid_request", "The payment was declined.", { ...options, status: 402 });
    case "StripeConnectionError":
    case "StripeAPIError":
    case "StripeRateLimitError":
    case "StripeIdempotencyError":
      return new GatewayError("upstream_unavailable", "The payment provider cannot be reached.", {
        ...options,
        retryAfterMs: 5000,
      });
    default:
      return new GatewayError("internal_error", "The payment provider refused the request.", options);
  }
}
