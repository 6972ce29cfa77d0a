/**
 * From a key to a Principal: the one authentication of the whole program, used by every route that is not public.
 * A key is verified by its checksum before any look-up; look-ups are cached for a few seconds and never run twice at once for one key.
 */
import type { Principal } from "../core/call.ts";
import { GatewayError } from "../core/error.ts";
import { parseKey } from "./key.ts";
import type { KeyWithWorkspace } from "./keys.ts";

/** A change of a key is in force everywhere after this. */
export const KEY_CACHE_MS = 4000;
const MAX_CACHED_KEYS = 100_000;

interface CacheEntry {
  key: KeyWithWorkspace | undefined;
  principal: Principal | undefined;
  freshUntilMs: number;
}

export interface Authenticator {
  /**
   * The caller's rights. Returns at once (no promise) while the key is cached.
   * Throws `invalid_api_key`, `key_expired`, `forbidden`; `service_unavailable` when the database cannot be asked.
   */
  authenticate(credential: string | undefined): Principal | Promise<Principal>;
  /** Forgets a key, so that a change made on this node is in force at once. */
  forget(hash: string): void;
}

const MISSING = "No API key was given. Send it as `Authorization: Bearer …`, `x-api-key` or `x-goog-api-key`.";

interface Lookup {
  find: (hash: string) => Promise<KeyWithWorkspace | undefined>;
  nowMs: () => number;
  onLoaded?: (key: KeyWithWorkspace) => void;
}

/** An authenticator over a look-up. `onLoaded` sees every key that was read from the database. */
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
    authenticate(credential) {
      if (!credential) throw new GatewayError("invalid_api_key", MISSING);
      const parsed = parseKey(credential);
      if (!parsed.ok) throw invalid();
      const cached = cache.get(parsed.hash);
      if (cached && cached.freshUntilMs > settings.nowMs()) return judge(cached, settings.nowMs());
      return once(parsed.hash).then((entry) => judge(entry, settings.nowMs()));
    },
    forget(hash) {
      cache.delete(hash);
      underWay.delete(hash);
    },
  };
}

async function load({ find, nowMs, onLoaded }: Lookup, hash: string): Promise<CacheEntry> {
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
  if (key) onLoaded?.(key);
  return { key, principal: key && toPrincipal(key), freshUntilMs: nowMs() + KEY_CACHE_MS };
}

function toPrincipal(key: KeyWithWorkspace): Principal {
  return {
    keyId: key.id,
    keyHash: key.hash,
    workspaceId: key.workspaceId,
    keyName: key.name,
    kind: key.kind,
    ...(key.models ? { models: key.models } : {}),
    billing: key.billing,
  };
}

function judge({ key, principal }: CacheEntry, nowMs: number): Principal {
  if (!key || !principal || key.disabled) throw invalid();
  if (key.expiresAt && key.expiresAt.getTime() <= nowMs)
    throw new GatewayError("key_expired", "This API key has expired.");
  if (key.suspended) throw new GatewayError("forbidden", "This workspace is suspended.");
  return principal;
}

function invalid(): GatewayError {
  return new GatewayError("invalid_api_key", "This API key is not valid.");
}
