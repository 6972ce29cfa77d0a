/**
 * Pairs the calls and results of a conversation: formats that take each result right after its call refuse any other order.
 * Request encoders call it on canonical messages; histories that clients cut or rearranged pass through it too.
 */
import type { Losses } from "../core/loss.ts";
import type { Message, OpaquePart, ToolCallPart, ToolResultPart } from "../core/request.ts";

/** What the calls of one assistant message are answered by. */
interface Answers {
  /** Results in the tool messages right after it, which may stay where they are. */
  near: Set<ToolResultPart>;
  /** Results from elsewhere, or made up, in the calls' order: they follow the near ones. */
  far: ToolResultPart[];
}

/**
 * The messages with every call answered right after its own message, and no other results. A missing result is said to be
 * missing, a result that answers no call becomes the user's text. What is in order already comes back as it is.
 */
export function pairCalls(history: readonly Message[], losses: Losses): readonly Message[] {
  if (!history.some((message) => message.role === "tool" || callsOf(message).length > 0)) return history;
  const messages = withDistinctIds(history);
  const answers = findAnswers(messages, losses);
  const placed = new Set<unknown>();
  for (const { near, far } of answers.values()) for (const result of [...near, ...far]) placed.add(result);
  const paired: Message[] = [];
  let own: Answers | undefined;
  let orphans: ToolResultPart[] = [];
  const settle = () => {
    if (own && own.far.length > 0) paired.push({ role: "tool", content: own.far });
    if (orphans.length > 0) losses.add("messages.tool-result", "altered");
    for (const orphan of orphans) paired.push(asUserTurn(orphan));
    own = undefined;
    orphans = [];
  };
  for (const message of messages) {
    if (message.role === "tool") {
      const kept = message.content.filter((part) => part.type === "opaque" || own?.near.has(part));
      for (const part of message.content) if (part.type === "tool-result" && !placed.has(part)) orphans.push(part);
      if (kept.length === message.content.length) paired.push(message);
      else if (kept.length > 0) paired.push({ ...message, content: kept });
      continue;
    }
    settle();
    paired.push(message);
    own = answers.get(message);
  }
  settle();
  return paired;
}

/** Calls of one turn that share an id get ids of their own, and the results after them in the same order. */
function withDistinctIds(messages: readonly Message[]): readonly Message[] {
  if (!messages.some((message) => hasTwins(callsOf(message)))) return messages;
  let counts = new Map<string, number>();
  let twins: ReadonlySet<string> = new Set();
  const distinct = (id: string): string => {
    if (!twins.has(id)) return id;
    const count = (counts.get(id) ?? 0) + 1;
    counts.set(id, count);
    return count === 1 ? id : `${id}_${count}`;
  };
  return messages.map((message): Message => {
    if (message.role === "tool") {
      const content = message.content.map((part) =>
        part.type === "tool-result" ? { ...part, callId: distinct(part.callId) } : part,
      );
      return { ...message, content };
    }
    if (message.role !== "assistant") return message;
    const ids = callsOf(message).map(({ id }) => id);
    twins = new Set(ids.filter((id, index) => ids.indexOf(id) < index));
    counts = new Map();
    const content = message.content.map((part) =>
      part.type === "tool-call" ? { ...part, id: distinct(part.id) } : part,
    );
    counts = new Map();
    return { ...message, content };
  });
}

function hasTwins(calls: readonly ToolCallPart[]): boolean {
  return new Set(calls.map(({ id }) => id)).size < calls.length;
}

function callsOf(message: Message): ToolCallPart[] {
  return message.role === "assistant" ? message.content.filter((part) => part.type === "tool-call") : [];
}

function resultsOf(message: Message): ToolResultPart[] {
  const parts: readonly (ToolResultPart | OpaquePart)[] = message.role === "tool" ? message.content : [];
  return parts.filter((part) => part.type === "tool-result");
}

/** First everyone takes what stands right after it, then what is missing is looked for in the rest. */
function findAnswers(messages: readonly Message[], losses: Losses): Map<Message, Answers> {
  const answers = new Map<Message, Answers>();
  const open: { own: Answers; call: ToolCallPart }[] = [];
  const taken = new Set<ToolResultPart>();
  for (const [index, message] of messages.entries()) {
    const calls = callsOf(message);
    if (calls.length === 0) continue;
    const own: Answers = { near: new Set(), far: [] };
    answers.set(message, own);
    const after = nearbyResults(messages, index + 1);
    for (const call of calls) {
      const result = after.find((one) => one.callId === call.id && !taken.has(one));
      if (result) {
        taken.add(result);
        own.near.add(result);
      } else open.push({ own, call });
    }
  }
  if (open.length === 0) return answers;
  const waiting = new Map<string, ToolResultPart[]>();
  for (const result of messages.flatMap(resultsOf)) {
    if (!taken.has(result)) waiting.set(result.callId, [...(waiting.get(result.callId) ?? []), result]);
  }
  for (const { own, call } of open) {
    const result = waiting.get(call.id)?.shift();
    if (!result) losses.add("messages.tool-call", "altered");
    own.far.push(result ?? missingResult(call));
  }
  return answers;
}

/** The results of the tool messages that begin at `from`. */
function nearbyResults(messages: readonly Message[], from: number): ToolResultPart[] {
  const results: ToolResultPart[] = [];
  for (let index = from; messages[index]?.role === "tool"; index++)
    results.push(...resultsOf(messages[index] as Message));
  return results;
}

function missingResult(call: ToolCallPart): ToolResultPart {
  const text = "[No result of this call was recorded.]";
  return { type: "tool-result", callId: call.id, name: call.name, kind: call.kind, content: [{ type: "text", text }] };
}

function asUserTurn({ name, content }: ToolResultPart): Message {
  return {
    role: "user",
    content: [{ type: "text", text: name ? `Result of ${name}:` : "Result of a tool call:" }, ...content],
  };
}
