/**
 * How each endpoint is doing: its circuit, and counts and times of the last day. Routing reads it, attempts write it.
 * One node's own view, in memory; every map and ring has a written bound.
 */
import type { CircuitState, HealthView } from "../core/health.ts";
import { createWindows, type FailureClass, type WindowSummary, type Windows } from "./windows.ts";

/** An endpoint's state, as the endpoints API and the console show it. */
export interface EndpointHealth {
  readonly endpointId: string;
  readonly circuit: CircuitState;
  /** Why the circuit is open. */
  readonly reason: string | undefined;
  readonly restsUntilMs: number | undefined;
  readonly windows: { readonly "5m": WindowSummary; readonly "30m": WindowSummary; readonly "1d": WindowSummary };
}

export interface HealthBook extends HealthView {
  /** Whether a call may go there. Of a circuit that has rested it lets one call through at a time, as a probe. */
  mayTry(endpointId: string): boolean;
  /** The endpoint began to answer after so long. */
  served(endpointId: string, firstContentMs: number): void;
  /** An answer ended: so many tokens in so long since its first content. */
  finished(endpointId: string, outputTokens: number, durationMs: number): void;
  /** A call failed, and not by its caller's fault. */
  failed(endpointId: string, kind: FailureClass): void;
  /** A call ended without telling anything of the endpoint: the caller left, or was at fault. */
  untold(endpointId: string): void;
  /** Closes a circuit by hand. */
  reset(endpointId: string): void;
  read(endpointId: string): EndpointHealth;
}

/** When circuits open, and for how long. */
export interface CircuitRules {
  /** So many failures in a row open one; 0: none ever opens. */
  readonly failures: number;
  readonly restMs: number;
  /** Rests double up to this. */
  readonly longestRestMs: number;
}

export interface HealthSettings {
  readonly nowMs: () => number;
  readonly rules?: CircuitRules | undefined;
  /** Told of every change of a circuit. */
  readonly onChange?: (endpointId: string, state: CircuitState, reason: string) => void;
}

const RULES: CircuitRules = { failures: 5, restMs: 30_000, longestRestMs: 300_000 };
/** A circuit also opens when this share of a minute's calls fails, when there were enough to tell. */
const MAX_ERROR_RATE = 0.5;
const MIN_CALLS = 20;
const RATE_WINDOW_MS = 60_000;
/** A probe that has not told anything after so long is taken for lost. */
const PROBE_TIMEOUT_MS = 120_000;
/** A failure is trouble for so long. */
const TROUBLE_MS = 30_000;
/** Endpoints that are watched; a catalogue has fewer. */
const MAX_WATCHED = 20_000;

interface Watched {
  circuit: "closed" | "open";
  reason: string | undefined;
  consecutive: number;
  /** Of the next opening. */
  restMs: number;
  restsUntilMs: number;
  probeSinceMs: number | undefined;
  troubledAtMs: number | undefined;
  windows: Windows;
  /** Calls and failures of the minute that began then. */
  minute: { startMs: number; calls: number; failures: number };
}

/** A book in which nothing is known yet. */
export function createHealth(settings: HealthSettings): HealthBook {
  return new Health(settings);
}

class Health implements HealthBook {
  readonly #settings: HealthSettings;
  readonly #rules: CircuitRules;
  readonly #watched = new Map<string, Watched>();

  constructor(settings: HealthSettings) {
    this.#settings = settings;
    this.#rules = settings.rules ?? RULES;
  }

  state(endpointId: string): CircuitState {
    const found = this.#watched.get(endpointId);
    if (!found || found.circuit === "closed") return "closed";
    return this.#settings.nowMs() < found.restsUntilMs || this.#isProbed(found) ? "open" : "half-open";
  }

  troubledAtMs(endpointId: string): number | undefined {
    const at = this.#watched.get(endpointId)?.troubledAtMs;
    return at !== undefined && this.#settings.nowMs() - at < TROUBLE_MS ? at : undefined;
  }

  latencyMs(endpointId: string): number | undefined {
    return this.#watched.get(endpointId)?.windows.read("5m", this.#settings.nowMs()).firstContentP50Ms;
  }

  tokensPerSecond(endpointId: string): number | undefined {
    return this.#watched.get(endpointId)?.windows.read("5m", this.#settings.nowMs()).tokensPerSecond;
  }

  restsUntilMs(endpointId: string): number | undefined {
    const found = this.#watched.get(endpointId);
    return found?.circuit === "open" ? found.restsUntilMs : undefined;
  }

