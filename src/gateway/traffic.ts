/**
 * What all calls together know of providers: endpoints' health, keys that rest, the retry budget.
 * Attempts ask it where they may go and tell it how it went; routing reads the health.
 */
import type { UpstreamFailure } from "../core/error.ts";
import type { Provider } from "../providers/provider.ts";
import { createRetryBudget, type RetryBudget } from "../upstream/budget.ts";
import { type CredentialPool, createCredentialPool, type KeyIndex } from "../upstream/credentials.ts";
import { createHealth, type HealthBook, type HealthSettings } from "../upstream/health.ts";
import type { FailureClass } from "../upstream/windows.ts";

export interface Traffic {
  readonly health: HealthBook;
  readonly budget: RetryBudget;
  /** The keys of a provider; undefined for one that has none. */
  keys(provider: string): CredentialPool | undefined;
  /**
   * Takes note of a failure before any content. Another key for the same endpoint when it was the key's fault and there
   * is one; then the endpoint is not blamed.
   */
  failed(
    endpointId: string,
    provider: string,
    key: KeyIndex | undefined,
    failure: UpstreamFailure,
  ): KeyIndex | undefined;
}

/** Traffic that has not begun. */
export function createTraffic(
  providers: readonly Provider[],
  settings: HealthSettings & { readonly retryPercent?: number | undefined },
): Traffic {
  const { nowMs } = settings;
  const pools = new Map(
    providers.map(({ id, credentials }) => [
      id,
      createCredentialPool(
        credentials.map(() => 1),
        nowMs,
      ),
    ]),
  );
  const health = createHealth(settings);
  return {
    health,
    budget: createRetryBudget(settings.retryPercent),
    keys: (provider) => pools.get(provider),
    failed(endpointId, provider, key, failure) {
      const pool = pools.get(provider);
      const kind = classOf(failure);
      if (pool && key !== undefined && kind === "credential") pool.refused(key);
      if (pool && key !== undefined && kind === "rate-limit") pool.limited(key, failure.retryAfterMs);
      const other = kind === "credential" || kind === "rate-limit" ? pool?.pick(key) : undefined;
      if (kind === undefined || other !== undefined) health.untold(endpointId);
      else health.failed(endpointId, kind);
      return other;
    },
  };
}

/** Whose doing it was; undefined for the caller's own. */
function classOf({ kind, status }: UpstreamFailure): FailureClass | undefined {
  switch (kind) {
    case "authentication":
    case "permission":
    case "billing":
      return "credential";
    case "rate-limit":
      return "rate-limit";
    case "timeout":
      return "timeout";
    case "overloaded":
    case "server":
      return status === 0 ? "connect" : "server";
    default:
      return undefined;
  }
}
