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
  /** SHA-256 of the key in hexadecimal: its name in the management API. */
  readonly keyHash: string;
  readonly workspaceId: string;
  readonly keyName: string;
  readonly kind: "inference" | "provisioning";
  /** Globs of models the key may call; undefined means all. */
  readonly models?: readonly string[];
  /** `internal`: usage is recorded and never refused for want of credit (the operator's own). `prepaid`: credit first. */
  readonly billing: "internal" | "prepaid";
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
  costNano: Nano;
  firstTokenMs?: number;
  durationMs: number;
  attempts: AttemptRecord[];
  losses: Loss[];
  client?: string;
  cancelled: boolean;
}