  mayTry(endpointId: string): boolean {
    const found = this.#watched.get(endpointId);
    if (!found || found.circuit === "closed") return true;
    const nowMs = this.#settings.nowMs();
    if (nowMs < found.restsUntilMs || this.#isProbed(found)) return false;
    found.probeSinceMs = nowMs;
    return true;
  }

  served(endpointId: string, firstContentMs: number): void {
    const found = this.#of(endpointId);
    const nowMs = this.#settings.nowMs();
    found.windows.served(nowMs, firstContentMs);
    this.#count(found, nowMs, false);
    found.consecutive = 0;
    if (found.circuit === "open") this.#close(endpointId, found, "a probe was answered");
  }

  finished(endpointId: string, outputTokens: number, durationMs: number): void {
    this.#of(endpointId).windows.finished(this.#settings.nowMs(), outputTokens, durationMs);
  }

  failed(endpointId: string, kind: FailureClass): void {
    const found = this.#of(endpointId);
    const nowMs = this.#settings.nowMs();
    found.windows.failed(nowMs, kind);
    found.troubledAtMs = nowMs;
    // A provider that asks for patience works; routing prefers others while that is fresh.
    if (kind === "rate-limit") this.untold(endpointId);
    else this.#blame(endpointId, found, kind);
  }

  #blame(endpointId: string, found: Watched, kind: FailureClass): void {
    const nowMs = this.#settings.nowMs();
    found.consecutive += 1;
    this.#count(found, nowMs, true);
    const { calls, failures } = found.minute;
    if (this.#rules.failures === 0) return;
    if (found.circuit === "open") {
      if (found.probeSinceMs !== undefined) this.#open(endpointId, found, `a probe failed (${kind})`);
    } else if (found.consecutive >= this.#rules.failures) {
      this.#open(endpointId, found, `${found.consecutive} failures in a row (${kind})`);
    } else if (calls >= MIN_CALLS && failures / calls >= MAX_ERROR_RATE) {
      this.#open(endpointId, found, `${failures} of ${calls} calls failed (${kind})`);
    }
  }

  untold(endpointId: string): void {
    const found = this.#watched.get(endpointId);
    if (found) found.probeSinceMs = undefined;
  }

  reset(endpointId: string): void {
    const found = this.#watched.get(endpointId);
    if (found?.circuit === "open") this.#close(endpointId, found, "closed by hand");
  }

  read(endpointId: string): EndpointHealth {
    const nowMs = this.#settings.nowMs();
    const found = this.#watched.get(endpointId);
    const windows = found?.windows ?? createWindows();
    return {
      endpointId,
      circuit: this.state(endpointId),
      reason: found?.reason,
      restsUntilMs: this.restsUntilMs(endpointId),
      windows: { "5m": windows.read("5m", nowMs), "30m": windows.read("30m", nowMs), "1d": windows.read("1d", nowMs) },
    };
  }

  #isProbed({ probeSinceMs }: Watched): boolean {
    return probeSinceMs !== undefined && this.#settings.nowMs() - probeSinceMs < PROBE_TIMEOUT_MS;
  }

  #of(endpointId: string): Watched {
    const known = this.#watched.get(endpointId);
    if (known) return known;
    if (this.#watched.size >= MAX_WATCHED) this.#watched.delete(this.#watched.keys().next().value as string);
    const found: Watched = {
      circuit: "closed",
      reason: undefined,
      consecutive: 0,
      restMs: this.#rules.restMs,
      restsUntilMs: 0,
      probeSinceMs: undefined,
      troubledAtMs: undefined,
      windows: createWindows(),
      minute: { startMs: 0, calls: 0, failures: 0 },
    };
    this.#watched.set(endpointId, found);
    return found;
  }

  #count({ minute }: Watched, nowMs: number, isFailure: boolean): void {
    if (nowMs - minute.startMs >= RATE_WINDOW_MS) Object.assign(minute, { startMs: nowMs, calls: 0, failures: 0 });
    minute.calls += 1;
    if (isFailure) minute.failures += 1;
  }

  #open(endpointId: string, found: Watched, reason: string): void {
    found.circuit = "open";
    found.reason = reason;
    found.probeSinceMs = undefined;
    found.restsUntilMs = this.#settings.nowMs() + found.restMs;
    found.restMs = Math.min(found.restMs * 2, this.#rules.longestRestMs);
    this.#settings.onChange?.(endpointId, "open", reason);
  }

  #close(endpointId: string, found: Watched, reason: string): void {
    Object.assign(found, { circuit: "closed", reason: undefined, consecutive: 0, probeSinceMs: undefined });
    found.restMs = this.#rules.restMs;
    found.minute = { startMs: 0, calls: 0, failures: 0 };
    this.#settings.onChange?.(endpointId, "closed", reason);
  }
}
