/**
 * Puts the question of routing together: who asks, which conversation it belongs to, how endpoints are doing, and chance.
 * Between `resolveModels` and `admit` on the path of a call; what is decided is `route`'s alone.
 */
import type { Principal } from "../core/call.ts";
import type { Head } from "../core/head.ts";
import type { HealthView } from "../core/health.ts";
import type { JsonObject } from "../core/json.ts";
import { withoutOwnFields } from "../core/preferences.ts";
import type { Visit } from "./gateway.ts";
import type { ModelWish, ModelWishes } from "./model.ts";
import { NoRoute, type RouteDecision, route } from "./route.ts";
import { routingRecord } from "./routing-record.ts";
import type { Call } from "./settle.ts";
import { conversationOf, type Sticky } from "./sticky.ts";

/** What decisions need of the gateway. */
export interface DecideScope {
  readonly health: HealthView;
  readonly sticky: Sticky;
  readonly limits: { readonly maxAttempts: number };
  readonly nowMs: () => number;
}

/** What was decided, and the conversation to be remembered with the endpoint that serves it. */
export interface Decided {
  readonly candidates: RouteDecision["candidates"];
  readonly conversation: number | undefined;
}

const BITS = 2 ** 32;

/**
 * Decides who may serve the request, and notes on the call why, where that needs an explanation. Throws what `route`
 * throws, and `invalid_request` where all parameters must be read first.
 */
export function decide(
  scope: DecideScope,
  visit: Visit,
  call: Pick<Call, "routing">,
  { keyId, providers }: Principal,
  head: Head,
  body: JsonObject,
  models: ModelWishes,
): Decided {
  const { wishes } = models;
  const preferences = head.routing?.preferences;
  // Where there is nothing to choose nothing needs to be told apart.
  const conversation = hasChoice(wishes)
    ? conversationOf(keyId, wishes[0].model.id, head, visit.request.headers, body)
    : undefined;
  try {
    const { candidates, scores, excluded } = route({
      head,
      dialect: visit.dialect.id,
      models: wishes,
      providers,
      preferences,
      parameters: preferences?.requireParameters ? parametersOf(visit, head, body) : undefined,
      health: scope.health,
      nowMs: scope.nowMs(),
      seed: conversation === undefined ? Math.floor(Math.random() * BITS) : conversation % BITS,
      remembered: conversation === undefined ? undefined : scope.sticky.remembered(conversation),
      maxAttempts: scope.limits.maxAttempts,
    });
    call.routing = routingRecord({ candidates, scores, excluded, preferences, models });
    return { candidates, conversation };
  } catch (error) {
    if (error instanceof NoRoute)
      call.routing = routingRecord({ candidates: [], scores: [], excluded: error.excluded, preferences, models });
    throw error;
  }
}

function hasChoice(wishes: readonly ModelWish[]): boolean {
  return wishes.length > 1 || wishes.some(({ model }) => model.endpoints.length > 1);
}

/** The canonical fields that the request says. */
function parametersOf({ dialect, path }: Visit, head: Head, body: JsonObject): string[] {
  const request = dialect.decodeRequest(withoutOwnFields(body, head.routing), path);
  return Object.entries(request).flatMap(([name, value]) => (value === undefined ? [] : [name]));
}
