/**
 * What the path of a call stands on: catalogue, credit, recorder, limits, clock. Made once by the composition root.
 * `handle` gets it with every visit; it holds the few counters that all calls share.
 */
import type { Catalog } from "../catalog/catalog.ts";
import type { Principal } from "../core/call.ts";
import { GatewayError } from "../core/error.ts";
import type { Nano } from "../core/money.ts";
import type { Framing, PathFacts } from "../dialects/dialect.ts";
import type { AnyDialect } from "../dialects/index.ts";
import type { Authenticator } from "../identity/authenticate.ts";
import type { Wallet } from "../ledger/wallet.ts";
import type { RateLimiter } from "../limits/limiter.ts";
import type { Provider } from "../providers/provider.ts";
import type { CircuitRules, HealthBook, HealthSettings } from "../upstream/health.ts";
import type { Recorder } from "../usage/recorder.ts";
import type { AttemptLimits, AttemptScope } from "./attempt.ts";
import type { BodyLimits, BodyMemory } from "./body.ts";
import { ABANDON_DEFAULTS, type AbandonSettings } from "./departure.ts";
import { createPulse, type Pulse, type PumpSettings } from "./pump.ts";
import type { Call } from "./settle.ts";
import { createSticky, type Sticky } from "./sticky.ts";
import { createTraffic } from "./traffic.ts";

/** A request at a surface: what was found before its body was read. */
export interface Visit {
  readonly surface: string;
  readonly dialect: AnyDialect;
  readonly framing: Framing;
  readonly path: PathFacts;
  readonly request: Request;
  /** The key, from whichever carrier held it. */
  readonly credential: string | undefined;
  /** Where the caller comes from; undefined when it cannot be told. Costs something, so it is asked only when needed. */
  clientAddress(): string | undefined;
  /** Tells the server that the body is in, so that its deadline no longer applies. */
  bodyRead(): void;
}

export type LogError = (call: Call, error: GatewayError) => void;
export type LogLoss = (call: Call, lossNano: Nano) => void;

export interface GatewaySettings {
  readonly catalog: Catalog;
  readonly providers: readonly Provider[];
  readonly authenticator: Authenticator;
  readonly wallet: Wallet;
  readonly limiter: RateLimiter;
  readonly recorder: Recorder;
  readonly limits: BodyLimits & AttemptLimits & { readonly maxConcurrentCalls: number };
  readonly pumping: Omit<PumpSettings, "nowMs" | "maxAbandonedBytes">;
  /** How far calls are read on whose callers have left. */
  readonly abandoning?: AbandonSettings;
  /** Whether paid work may be taken on: the database's word. */
  readonly ready: () => { ok: true } | { ok: false; reason: string };
  /** Throws `service_unavailable` while the books are wrong. */
  readonly checkBooks?: () => void;
  readonly logError: LogError;
  readonly logLoss: LogLoss;
  readonly circuits?: CircuitRules & { readonly retryPercent: number };
  /** Told of every circuit that opens or closes. */
  readonly logCircuit?: HealthSettings["onChange"];
}

export interface Gateway {
  readonly catalog: Catalog;
  readonly wallet: Wallet;
  readonly limiter: RateLimiter;
  readonly recorder: Recorder;
  readonly limits: GatewaySettings["limits"];
  readonly memory: BodyMemory;
  readonly attempting: Omit<AttemptScope, "signal" | "attempts" | "wasted">;
  readonly pulse: Pulse;
  readonly health: HealthBook;
  readonly sticky: Sticky;
  readonly checkBooks: () => void;
  /** Monotonic, for durations. */
  readonly nowMs: () => number;
  /** Milliseconds since 1970, for periods. */
  readonly clockMs: () => number;
  readonly logError: LogError;
  readonly logLoss: LogLoss;
  /** Calls that have begun and not ended. */
  running: number;
  open(visit: Visit): Call;
  /** Throws `service_unavailable` when no more work can be taken on. */
  checkCapacity(): void;
  authenticate(visit: Visit): Principal | Promise<Principal>;
}

const MAX_CLIENT = 200;

/** A gateway over its parts. */
export function createGateway(settings: GatewaySettings): Gateway {
  const nowMs = () => performance.now();
  const { limits } = settings;
  const { circuits: rules, logCircuit: onChange } = settings;
  const traffic = createTraffic(settings.providers, { nowMs, rules, retryPercent: rules?.retryPercent, onChange });
  const gateway: Gateway = {
    catalog: settings.catalog,
    wallet: settings.wallet,
    limiter: settings.limiter,
    recorder: settings.recorder,
    limits,
    memory: { bytes: 0 },
    attempting: {
      providers: new Map(settings.providers.map((provider) => [provider.id, provider])),
      limits,
      nowMs,
      traffic,
      abandoned: { settings: settings.abandoning ?? ABANDON_DEFAULTS, count: 0 },
    },
    pulse: createPulse({ ...settings.pumping, nowMs, maxAbandonedBytes: limits.maxReplyBytes }),
    health: traffic.health,
    sticky: createSticky({ nowMs }),
    checkBooks: settings.checkBooks ?? (() => {}),
    nowMs,
    clockMs: Date.now,
    logError: settings.logError,
    logLoss: settings.logLoss,
    running: 0,
    open: (visit) => ({
      id: newRequestId(),
      createdAt: new Date(),
      startedMs: nowMs(),
      surface: visit.surface,
      dialect: visit.dialect.id,
      client: visit.request.headers.get("user-agent")?.slice(0, MAX_CLIENT),
      attempts: [],
      modelRequested: "",
      streamed: false,
      requestBytes: 0,
    }),
    checkCapacity() {
      if (gateway.running > limits.maxConcurrentCalls) throw busy("too many calls at once");
      if (settings.recorder.full()) throw busy("usage records cannot be written fast enough");
      const ready = settings.ready();
      if (!ready.ok) throw busy(ready.reason);
    },
    authenticate: (visit) => settings.authenticator.authenticate(visit.credential, visit.clientAddress),
  };
  return gateway;
}

function busy(detail: string): GatewayError {
  return new GatewayError(
    "service_unavailable",
    "The gateway cannot take on more work at the moment. Try again shortly.",
    {
      detail,
      retryAfterMs: 2000,
    },
  );
}

/** A new id for a request: ordered by time, so that records of one moment lie together. */
export function newRequestId(): string {
  return `req_${Bun.randomUUIDv7().replaceAll("-", "")}`;
}
