/**
 * The one record of a request: what came in, who served it, what it cost.
 * The gateway fills it on the way; `settle` closes it and hands it to the usage recorder.
 */
import type { ErrorCode } from "./error.ts";
import type { FinishReason } from "./event.ts";
import type { Loss } from "./loss.ts";
import type { Nano } from "./money.ts";
import type { WireFormatId } from "./operation.ts";
import type { Usage } from "./usage.ts";

/** Who calls: a key's rights at the moment of the request. */
export interface Principal {
  readonly keyId: string;
  /** SHA-256 of the key's present secret in hexadecimal: its name in the management API. */
  readonly keyHash: string;
  readonly workspaceId: string;
  readonly keyName: string;
  readonly kind: "inference" | "provisioning";
  /** Globs of models the key may call; undefined means all. */
  readonly models?: readonly string[];
  /** `internal`: usage is recorded and never refused for want of credit (the operator's own). `prepaid`: credit first. */
  readonly billing: "internal" | "prepaid";
  /** What the workspace's plan says. */
  readonly terms: PlanTerms;
  /** The key's own limits of requests and tokens; the plan's hold beside them. */
  readonly rate: RateLimits;
  /** What the key may spend, in all or in each period. */
  readonly limit?: SpendLimit;
  /** What the workspace may spend. */
  readonly budget?: SpendLimit;
  /** Globs of the ids of the providers that may serve it; undefined means all. */
  readonly providers?: readonly string[];
  /** The most that one call of these models may cost, the smallest first: the first that fits counts. */
  readonly modelCaps?: readonly ModelCap[];
}

/** What a plan gives and forbids. */
export interface PlanTerms extends RateLimits {
  readonly id: string;
  /** Globs of the models that the plan opens; undefined means all. */
  readonly models?: readonly string[];
  /** Requests a day that are paid by the plan. */
  readonly includedPerDay: number;
  /** Requests a day of models that cost nothing; undefined means no limit. */
  readonly freePerDay?: number;
}

/** Per minute and per day; absent means no limit. */
export interface RateLimits {
  readonly rpm?: number;
  readonly rpd?: number;
  /** Tokens per minute. */
  readonly tpm?: number;
}

export interface SpendLimit {
  readonly nano: Nano;
  /** When it begins anew (UTC); null: never. */
  readonly reset: "daily" | "weekly" | "monthly" | null;
}

export interface ModelCap {
  readonly glob: string;
  readonly capNano: Nano;
}

/** One try at one endpoint, for the usage record. */
export interface AttemptRecord {
  endpoint: string;
  provider: string;
  dialect: WireFormatId;
  /** HTTP status of the upstream's answer; 0 when there was none. */
  status: number;
  /** Milliseconds from sending to the outcome (first content, or failure). */
  durationMs: number;
  outcome: "served" | "failed" | "cancelled";
  /** Why it failed, in a word or two; no upstream text. */
  reason?: string;
}

/** How routing decided, where it had to: somebody was left out, or the caller wished for something. Bounded. */
export interface RoutingRecord {
  /** In the order in which they were to be tried. Lower scores are better among equals. */
  candidates: { endpoint: string; score: number }[];
  /** The ids of endpoints, or names of models that the caller could not have, each with the reason. */
  excluded: { endpoint: string; reason: string }[];
  /** The names of the preferences that were used. */
  wishes: string[];
  /** How many candidates and others are not listed. */
  more?: number;
}

/** A finished call, as stored. Durations in milliseconds, money in nano-dollars. */
export interface CallRecord {
  id: string;
  createdAt: Date;
  workspaceId: string;
  keyId: string;
  surface: string;
  dialect: WireFormatId;
  path: "relay" | "convert";
  modelRequested: string;
  model?: string;
  provider?: string;
  endpoint?: string;
  upstreamModel?: string;
  upstreamId?: string;
  streamed: boolean;
  status: number;
  errorCode?: ErrorCode;
  finishReason?: FinishReason;
  usage: Usage;
  /** What the call cost its payer. */
  costNano: Nano;
  /** How its hold ended; `refused`: there was none. */
  outcome: "posted" | "voided" | "expired" | "refused";
  paidBy: "credit" | "allowance" | "free" | "internal" | "none";
  /** What was set aside for it. */
  holdNano: Nano;
  /** What it cost beyond that: the operator's. */
  lossNano: Nano;
  /** What the providers charge for it. */
  providerCostNano: Nano;
  /** The upstream's usage could not be true as it was, and was cut to what can be. */
  clamped: boolean;
  /** The limits besides credit that it used up: a key's, a budget's, a day's count. */
  keyPurse?: string;
  budgetPurse?: string;
  countPurse?: string;
  firstTokenMs?: number;
  durationMs: number;
  attempts: AttemptRecord[];
  losses: Loss[];
  routing?: RoutingRecord;
  client?: string;
  cancelled: boolean;
}
