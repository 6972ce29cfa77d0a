/**
 * Ends a call: usage becomes a price, the hold is posted or voided, the usage record is written.
 * Runs exactly once for every call that was admitted, whatever happened to it; nothing else posts a hold.
 */
import type { AttemptRecord, CallRecord, Principal } from "../core/call.ts";
import type { Candidate } from "../core/endpoint.ts";
import type { GatewayError } from "../core/error.ts";
import type { FinishReason } from "../core/event.ts";
import { cost, type Nano, ZERO } from "../core/money.ts";
import { emptyUsage, type Usage } from "../core/usage.ts";
import type { Hold } from "../ledger/credit.ts";
import type { Recorder } from "../usage/recorder.ts";
import type { Served } from "./attempt.ts";

/** A call under way: what is known of it before it ends. */
export interface Call {
  readonly id: string;
  readonly createdAt: Date;
  readonly startedMs: number;
  readonly surface: string;
  readonly dialect: CallRecord["dialect"];
  readonly client: string | undefined;
  readonly attempts: AttemptRecord[];
  principal?: Principal;
  modelRequested: string;
  modelId?: string;
  streamed: boolean;
  requestBytes: number;
  hold?: Hold;
  served?: Served;
}

export interface Outcome {
  readonly cancelled: boolean;
  readonly error?: GatewayError | undefined;
}

/** What `settle` needs of the gateway. */
export interface SettleScope {
  readonly recorder: Recorder;
  readonly nowMs: () => number;
  /** A call cost more than was held: the operator bears the rest, and should hear of it. */
  readonly logLoss: (call: Call, lossNano: Nano) => void;
}

/** The status of a call whose caller left before the answer, as proxies log it. */
const CLIENT_CLOSED = 499;

/** Closes the call and returns what was billed. A call without a principal leaves no record. */
export function settle(call: Call, outcome: Outcome, scope: SettleScope): Nano {
  const { principal, served } = call;
  if (!principal) return ZERO;
  const usage = served ? served.meter.usage(call.requestBytes) : emptyUsage();
  const billed = bill(call, usage, scope);
  scope.recorder.push({
    id: call.id,
    createdAt: call.createdAt,
    workspaceId: principal.workspaceId,
    keyId: principal.keyId,
    surface: call.surface,
    dialect: served?.candidate.dialect ?? call.dialect,
    path: served?.translation.path ?? "relay",
    modelRequested: call.modelRequested,
    model: call.modelId,
    ...place(served?.candidate),
    upstreamId: served?.meter.upstreamId,
    streamed: call.streamed,
    status: status(outcome),
    errorCode: outcome.error?.code,
    finishReason: served?.meter.finish satisfies FinishReason | undefined,
    usage,
    costNano: billed,
    firstTokenMs: since(call, served?.meter.firstContentAtMs),
    durationMs: Math.round(scope.nowMs() - call.startedMs),
    attempts: call.attempts,
    losses: [...(served?.translation.losses ?? [])],
    client: call.client,
    cancelled: outcome.cancelled,
  });
  return billed;
}

function bill(call: Call, usage: Usage, { logLoss }: SettleScope): Nano {
  if (!call.hold) return ZERO;
  if (!call.served) {
    call.hold.void();
    return ZERO;
  }
  const { billedNano, lossNano } = call.hold.post(cost(call.served.candidate.endpoint.price, usage));
  if (lossNano > 0n) logLoss(call, lossNano);
  return billedNano;
}

function place(candidate: Candidate | undefined): Pick<CallRecord, "provider" | "endpoint" | "upstreamModel"> {
  if (!candidate) return {};
  const { provider, id, upstreamModel } = candidate.endpoint;
  return { provider, endpoint: id, upstreamModel };
}

function status(outcome: Outcome): number {
  if (outcome.cancelled) return CLIENT_CLOSED;
  return outcome.error?.status ?? 200;
}

function since(call: Call, momentMs: number | undefined): number | undefined {
  return momentMs === undefined ? undefined : Math.round(momentMs - call.startedMs);
}
