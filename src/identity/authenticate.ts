/**
 * From a key to a Principal: the one authentication of the whole program, used by every route that is not public.
 * A key is verified by its checksum before any look-up; look-ups are cached for a few seconds and never run twice at once for one key.
 */
import type { ModelCap, PlanTerms, Principal, RateLimits } from "../core/call.ts";
import { GatewayError } from "../core/error.ts";
import { type AddressList, addressList } from "./address.ts";
import { parseKey } from "./key.ts";
import type { KeyWithWorkspace } from "./keys.ts";

/** A change of a key is in force everywhere after this. */
export const KEY_CACHE_MS = 4000;
const MAX_CACHED_KEYS = 100_000;

interface CacheEntry {
  key: KeyWithWorkspace | undefined;
  principal: Principal | undefined;
  /** Where the key may be used from; undefined means anywhere. */
  addresses: AddressList | undefined;
  /** When this secret ends because the key was given another. */
  replacedAtMs: number;
  freshUntilMs: number;
}

export interface Authenticator {
  /**
   * The caller's rights. Returns at once (no promise) while the key is cached. Where the caller comes from is asked only
   * for keys that are bound to addresses; these are refused when it is not known.
   * Throws `invalid_api_key`, `key_expired`, `forbidden`; `service_unavailable` when the database cannot be asked.
   */
  authenticate(
    credential: string | undefined,
    clientAddress?: () => string | undefined,
  ): Principal | Promise<Principal>;
  /** Forgets a secret by its hash, so that a change made on this node is in force at once. A key can have two. */
  forget(hash: string): void;
}

const MISSING = "No API key was given. Send it as `Authorization: Bearer …`, `x-api-key` or `x-goog-api-key`.";

interface Lookup {
  find: (hash: string) => Promise<KeyWithWorkspace | undefined>;
  /** What a plan gives and forbids, by its id. */
  terms: (plan: string) => PlanTerms;
  nowMs: () => number;
}

/** An authenticator over a look-up. */
export function createAuthenticator(settings: Lookup): Authenticator {
  const cache = new Map<string, CacheEntry>();
  const underWay = new Map<string, Promise<CacheEntry>>();

  function once(hash: string): Promise<CacheEntry> {
    const running = underWay.get(hash);
    if (running) return running;
    const promise = load(settings, hash).then(
      (entry) => {
        if (finished(hash, promise)) keep(hash, entry);
        return entry;
      },
      (error: unknown) => {
        finished(hash, promise);
        throw error;
      },
    );
    underWay.set(hash, promise);
    return promise;
  }

  /** False for a look-up that was forgotten under way: what it read may be older than the change. */
  function finished(hash: string, promise: Promise<CacheEntry>): boolean {
    return underWay.get(hash) === promise && underWay.delete(hash);
  }

  function keep(hash: string, entry: CacheEntry): void {
    if (cache.size >= MAX_CACHED_KEYS) cache.delete(cache.keys().next().value as string);
    cache.set(hash, entry);
  }

  return {
    authenticate(credential, clientAddress) {
      if (!credential) throw new GatewayError("invalid_api_key", MISSING);
      const parsed = parseKey(credential);
      if (!parsed.ok) throw invalid();
      const cached = cache.get(parsed.hash);
      if (cached && cached.freshUntilMs > settings.nowMs()) return judge(cached, settings.nowMs(), clientAddress);
      return once(parsed.hash).then((entry) => judge(entry, settings.nowMs(), clientAddress));
    },
    forget(hash) {
      cache.delete(hash);
      underWay.delete(hash);
    },
  };
}

async function load({ find, terms, nowMs }: Lookup, hash: string): Promise<CacheEntry> {
  let key: KeyWithWorkspace | undefined;
  try {
    key = await find(hash);
  } catch (error) {
    throw new GatewayError("service_unavailable", "The gateway cannot verify keys at the moment. Try again shortly.", {
      detail: error instanceof Error ? error.message : String(error),
      retryAfterMs: 2000,
      cause: error,
    });
  }
  return {
    key,
    principal: key && toPrincipal(key, terms(key.plan)),
    addresses: key?.ipAllow ? addressList(key.ipAllow) : undefined,
    replacedAtMs: !key || key.hash === hash ? Number.POSITIVE_INFINITY : (key.previousExpiresAt?.getTime() ?? 0),
    freshUntilMs: nowMs() + KEY_CACHE_MS,
  };
}

function toPrincipal(key: KeyWithWorkspace, terms: PlanTerms): Principal {
  return {
    keyId: key.id,
    keyHash: key.hash,
    workspaceId: key.workspaceId,
    keyName: key.name,
    kind: key.kind,
    ...(key.models ? { models: key.models } : {}),
    ...(key.providers ? { providers: key.providers } : {}),
    // The smallest first: so it is the first that fits a model.
    ...(key.modelCaps ? { modelCaps: key.modelCaps.toSorted(byCap) } : {}),
    ...(key.limitNano === null ? {} : { limit: { nano: key.limitNano, reset: key.limitReset } }),
    ...(key.budgetNano === null ? {} : { budget: { nano: key.budgetNano, reset: key.budgetReset } }),
    rate: rateOf(key),
    terms,
    billing: key.billing,
  };
}

function byCap(one: ModelCap, other: ModelCap): number {
  if (one.capNano === other.capNano) return 0;
  return one.capNano < other.capNano ? -1 : 1;
}

/** The key's own limits. */
export function rateOf({ rpm, rpd, tpm }: Pick<KeyWithWorkspace, "rpm" | "rpd" | "tpm">): RateLimits {
  return {
    ...(rpm === null ? {} : { rpm }),
    ...(rpd === null ? {} : { rpd }),
    ...(tpm === null ? {} : { tpm }),
  };
}

function judge(
  { key, principal, addresses, replacedAtMs }: CacheEntry,
  nowMs: number,
  clientAddress: (() => string | undefined) | undefined,
): Principal {
  if (!key || !principal || key.disabled || replacedAtMs <= nowMs) throw invalid();
  if (key.expiresAt && key.expiresAt.getTime() <= nowMs)
    throw new GatewayError("key_expired", "This API key has expired.");
  if (key.suspended) throw new GatewayError("forbidden", "This workspace is suspended.");
  if (addresses) {
    const address = clientAddress?.();
    if (address === undefined || !addresses.has(address))
      throw new GatewayError("forbidden", "This API key may not be used from where this request comes from.");
  }
  return principal;
}

function invalid(): GatewayError {
  return new GatewayError("invalid_api_key", "This API key is not valid.");
}
