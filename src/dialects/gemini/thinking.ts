/**
 * `thinkingConfig` in both directions: generation 2 takes a budget in tokens, generation 3 a level.
 * The request decoder and encoder use it; what a model cannot do is set to the nearest thing it can.
 */
import type { JsonObject } from "../../core/json.ts";
import { optionalBoolean, optionalInteger, optionalString } from "../../core/read.ts";
import type { Effort, Reasoning } from "../../core/request.ts";
import type { FieldScope } from "../dialect.ts";
import { effortToBudget, nearestEffort, toEffort } from "../reasoning.ts";
import { isThirdGeneration } from "./wire.ts";

/**
 * Reads a thinkingConfig with camelCase keys. The API shows thoughts only when asked: that is made explicit where the
 * canon's other callers would expect to see them.
 */
export function decodeThinking(config: JsonObject, path: string): Reasoning {
  const reasoning: Reasoning = {};
  const budget = optionalInteger(config, "thinkingBudget", path, -1);
  if (budget === 0) reasoning.mode = "off";
  else if (budget === -1) reasoning.mode = "adaptive";
  else if (budget !== undefined) {
    reasoning.mode = "on";
    reasoning.budgetTokens = budget;
  }
  const effort = toEffort(optionalString(config, "thinkingLevel", path)?.toLowerCase());
  if (effort !== undefined) reasoning.effort = effort;
  const includes = optionalBoolean(config, "includeThoughts", path) ?? (showsByDefault(reasoning) ? false : undefined);
  if (includes !== undefined) reasoning.show = includes ? "auto" : "none";
  return reasoning;
}

/** Formats that ask for thinking in so many words show it unless told otherwise. */
function showsByDefault({ mode }: Reasoning): boolean {
  return mode === "on" || mode === "adaptive";
}

/** The thinkingConfig for the target; undefined when there is nothing to say. Names what had to change as a loss. */
export function encodeThinking(reasoning: Reasoning, scope: FieldScope): JsonObject | undefined {
  const { target, losses } = scope;
  const isOff = reasoning.mode === "off" || reasoning.effort === "none";
  if (!target.capabilities.has("thinking")) {
    if (!isOff) losses.add("reasoning");
    return undefined;
  }
  const config = isThirdGeneration(target.model) ? level(reasoning, isOff, scope) : budget(reasoning, isOff, scope);
  const { show } = reasoning;
  const includes = show === undefined ? showsByDefault(reasoning) || undefined : show !== "none";
  if (includes !== undefined && !(isOff && includes)) config.includeThoughts = includes;
  return Object.keys(config).length > 0 ? config : undefined;
}

/** The levels that a model of generation 3 knows, by its name. */
function levels(model: string): readonly Effort[] {
  if (model.includes("flash")) return ["minimal", "low", "medium", "high"];
  return model.includes("gemini-3-pro") ? ["low", "high"] : ["low", "medium", "high"];
}

function level(reasoning: Reasoning, isOff: boolean, { target, losses }: FieldScope): JsonObject {
  const { effort, budgetTokens, mode } = reasoning;
  const known = levels(target.model);
  if (isOff) {
    losses.add("reasoning", "altered");
    return { thinkingLevel: known[0]?.toUpperCase() };
  }
  if (effort !== undefined) {
    const nearest = nearestEffort(effort, known);
    if (nearest !== effort) losses.add("reasoning", "altered");
    return { thinkingLevel: nearest.toUpperCase() };
  }
  if (budgetTokens !== undefined)
    return { thinkingBudget: Math.max(1, Math.min(budgetTokens, target.maxOutputTokens - 1)) };
  return mode === "adaptive" ? { thinkingBudget: -1 } : {};
}

/** What the models of generation 2 take as a budget, by name, from Google's documentation. */
function budgetRange(model: string): [least: number, most: number, mayBeOff: boolean] {
  if (model.includes("pro")) return [128, 32768, false];
  return model.includes("lite") ? [512, 24576, true] : [1, 24576, true];
}

function budget(reasoning: Reasoning, isOff: boolean, { request, target, losses }: FieldScope): JsonObject {
  const [least, most, mayBeOff] = budgetRange(target.model);
  if (isOff) {
    if (!mayBeOff) losses.add("reasoning", "altered");
    return { thinkingBudget: mayBeOff ? 0 : least };
  }
  const limit = Math.min(request.maxOutputTokens ?? target.maxOutputTokens, target.maxOutputTokens);
  const wanted =
    reasoning.budgetTokens ?? (reasoning.effort !== undefined ? effortToBudget(reasoning.effort, limit) : undefined);
  if (wanted === undefined) return reasoning.mode === "adaptive" ? { thinkingBudget: -1 } : {};
  const kept = Math.max(least, Math.min(wanted, most));
  if (kept !== wanted) losses.add("reasoning", "altered");
  return { thinkingBudget: kept };
}
