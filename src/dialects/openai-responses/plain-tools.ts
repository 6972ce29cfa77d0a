/**
 * A request's tools, calls and results for a Responses upstream that knows nothing but functions: names are flattened and
 * free text is wrapped, as for formats without either. Request encoding uses it; reply encoders restore what was offered.
 */
import { asArray } from "../../core/json.ts";
import type { Losses } from "../../core/loss.ts";
import type { CanonicalRequest, Extras, Message, Tool, ToolCallPart, ToolChoice } from "../../core/request.ts";
import { customToolAsFunction, type ToolNames, toolNames, withoutNamesakes, wrapCustomInput } from "../tool-names.ts";
import { OWN, own } from "./wire.ts";

/** A copy of the request in which every tool is a function, but for those that the upstream runs itself (`serves`). */
export function withPlainTools(
  request: CanonicalRequest,
  losses: Losses,
  serves: readonly string[] = [],
): CanonicalRequest {
  const names = toolNames(request.tools);
  const copy: CanonicalRequest = {
    ...request,
    messages: request.messages.map((message) => plainMessage(message, names)),
  };
  if (request.toolChoice) copy.toolChoice = plainChoice(request.toolChoice, request.tools, names);
  if (!request.tools) return copy;
  copy.tools = withoutNamesakes(request.tools).flatMap((tool) => plainTool(tool, names, losses, serves) ?? []);
  // Tools that came in items of the input have changed in number, and such items are no plain ones.
  const notes = own(request);
  if (asArray(notes?.$additional).length > 0) {
    const { $additional: _, ...others } = notes ?? {};
    copy.extras = { ...request.extras, [OWN]: others };
  }
  return copy;
}

function plainTool(tool: Tool, names: ToolNames, losses: Losses, serves: readonly string[]): Tool | undefined {
  if (tool.type === "server") {
    if (tool.dialect !== OWN || serves.includes(tool.kind)) return tool;
    losses.add(`tools.${tool.kind}`);
    return undefined;
  }
  if (tool.type === "custom" && tool.grammar) losses.add("tools.grammar", "altered");
  const { namespace, extras: _, ...plain } = tool.type === "custom" ? customToolAsFunction(tool) : tool;
  const { $namespace: __, format: ___, ...others } = own(tool) ?? {};
  const extras = { ...tool.extras, [OWN]: others };
  return { ...plain, name: names.flatten(tool.name, namespace), extras };
}

function plainMessage(message: Message, names: ToolNames): Message {
  if (message.role === "assistant" && message.content.some((part) => part.type === "tool-call")) {
    const content = message.content.map((part) => (part.type === "tool-call" ? plainCall(part, names) : part));
    return { ...message, content };
  }
  if (message.role !== "tool") return message;
  const content = message.content.map((part) =>
    part.type === "tool-result" && part.kind === "custom"
      ? { ...part, kind: "function" as const, extras: withoutItem(part) }
      : part,
  );
  return { ...message, content };
}

function plainCall(call: ToolCallPart, names: ToolNames): ToolCallPart {
  const { namespace, ...plain } = call;
  const name = names.flatten(call.name, namespace);
  if (call.kind === "function") return { ...plain, name };
  return { ...plain, kind: "function", name, arguments: wrapCustomInput(call.arguments), extras: withoutItem(call) };
}

/** The extras without the item's own fields: its id tells the kind of an item that it no longer is. */
function withoutItem(part: { extras?: Extras }): Extras {
  const { $item: _, ...others } = own(part) ?? {};
  return { ...part.extras, [OWN]: others };
}

function plainChoice(choice: ToolChoice, tools: readonly Tool[] | undefined, names: ToolNames): ToolChoice {
  const flat = (name: string) => {
    const chosen = tools?.find((tool) => tool.type !== "server" && tool.name === name);
    return names.flatten(name, chosen && chosen.type !== "server" ? chosen.namespace : undefined);
  };
  if (choice.type === "tool") return { ...choice, kind: "function", name: flat(choice.name) };
  return choice.type === "allowed" ? { ...choice, names: choice.names.map(flat) } : choice;
}
