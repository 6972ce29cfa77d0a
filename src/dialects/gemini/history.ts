/**
 * Arranges canonical messages as the turns that Gemini demands: user and model take turns, and the results of a model's
 * calls come right after it, one for each. The request encoder writes these turns down.
 */
import type { Losses } from "../../core/loss.ts";
import type { Message, OpaquePart, ToolCallPart, ToolResultPart } from "../../core/request.ts";

export type AssistantMessage = Extract<Message, { role: "assistant" }>;

export interface ModelTurn {
  role: "model";
  messages: AssistantMessage[];
}

export interface UserTurn {
  role: "user";
  /** One for each call of the model turn before, in the calls' order. */
  answers: { call: ToolCallPart; result: ToolResultPart }[];
  /** Results that answer no call. */
  orphans: ToolResultPart[];
  messages: Exclude<Message, { role: "assistant" | "tool" }>[];
  opaque: OpaquePart[];
}

export type Turn = ModelTurn | UserTurn;

/** The turns of a conversation. A call that nobody answered gets an error for a result, which is a loss. */
export function turnsOf(messages: readonly Message[], losses: Losses): Turn[] {
  const turns: Turn[] = [];
  const results: ToolResultPart[][] = [];
  for (const message of messages) {
    const role = message.role === "assistant" ? "model" : "user";
    let turn = turns.at(-1);
    if (turn?.role !== role) {
      turn = role === "model" ? { role, messages: [] } : newUserTurn();
      turns.push(turn);
      results.push([]);
    }
    addMessage(turn, message, results.at(-1) as ToolResultPart[]);
  }
  if (turns.at(-1)?.role === "model") {
    turns.push(newUserTurn());
    results.push([]);
  }
  for (const [index, turn] of turns.entries()) {
    if (turn.role !== "user") continue;
    const before = turns[index - 1];
    answer(turn, before?.role === "model" ? before : undefined, results[index] as ToolResultPart[], losses);
  }
  return turns;
}

function newUserTurn(): UserTurn {
  return { role: "user", answers: [], orphans: [], messages: [], opaque: [] };
}

function addMessage(turn: Turn, message: Message, results: ToolResultPart[]): void {
  if (turn.role === "model") {
    if (message.role === "assistant") turn.messages.push(message);
  } else if (message.role === "tool") {
    for (const part of message.content) {
      if (part.type === "tool-result") results.push(part);
      else turn.opaque.push(part);
    }
  } else if (message.role !== "assistant") turn.messages.push(message);
}

function answer(turn: UserTurn, model: ModelTurn | undefined, results: ToolResultPart[], losses: Losses): void {
  const left = [...results];
  for (const message of model?.messages ?? []) {
    for (const call of message.content) {
      if (call.type !== "tool-call") continue;
      const index = left.findIndex((result) => result.callId === call.id);
      const [result] = index < 0 ? [] : left.splice(index, 1);
      if (!result) losses.add("messages.tool-call", "altered");
      turn.answers.push({ call, result: result ?? missingResult(call) });
    }
  }
  if (left.length > 0) losses.add("messages.tool-result", "altered");
  turn.orphans = left;
}

function missingResult(call: ToolCallPart): ToolResultPart {
  return {
    type: "tool-result",
    callId: call.id,
    name: call.name,
    kind: call.kind,
    content: [{ type: "text", text: "This call has no result: it was not carried out." }],
    isError: true,
  };
}
