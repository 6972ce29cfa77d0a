/**
 * Writes system texts and turns of a Messages request: alternating roles, tool results first in the user's turn.
 * A part of request encoding.
 */
import type { JsonObject } from "../../core/json.ts";
import type { Message, TextPart } from "../../core/request.ts";
import { type FieldScope, loseForeignExtras } from "../dialect.ts";
import { replayable } from "../server-tools.ts";
import { toolNames } from "../tool-names.ts";
import { CODE_EXECUTION } from "../web-search.ts";
import { type BlockScope, encodeParts, plainText } from "./blocks-encode.ts";
import { pairCalls, type Turn } from "./pairing.ts";
import { OWN, wireFields } from "./wire.ts";

/** Writes `system`: one string where it is one plain text, blocks otherwise. */
export function encodeSystem(system: readonly TextPart[], body: JsonObject, scope: FieldScope): void {
  const blockScope: BlockScope = { losses: scope.losses, names: toolNames(undefined) };
  const blocks = encodeParts(system, "system", blockScope);
  if (blocks.length > 0) body.system = contentOf(blocks, scope);
}

/** Appends an instruction of the gateway's own to `system`. */
export function appendSystem(body: JsonObject, text: string): void {
  const before = Array.isArray(body.system)
    ? body.system
    : body.system === undefined
      ? []
      : [{ type: "text", text: body.system }];
  body.system = [...before, { type: "text", text }];
}

/**
 * Writes `messages`. Neighbours of one role become one turn, empty turns are left out, calls and results are paired;
 * a request with instructions only gets a turn that asks to follow them.
 */
export function encodeMessages(messages: readonly Message[], body: JsonObject, scope: FieldScope): void {
  const blockScope: BlockScope = {
    losses: scope.losses,
    names: toolNames(scope.request.tools),
    // What another provider's search found lacks the ciphers without which the API refuses it.
    replayable: replayable(scope.request, scope.target.quirks, OWN, [CODE_EXECUTION]),
  };
  const turns: Turn[] = [];
  for (const message of messages) join(turns, encodeTurn(message, blockScope, scope));
  const paired: Turn[] = [];
  for (const turn of pairCalls(turns, scope.losses)) join(paired, turn);
  if (paired.length === 0) {
    scope.losses.add("messages", "altered");
    paired.unshift({ role: "user", blocks: [{ type: "text", text: "Please follow the instructions." }], fields: {} });
  }
  trimEnd(paired.at(-1));
  body.messages = paired.map((turn) => ({
    role: turn.role,
    content: turn.verbatim ?? contentOf(turn.role === "user" ? resultsFirst(turn.blocks) : turn.blocks, scope),
    ...turn.fields,
  }));
}

function join(turns: Turn[], turn: Turn): void {
  if (turn.blocks.length === 0 && turn.verbatim === undefined) return;
  const last = turns.at(-1);
  if (last?.role === turn.role && turn.role !== "system" && Object.keys(turn.fields).length === 0) {
    turns[turns.length - 1] = { ...last, blocks: [...last.blocks, ...turn.blocks] };
  } else turns.push(turn);
}

/** An answer that the caller began must not end in white space. */
function trimEnd(last: Turn | undefined): void {
  const block = last?.blocks.at(-1);
  if (last?.role !== "assistant" || block?.type !== "text") return;
  last.blocks = [...last.blocks.slice(0, -1), { ...block, text: String(block.text).trimEnd() }];
}

function contentOf(blocks: JsonObject[], { target }: FieldScope): string | JsonObject[] {
  const plain = plainText(blocks);
  if (plain !== undefined) return plain;
  const flat = target.quirks.flattenText && blocks.every((block) => block.type === "text");
  return flat ? blocks.map((block) => block.text).join("\n\n") : blocks;
}

function resultsFirst(blocks: JsonObject[]): JsonObject[] {
  const later = blocks.findIndex((block) => block.type !== "tool_result");
  if (later < 0 || !blocks.slice(later).some((block) => block.type === "tool_result")) return blocks;
  const results = blocks.filter((block) => block.type === "tool_result");
  return [...results, ...blocks.filter((block) => block.type !== "tool_result")];
}

function encodeTurn(message: Message, blockScope: BlockScope, scope: FieldScope): Turn {
  const own = loseForeignExtras(message.extras, OWN, scope.losses, "messages");
  if (message.role === "system") return encodeSystemTurn(message, own, blockScope, scope);
  const blocks = encodeParts(message.content, message.role, blockScope);
  return { role: message.role === "assistant" ? "assistant" : "user", blocks, fields: wireFields(own) };
}

/** Instructions in mid-conversation, which most models take only as a marked text of the user's turn. */
function encodeSystemTurn(
  message: Extract<Message, { role: "system" }>,
  own: JsonObject | undefined,
  blockScope: BlockScope,
  scope: FieldScope,
): Turn {
  const { blocks: verbatim, ...fields } = own ?? {};
  const blocks = encodeParts(message.content, "system", blockScope);
  if (scope.target.quirks.systemTurns || own?.$role === "system") {
    return {
      role: "system",
      blocks,
      fields: wireFields(fields),
      ...(verbatim !== undefined && { verbatim }),
    };
  }
  scope.losses.add("messages.system", "altered");
  const marked = blocks.map((block) => ({ ...block, text: `<system-reminder>\n${block.text}\n</system-reminder>` }));
  return { role: "user", blocks: marked, fields: {} };
}
