/**
 * Brings calls and results of a conversation into the form that Messages demands: every call is answered in the very
 * next turn, nothing else is, and no id comes twice. A part of request encoding, after all turns are written.
 */
import { asArray, asObject, asString, type Json, type JsonObject } from "../../core/json.ts";
import type { Losses } from "../../core/loss.ts";

/** A turn of the wire before its content is folded. */
export interface Turn {
  role: "user" | "assistant" | "system";
  blocks: JsonObject[];
  fields: JsonObject;
  /** Content that is written as it came, whatever the blocks say. */
  verbatim?: Json;
}

/** What is known while the turns are walked. */
interface Walk {
  /** Results that no call has taken yet, by the id that they answer. */
  readonly waiting: ReadonlyMap<string, JsonObject[]>;
  readonly taken: Set<JsonObject>;
  readonly ids: Set<string>;
  readonly losses: Losses;
}

/** The turns with calls and results paired: answers move to where they belong, missing ones are said to be missing. */
export function pairCalls(turns: readonly Turn[], losses: Losses): Turn[] {
  const walk: Walk = { waiting: resultsById(turns), taken: new Set(), ids: new Set(), losses };
  const paired: Turn[] = [];
  let answers: JsonObject[] = [];
  for (const turn of turns) {
    if (turn.role !== "user") {
      if (answers.length > 0) paired.push({ role: "user", blocks: answers, fields: {} });
      answers = [];
    }
    if (turn.role === "system") {
      paired.push(turn);
      continue;
    }
    if (turn.role === "assistant") {
      const blocks = turn.blocks.map((block) => takeAnswer(block, answers, walk));
      paired.push({ ...turn, blocks });
      continue;
    }
    const blocks = [...answers, ...turn.blocks.flatMap((block) => leftOver(block, walk))];
    answers = [];
    if (blocks.length > 0) paired.push({ ...turn, blocks });
  }
  if (answers.length > 0) paired.push({ role: "user", blocks: answers, fields: {} });
  return paired;
}

function resultsById(turns: readonly Turn[]): Map<string, JsonObject[]> {
  const found = new Map<string, JsonObject[]>();
  for (const { blocks } of turns) {
    for (const block of blocks) {
      if (block.type !== "tool_result") continue;
      const id = String(block.tool_use_id);
      const same = found.get(id);
      if (same) same.push(block);
      else found.set(id, [block]);
    }
  }
  return found;
}

/** The call, under an id of its own; its answer is put where the next turn finds it. */
function takeAnswer(block: JsonObject, answers: JsonObject[], { waiting, taken, ids, losses }: Walk): JsonObject {
  if (block.type !== "tool_use") return block;
  const id = String(block.id);
  const own = unusedId(id, ids);
  ids.add(own);
  const result = waiting.get(id)?.find((candidate) => !taken.has(candidate));
  if (result) taken.add(result);
  else losses.add("messages.tool-result", "altered");
  const told = result ?? { type: "tool_result", content: "[No result of this call was recorded.]", is_error: true };
  answers.push({ ...told, tool_use_id: own });
  return own === id ? block : { ...block, id: own };
}

function unusedId(id: string, taken: ReadonlySet<string>): string {
  let unused = id;
  for (let number = 2; taken.has(unused); number++) unused = `${id}_${number}`;
  return unused;
}

/** What stays of a user's block in its own turn: nothing of a result that a call took, a text of one that none did. */
function leftOver(block: JsonObject, { taken, losses }: Walk): JsonObject[] {
  if (block.type !== "tool_result") return [block];
  if (taken.has(block)) return [];
  losses.add("messages.tool-result", "altered");
  if (Array.isArray(block.content)) return block.content.map(asObject).filter((inner) => inner !== undefined);
  const text = asString(block.content)?.trim();
  return text ? [{ type: "text", text }] : [];
}

/** Tools in outline for calls in the history, which the API refuses where the request offers none. */
export function historicTools(turns: readonly Json[]): JsonObject[] {
  const names = new Set<string>();
  for (const turn of turns) {
    for (const item of asArray(asObject(turn)?.content)) {
      const block = asObject(item);
      if (block?.type === "tool_use" && typeof block.name === "string") names.add(block.name);
    }
  }
  return [...names].map((name) => ({ name, input_schema: { type: "object", properties: {} } }));
}
