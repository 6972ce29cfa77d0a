/**
 * Which offered tools the simulated model calls, and with which arguments.
 * Plans ask it once the request is read.
 */
import type { Directives, OrderedCall } from "./directives.ts";
import { isObject, type Json } from "./json.ts";
import type { OfferedTool, View } from "./reading.ts";
import { sampleOf } from "./sample.ts";
import { fragment, tokenise } from "./tokens.ts";

/** A call of the model. `pieces` joined are the arguments (or a custom tool's input) as text. */
export interface PlannedCall {
  name: string;
  kind: OfferedTool["kind"];
  pieces: string[];
  input: Json;
  /** False when the output limit cut the arguments off. */
  isWhole: boolean;
}

function planCall(tool: OfferedTool, ordered: string | undefined): PlannedCall {
  if (tool.kind === "custom") {
    return {
      name: tool.name,
      kind: "custom",
      pieces: tokenise(ordered ?? `sample input for ${tool.name}`),
      input: {},
      isWhole: true,
    };
  }
  let input: unknown = {};
  try {
    input = ordered === undefined ? sampleOf(tool.schema) : JSON.parse(ordered);
  } catch {
    input = {};
  }
  const object = isObject(input) ? input : {};
  return { name: tool.name, kind: "function", pieces: fragment(JSON.stringify(object)), input: object, isWhole: true };
}

function orderedNow(view: View, directives: Directives): OrderedCall[] {
  if (directives.rounds.length === 0) return [];
  return directives.rounds[view.textIsFresh ? 0 : view.rounds] ?? [];
}

/** The calls that the text orders and the tool choice allows; a forced choice calls even unasked. */
export function chooseCalls(view: View, directives: Directives): PlannedCall[] {
  const { choice } = view;
  if (choice.mode === "none" || view.tools.length === 0) return [];
  const allowed = choice.allowed;
  const offered = allowed === undefined ? view.tools : view.tools.filter((tool) => allowed.includes(tool.name));
  const calls: PlannedCall[] = [];
  for (const ordered of orderedNow(view, directives)) {
    const tool = offered.find((one) => one.name === ordered.name);
    if (tool !== undefined && (choice.name === undefined || choice.name === tool.name)) {
      calls.push(planCall(tool, ordered.args));
    }
  }
  if (calls.length === 0 && choice.mode === "any") {
    const forced = choice.name === undefined ? offered[0] : offered.find((tool) => tool.name === choice.name);
    if (forced !== undefined) calls.push(planCall(forced, undefined));
  }
  return view.parallel ? calls : calls.slice(0, 1);
}
