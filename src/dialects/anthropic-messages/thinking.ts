/**
 * Thinking in both directions: the caller's `thinking` and effort as canonical reasoning, and back within the API's rules.
 * A part of request decoding and encoding.
 */
import { asObject, type JsonObject, rest } from "../../core/json.ts";
import { optionalInteger, optionalObject, requiredString } from "../../core/read.ts";
import type { CanonicalRequest, Effort, Message, Reasoning } from "../../core/request.ts";
import type { EncodeTarget, FieldScope } from "../dialect.ts";
import { budgetToEffort, effortToBudget, nearestEffort, toEffort } from "../reasoning.ts";
import { OWN } from "./wire.ts";

/** The smallest budget that the API takes. */
const MIN_BUDGET = 1024;
/** Of the output limit, the share that thinking may take at most. */
const BUDGET_SHARE = 0.8;
const EFFORTS: readonly Effort[] = ["low", "medium", "high", "xhigh", "max"];
const MODES = { enabled: "on", adaptive: "adaptive", disabled: "off" } as const;
const SHOWN = { omitted: "none", summarized: "auto" } as const;

/** Reasoning as the body asks for it, and what of its two objects the canon does not know. */
export function decodeReasoning(body: JsonObject): {
  reasoning?: Reasoning;
  thinking?: JsonObject;
  outputConfig?: JsonObject;
} {
  const reasoning: Reasoning = {};
  const thinking = decodeThinkingField(optionalObject(body, "thinking"), reasoning);
  let outputConfig = optionalObject(body, "output_config");
  const effort = toEffort(outputConfig?.effort);
  if (effort) {
    reasoning.effort = effort;
    outputConfig = rest(outputConfig ?? {}, new Set(["effort"]));
  }
  // An effort says all that other formats can say; adaptive thinking is how this one obeys it.
  if (reasoning.mode === "adaptive" && effort) delete reasoning.mode;
  return { ...(Object.keys(reasoning).length > 0 && { reasoning }), thinking, outputConfig };
}

function decodeThinkingField(thinking: JsonObject | undefined, reasoning: Reasoning): JsonObject | undefined {
  if (!thinking) return undefined;
  const type = requiredString(thinking, "type", "thinking");
  const budget = optionalInteger(thinking, "budget_tokens", "thinking");
  if (budget !== undefined) reasoning.budgetTokens = budget;
  const known = new Set(["budget_tokens"]);
  if (Object.hasOwn(MODES, type)) {
    reasoning.mode = MODES[type as keyof typeof MODES];
    known.add("type");
  } else reasoning.mode = "adaptive";
  const { display } = thinking;
  if (typeof display === "string" && Object.hasOwn(SHOWN, display)) {
    reasoning.show = SHOWN[display as keyof typeof SHOWN];
    known.add("display");
  }
  return rest(thinking, known);
}

/** Writes `thinking` and `output_config.effort`. A model that does not think gets neither, which is a loss. */
export function encodeReasoning(reasoning: Reasoning, body: JsonObject, scope: FieldScope): void {
  const { target, losses, request } = scope;
  const { effort, budgetTokens } = reasoning;
  const off = reasoning.mode === "off" || (!reasoning.mode && effort === "none") || budgetTokens === 0;
  const wanted = !off && (reasoning.mode !== undefined || effort !== undefined || budgetTokens !== undefined);
  if (!target.capabilities.has("thinking")) {
    if (wanted) losses.add("reasoning");
    return;
  }
  const form = target.quirks.thinkingForm;
  if (off) body.thinking = { type: "disabled" };
  if (off && form !== "budget" && effort && effort !== "none") writeEffort(body, effort, scope);
  if (!wanted) return;
  if (request.extras?.[OWN]?.$effortOnly && effort) {
    writeEffort(body, effort, scope);
    return;
  }
  const display = reasoning.show && { display: reasoning.show === "none" ? "omitted" : "summarized" };
  if (form === "adaptive" || (form === undefined && reasoning.mode !== "on" && budgetTokens === undefined)) {
    body.thinking = { type: "adaptive", ...display };
    if (budgetTokens !== undefined && !effort) losses.add("reasoning.budgetTokens", "altered");
    const wire = effort ?? (budgetTokens === undefined ? undefined : budgetToEffort(budgetTokens));
    if (wire) writeEffort(body, wire, scope);
    return;
  }
  const limit = outputLimit(request, target);
  const fallback = reasoning.mode === "adaptive" ? "high" : "medium";
  const budget = budgetTokens ?? Math.max(MIN_BUDGET, effortToBudget(effort ?? fallback, limit));
  body.thinking = { type: "enabled", budget_tokens: budget, ...display };
  if (form === undefined && budgetTokens !== undefined && effort) writeEffort(body, effort, scope);
}

