/**
 * Ends a call: usage becomes a price, the hold is posted or voided, the usage record is written.
 * Runs exactly once for every call that was admitted, whatever happened to it; nothing else posts a hold.
 */
import type { AttemptRecord, CallRecord, Principal, RoutingRecord } from "../core/call.ts";
import type { GatewayError } from "../core/error.ts";
import type { FinishReason } from "../core/event.ts";
import { cost, type Nano, nano, ZERO } from "../core/money.ts";
import { completionTokens, emptyUsage, promptTokens, type Usage } from "../core/usage.ts";
import type { Hold, Posted } from "../ledger/hold.ts";
import type { RateDecision } from "../limits/limiter.ts";
import type { HealthBook } from "../upstream/health.ts";
import type { OpenNote, Recorder } from "../usage/recorder.ts";
import type { Charged, Served } from "./attempt.ts";

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
  /** Its place in the windows of its key. */
  rate?: RateDecision;
  hold?: Hold;
  /** In the journal since before the first upstream byte. */
  note?: OpenNote;
  served?: Served;
  /** How routing decided, where that needs an explanation. */
  routing?: RoutingRecord | undefined;
  /** Failed tries that a provider charged for all the same. */
  wasted?: Charged[];
}

export interface Outcome {
  readonly cancelled: boolean;
  readonly error?: GatewayError | undefined;
}

/** What `settle` needs of the gateway. */
export interface SettleScope {
  readonly recorder: Recorder;
  readonly nowMs: () => number;
  /** Hears how endpoints did. */
  readonly health?: Pick<HealthBook, "failed" | "finished">;
  /** A call cost more than was held: the operator bears the rest, and should hear of it. */
  readonly logLoss: (call: Call, lossNano: Nano) => void;
}

/** The status of a call whose caller left before the answer, as proxies log it. */
export const CLIENT_CLOSED = 499;

/** What a call comes to, in nano-dollars. */
interface Bill {
  readonly costNano: Nano;
  readonly lossNano: Nano;
  readonly providerCostNano: Nano;
}

const NOTHING: Bill = { costNano: ZERO, lossNano: ZERO, providerCostNano: ZERO };

/**
 * Notes an admitted call, so that a crash cannot lose sight of it: should nothing follow, a start closes it as expired.
 * Throws `service_unavailable` when no more can be noted; then nothing may be sent.
 */
export function noteAdmitted(call: Call, principal: Principal, recorder: Recorder): void {
  const outcome = { status: 500, errorCode: "internal_error" as const };
  call.note = recorder.open({ ...recordOf(call, principal, emptyUsage(), NOTHING), ...outcome, outcome: "expired" });
}

/**
 * Notes what the call has come to, because the caller is about to be given what may be its end: should this process be
 * killed before `settle`, a start bills that. Changes nothing else; may run several times.
 */
export function foresee(call: Call, scope: Pick<SettleScope, "recorder" | "nowMs">): void {
  const { principal, served, hold } = call;
  if (!principal || !served || !hold) return;
  const usage = served.meter.usage(served);
  const full = cost(served.candidate.endpoint.price, usage);
  const bill = billOf(served, usage, full, hold.bill(full));
  const record = recordOf(call, principal, usage, withWaste(bill, call));
  record.durationMs = Math.round(scope.nowMs() - call.startedMs);
  call.note = scope.recorder.foresee(record, call.note, hold);
}

/** Where the provider charges what the customer pays, the cost need not be found twice. */
function billOf({ candidate }: Served, usage: Usage, full: Nano, { billedNano, lossNano }: Posted): Bill {
  const { price, cost: charged } = candidate.endpoint;
  return { costNano: billedNano, lossNano, providerCostNano: charged === price ? full : cost(charged, usage) };
}

