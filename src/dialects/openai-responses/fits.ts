/**
 * Whether a caller's Responses body can go to a Responses upstream as it is, given what that upstream is known to refuse.
 * `translate` asks before it relays; a body that does not fit is decoded and encoded again, which mends or names it.
 *
 * What refers to a conversation that the provider keeps (`previous_response_id`, `store`) always fits: nobody here has it,
 * so the upstream's own refusal is the best answer there is.
 */
import type { Quirks } from "../../core/endpoint.ts";
import { asArray, asObject, type Json, type JsonObject } from "../../core/json.ts";
import type { RelayTarget } from "../dialect.ts";
import { hasRefused, isSaid, lacksEffort, type WireNames } from "../fits.ts";
import { INCLUDE_LOGPROBS } from "./request-decode.ts";

const WIRE_NAMES: WireNames = {
  maxOutputTokens: ["max_output_tokens"],
  temperature: ["temperature"],
  topP: ["top_p"],
  topLogprobs: ["top_logprobs"],
  tools: ["tools"],
  toolChoice: ["tool_choice"],
  parallelToolCalls: ["parallel_tool_calls"],
  reasoning: ["reasoning"],
  endUser: ["user", "safety_identifier"],
  metadata: ["metadata"],
  cacheKey: ["prompt_cache_key"],
  serviceTier: ["service_tier"],
};

/** True where no known deviation of the upstream concerns this body. Looks at no item of the input when there are none. */
export function fitsUpstream(body: JsonObject, { quirks }: RelayTarget): boolean {
  if (quirks.refuses && (hasRefused(body, quirks, WIRE_NAMES) || hasRefusedInside(body, quirks.refuses))) return false;
  if (lacksEffort(asObject(body.reasoning)?.effort, quirks)) return false;
  const onlyFunctions = quirks.customTools === false;
  if (onlyFunctions && !asArray(body.tools).every((tool) => isPlainTool(tool, quirks))) return false;
  if (!onlyFunctions && quirks.systemRole !== "system") return true;
  return asArray(body.input).every((item) => fits(asObject(item), quirks, onlyFunctions));
}

/** The same for fields that stand inside of others. */
function hasRefusedInside(body: JsonObject, refuses: readonly string[]): boolean {
  const text = asObject(body.text);
  if (refuses.includes("verbosity") && isSaid(text?.verbosity)) return true;
  if (refuses.includes("outputFormat") && isSaid(text?.format) && asObject(text?.format)?.type !== "text") return true;
  return refuses.includes("logprobs") && asArray(body.include).includes(INCLUDE_LOGPROBS);
}

function isPlainTool(value: Json, { serverTools }: Quirks): boolean {
  const type = asObject(value)?.type;
  return type === "function" || (type === "web_search" && serverTools?.includes("web-search") === true);
}

/** Items of the history that only an upstream with more tools than functions knows. */
const OTHER_TOOLS: ReadonlySet<Json | undefined> = new Set([
  "additional_tools",
  "custom_tool_call",
  "custom_tool_call_output",
]);

function fits(item: JsonObject | undefined, quirks: Quirks, onlyFunctions: boolean): boolean {
  if (!item) return true;
  if (quirks.systemRole === "system" && item.role === "developer") return false;
  return !onlyFunctions || !(OTHER_TOOLS.has(item.type) || isSaid(item.namespace));
}