function writeEffort(body: JsonObject, effort: Effort, { losses }: FieldScope): void {
  const nearest = nearestEffort(effort, EFFORTS);
  if (nearest !== effort) losses.add("reasoning", "altered");
  body.output_config = { ...asObject(body.output_config), effort: nearest };
}

/** Output tokens that may be asked of the target: the caller's wish within the model's limit. */
export function outputLimit(request: CanonicalRequest, target: EncodeTarget): number {
  return Math.min(request.maxOutputTokens ?? target.maxOutputTokens, target.maxOutputTokens);
}

/** Brings a finished body into what the API takes together with thinking. Run after all fields are written. */
export function settleThinking(body: JsonObject, scope: FieldScope): void {
  const { target, losses, request } = scope;
  if (!target.capabilities.has("thinking")) {
    dropReasoning(body);
    return;
  }
  const thinking = asObject(body.thinking);
  if (!thinking || thinking.type === "disabled") return;
  if (thinking.type === "enabled" && !settleEnabled(body, thinking, request)) {
    losses.add("reasoning");
    delete body.thinking;
    return;
  }
  settleSampling(body, scope);
}

function dropReasoning(body: JsonObject): void {
  delete body.thinking;
  const config = asObject(body.output_config);
  if (config?.effort === undefined) return;
  const left = rest(config, new Set(["effort"]));
  if (left) body.output_config = left;
  else delete body.output_config;
}

/** Fits the budget under the output limit; false where thinking cannot be had at all. */
function settleEnabled(body: JsonObject, thinking: JsonObject, request: CanonicalRequest): boolean {
  const choice = asObject(body.tool_choice)?.type;
  if (choice === "any" || choice === "tool" || !canContinue(request.messages)) return false;
  const limit = typeof body.max_tokens === "number" ? body.max_tokens : 0;
  if (limit <= MIN_BUDGET) return false;
  const budget = typeof thinking.budget_tokens === "number" ? thinking.budget_tokens : MIN_BUDGET;
  // Lowered rather than the limit raised: the caller's limit is also what the call may cost.
  const fitting = budget < limit ? budget : Math.floor(limit * BUDGET_SHARE);
  body.thinking = { ...thinking, budget_tokens: Math.max(MIN_BUDGET, fitting) };
  return true;
}

/** A turn that goes on after tool results, or an answer begun by the caller, must have started with thinking. */
function canContinue(messages: readonly Message[]): boolean {
  const index = messages.findLastIndex((message) => message.role === "assistant");
  const last = messages[index];
  if (last?.role !== "assistant") return true;
  const afterwards = messages.slice(index + 1);
  if (afterwards[0]?.role !== "tool" && afterwards.some((message) => message.role === "user")) return true;
  const first = last.content[0];
  return (
    first?.type === "opaque" ||
    first?.type === "server-call" ||
    (first?.type === "thinking" && first.signature?.origin === OWN)
  );
}

function settleSampling(body: JsonObject, { losses }: FieldScope): void {
  if (body.temperature !== undefined && body.temperature !== 1) {
    losses.add("temperature");
    delete body.temperature;
  }
  if (body.top_k !== undefined) {
    losses.add("topK");
    delete body.top_k;
  }
  if (typeof body.top_p === "number" && body.top_p < 0.95) {
    losses.add("topP");
    delete body.top_p;
  }
}