/** Closes the call and returns what was billed. A call without a principal leaves no record. */
export function settle(call: Call, outcome: Outcome, scope: SettleScope): Nano {
  const { principal, served, hold } = call;
  if (!principal) return ZERO;
  const usage = served ? served.meter.usage(served) : emptyUsage();
  const bill = withWaste(settleHold(call, usage, scope), call);
  const record = recordOf(call, principal, usage, bill);
  record.status = status(outcome);
  record.errorCode = outcome.error?.code;
  record.outcome = !hold ? "refused" : served ? "posted" : "voided";
  record.cancelled = outcome.cancelled;
  record.durationMs = Math.round(scope.nowMs() - call.startedMs);
  scope.recorder.push(record, call.note, hold);
  settlePlace(call, outcome, usage);
  if (served) tellHealth(call, served, outcome, usage, scope);
  return bill.costNano;
}

/** How fast the endpoint was, or that it broke off. */
function tellHealth(call: Call, served: Served, { error, cancelled }: Outcome, usage: Usage, scope: SettleScope): void {
  const { id } = served.candidate.endpoint;
  if (error && !cancelled && error.fault === "upstream") scope.health?.failed(id, "server");
  const since = call.streamed ? served.meter.firstContentAtMs : call.startedMs;
  if (since !== undefined) scope.health?.finished(id, completionTokens(usage), scope.nowMs() - since);
}

/** Failures that are not the caller's give its place back; leaving is the caller's own doing. */
function settlePlace({ rate, served, principal }: Call, { error, cancelled }: Outcome, usage: Usage): void {
  if (!rate?.ok) return;
  if (!served && !cancelled && error && error.fault !== "caller") rate.giveBack();
  else if (principal?.rate.tpm !== undefined || principal?.terms.tpm !== undefined)
    rate.correct(promptTokens(usage) + completionTokens(usage));
}

function recordOf(call: Call, principal: Principal, usage: Usage, bill: Bill): CallRecord {
  const { served, hold } = call;
  const endpoint = (served ?? call.wasted?.[0])?.candidate.endpoint;
  return {
    id: call.id,
    createdAt: call.createdAt,
    workspaceId: principal.workspaceId,
    keyId: principal.keyId,
    surface: call.surface,
    dialect: served?.candidate.dialect ?? call.dialect,
    path: served?.translation.path ?? "relay",
    modelRequested: call.modelRequested,
    model: call.modelId,
    provider: endpoint?.provider,
    endpoint: endpoint?.id,
    upstreamModel: endpoint?.upstreamModel,
    upstreamId: served?.meter.upstreamId,
    streamed: call.streamed,
    status: 200,
    finishReason: served?.meter.finish satisfies FinishReason | undefined,
    usage,
    ...bill,
    outcome: "posted",
    paidBy: hold?.paidBy ?? "none",
    holdNano: hold?.amountNano ?? ZERO,
    clamped: served?.meter.clamped ?? false,
    keyPurse: hold?.keyPurse,
    budgetPurse: hold?.budgetPurse,
    countPurse: hold?.countPurse,
    firstTokenMs: since(call, served?.meter.firstContentAtMs),
    durationMs: 0,
    attempts: call.attempts,
    losses: served ? [...served.translation.losses] : [],
    routing: call.routing,
    client: call.client,
    cancelled: false,
  };
}

function settleHold(call: Call, usage: Usage, { logLoss }: SettleScope): Bill {
  const { hold, served } = call;
  if (!hold) return NOTHING;
  if (!served) {
    hold.void();
    return NOTHING;
  }
  const full = cost(served.candidate.endpoint.price, usage);
  const posted = hold.post(full);
  if (posted.lossNano > 0n) logLoss(call, posted.lossNano);
  return billOf(served, usage, full, posted);
}

/** The customer pays once: what tries cost that came to nothing is the operator's. */
function withWaste(bill: Bill, { wasted }: Call): Bill {
  if (!wasted) return bill;
  let total = 0n;
  for (const charged of wasted) total += cost(charged.candidate.endpoint.cost, charged.meter.usage(charged));
  return {
    costNano: bill.costNano,
    lossNano: nano(bill.lossNano + total),
    providerCostNano: nano(bill.providerCostNano + total),
  };
}

function status(outcome: Outcome): number {
  if (outcome.cancelled) return CLIENT_CLOSED;
  return outcome.error?.status ?? 200;
}

function since(call: Call, momentMs: number | undefined): number | undefined {
  return momentMs === undefined ? undefined : Math.round(momentMs - call.startedMs);
}
