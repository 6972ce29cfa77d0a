/**
 * The whole story of one model call, in a straight line: authenticate, read, peek, route, admit, attempt, answer, settle.
 * A surface calls it with what it found in the URL; every error on the way leaves in the caller's own envelope.
 */
import { GatewayError, toGatewayError } from "../core/error.ts";
import type { Head } from "../core/head.ts";
import type { JsonObject } from "../core/json.ts";
import { nanoToDollars } from "../core/money.ts";
import { USUAL_SEARCHES } from "../dialects/web-search.ts";
import { UpstreamFault } from "../upstream/http.ts";
import { admit } from "./admit.ts";
import { attempt, CallerLeft, type Served } from "./attempt.ts";
import { parseBody, readBody } from "./body.ts";
import { decide } from "./decide.ts";
import type { Gateway, Visit } from "./gateway.ts";
import { type Inquiry, inquire } from "./inquiry.ts";
import { noPlace, takePlace } from "./limit.ts";
import { resolveModels } from "./model.ts";
import { type Ending, pump } from "./pump.ts";
import { answerHeaders, refuse } from "./respond.ts";
import { type Call, CLIENT_CLOSED, foresee, noteAdmitted, type Outcome, settle } from "./settle.ts";

/** Answers one model call. Never rejects. */
export async function handle(gateway: Gateway, visit: Visit): Promise<Response> {
  const call = gateway.open(visit);
  let handedOver = false;
  const end = (outcome: Outcome) => {
    gateway.memory.bytes -= call.requestBytes;
    gateway.running -= 1;
    return settle(call, outcome, gateway);
  };
  gateway.running += 1;
  try {
    gateway.checkCapacity();
    const known = gateway.authenticate(visit);
    const principal = known instanceof Promise ? await known : known;
    call.principal = principal;
    const place = takePlace(gateway.limiter, principal, declaredBytes(visit.request));
    call.rate = place instanceof Promise ? await place : place;
    if (call.rate && !call.rate.ok) throw noPlace(call.rate);
    const bytes = await readBody(visit.request, gateway.limits, gateway.memory);
    call.requestBytes = bytes.length;
    visit.bodyRead();
    const body = parseBody(bytes, gateway.limits);
    const peeked = visit.dialect.peek(body, visit.path);
    call.modelRequested = peeked.model;
    call.streamed = peeked.stream;
    const models = resolveModels(gateway.catalog, peeked, principal);
    const head = models.online ? online(peeked) : peeked;
    call.modelId = models.wishes[0].model.id;
    const { candidates, conversation } = decide(gateway, visit, call, principal, head, body, models);
    const admitting = admit(gateway, principal, models.wishes, candidates, head, bytes.length);
    const { hold, outputLimit } = admitting instanceof Promise ? await admitting : admitting;
    call.hold = hold;
    noteAdmitted(call, principal, gateway.recorder);
    const inquiry = ask(visit, call, body, head, bytes, outputLimit);
    const { signal } = visit.request;
    call.served = await attempt(inquiry, candidates, {
      ...gateway.attempting,
      signal,
      attempts: call.attempts,
      wasted: call,
    });
    noteServed(gateway, call, call.served, conversation);
    handedOver = true;
    return answer(gateway, inquiry, call, end, signal.aborted);
  } catch (thrown) {
    const cancelled = visit.request.signal.aborted || (thrown instanceof UpstreamFault && thrown.kind === "cancelled");
    const error = cancelled ? new GatewayError("upstream_unavailable", "The caller left.") : toGatewayError(thrown);
    if (thrown instanceof CallerLeft && thrown.served) {
      call.served = thrown.served;
      call.modelId = thrown.served.candidate.endpoint.modelId;
    }
    if (!handedOver) end(cancelled ? { cancelled } : { cancelled, error });
    if (!cancelled) gateway.logError(call, error);
    return refuse(visit, call.id, error, call.rate);
  }
}

/** The head of a request that the provider shall search the web for. */
function online(head: Head): Head {
  return { ...head, online: true, searches: Math.max(head.searches ?? 0, USUAL_SEARCHES) };
}

/** The model that answers may be another than the one that was asked for first, and its endpoint has the conversation now. */
function noteServed(gateway: Gateway, call: Call, { candidate }: Served, conversation: number | undefined): void {
  const { id, modelId } = candidate.endpoint;
  call.modelId = modelId;
  if (conversation !== undefined) gateway.sticky.keep(conversation, id);
}

/** The question, in the form in which attempts put it to upstreams. */
function ask(
  { dialect, framing, request, path }: Visit,
  { id, createdAt }: Call,
  body: JsonObject,
  head: Head,
  bytes: Uint8Array,
  outputLimit: number | undefined,
): Inquiry {
  const facts = {
    id,
    createdAt: Math.floor(createdAt.getTime() / 1000),
    dialect,
    framing,
    headers: request.headers,
    bytes,
    head,
    strict: request.headers.get("x-sluice-strict") === "true",
    outputLimit,
  };
  return inquire(facts, body, path);
}

function declaredBytes(request: Request): number {
  return Number(request.headers.get("content-length") ?? "0") || 0;
}

/** The response for a call that is being served: streamed through the pump, or whole. `hasLeft`: nobody will read it. */
function answer(
  gateway: Gateway,
  inquiry: Inquiry,
  call: Call,
  end: (outcome: Outcome) => bigint,
  hasLeft: boolean,
): Response {
  const { served } = call;
  if (!served) throw new GatewayError("internal_error", "There is nothing to answer with.");
  const { rest } = served;
  if (rest) {
    const close = (ending: Ending) => {
      end(ending);
      if (ending.error) gateway.logError(call, ending.error);
    };
    const body = pump({ ...served, rest }, gateway.pulse, close, () => foresee(call, gateway));
    if (hasLeft) {
      void body.cancel();
      return new Response(null, { status: CLIENT_CLOSED });
    }
    return new Response(body, { status: 200, headers: answerHeaders(inquiry, call, undefined) });
  }
  const billed = end({ cancelled: hasLeft });
  const cost = nanoToDollars(billed as Parameters<typeof nanoToDollars>[0]);
  return new Response(served.opening[0] ?? "", { status: 200, headers: answerHeaders(inquiry, call, cost) });
}
