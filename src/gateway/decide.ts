/**
 * Puts the question of routing together: who asks, which conversation it belongs to, how endpoints are doing, and chance.
 * Between `resolveModels` and `admit` on the path of a call; what is decided is `route`'s alone.
 */
import type { Principal } from "../core/call.ts";
import type { Head } from "../core/head.ts";
import type { HealthView } from "../core/health.ts";
import type { JsonObject } from "../core/json.ts";
import type { WireFormatId } from "../core/operation.ts";
import { withoutOwnFields } from "../core/preferences.ts";
import type { Visit } from "./gateway.ts";
import type { ModelWish, ModelWishes } from "./model.ts";
import { type RouteDecision, route } from "./route.ts";
import { conversationOf, type Sticky } from "./sticky.ts";

/** What decisions need of the gateway. */
export interface DecideScope {
  readonly health: HealthView;
  readonly sticky: Sticky;
  readonly limits: { readonly maxAttempts: number };
  readonly nowMs: () => number;
}

/** A decision, and the conversation to be remembered with the endpoint that serves it. */
export interface Decided<F extends WireFormatId = WireFormatId> extends RouteDecision<F> {
  readonly conversation: number | undefined;
}

const BITS = 2 ** 32;

/** Decides who may serve the request. Throws what `route` throws, and `invalid_request` where all parameters must be read first. */
export function decide(
  scope: DecideScope,
  visit: Visit,
  principal: Principal,
  head: Head,
  body: JsonObject,
  { wishes }: ModelWishes,
): Decided {
  const [{ model }] = wishes;
  const preferences = head.routing?.preferences;
  // Where there is nothing to choose nothing needs to be told apart.
  const conversation = hasChoice(wishes)
    ? conversationOf(principal.keyId, model.id, head, visit.request.headers, body)
    : undefined;
  const decision = route({
    head,
    dialect: visit.dialect.id,
    models: wishes,
    providers: principal.providers,
    preferences,
    parameters: preferences?.requireParameters ? parametersOf(visit, head, body) : undefined,
    health: scope.health,
    nowMs: scope.nowMs(),
    seed: conversation === undefined ? Math.floor(Math.random() * BITS) : conversation % BITS,
    remembered: conversation === undefined ? undefined : scope.sticky.remembered(conversation),
    maxAttempts: scope.limits.maxAttempts,
  });
  return { ...decision, conversation };
}

function hasChoice(wishes: readonly ModelWish[]): boolean {
  return wishes.length > 1 || wishes.some(({ model }) => model.endpoints.length > 1);
}

/** The canonical fields that the request says. */
function parametersOf({ dialect, path }: Visit, head: Head, body: JsonObject): string[] {
  const request = dialect.decodeRequest(withoutOwnFields(body, head.routing), path);
  return Object.entries(request).flatMap(([name, value]) => (value === undefined ? [] : [name]));
}
