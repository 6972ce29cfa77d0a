/**
 * Canonical turns as one prompt: a single text stands for itself, a conversation becomes a transcript with the speakers' names.
 * Called by `request-encode.ts`; a text is all that this format takes, so everything else is a loss or told in words.
 */
import type { Losses } from "../../core/loss.ts";
import type { CanonicalRequest, Message, Part, ToolResultPart } from "../../core/request.ts";
import { loseForeignExtras } from "../dialect.ts";
import { opaqueText } from "../opaque-text.ts";
import { inWords } from "../server-tools.ts";
import { visibleSystem } from "../system-text.ts";
import { ID } from "./wire.ts";

const GAP = "\n\n";

/** Where a model that goes on with a transcript has to be stopped: it would write the user's next turn. */
export const NEXT_TURN = `${GAP}User:`;

/** Whether the turns need the speakers' names: all but a single one of the user do. */
export function isTranscript(messages: readonly Message[]): boolean {
  return messages.length !== 1 || messages[0]?.role !== "user";
}

/** The prompt. Instructions come first, without a name before a single turn. */
export function encodePrompt(request: CanonicalRequest, losses: Losses): string {
  const instructions: string[] = [];
  for (const part of visibleSystem(request.system ?? [])) {
    loseForeignExtras(part.extras, ID, losses, "system");
    if (part.cache) losses.add("cache");
    if (part.text) instructions.push(part.text);
  }
  const { messages } = request;
  const named = isTranscript(messages);
  if (instructions.length > 0) losses.add("system", "altered");
  if (instructions.length > 0 || named) losses.add("messages", "altered");
  const turns = messages.flatMap((message) => encodeTurn(message, named, losses));
  // What an assistant's turn at the end has begun is to be gone on with.
  if (named && messages.at(-1)?.role !== "assistant") turns.push("Assistant:");
  return [...instructions, ...turns].join(GAP);
}

const SPEAKERS = { system: "System", user: "User", assistant: "Assistant" } as const;

/** A turn's paragraphs; none when nothing of it can be said. */
function encodeTurn(message: Message, named: boolean, losses: Losses): string[] {
  loseForeignExtras(message.extras, ID, losses, "messages");
  const paragraphs: string[] = [];
  let said = "";
  const close = () => {
    if (said === "" || message.role === "tool") return;
    paragraphs.push(named ? `${SPEAKERS[message.role]}: ${said}` : said);
    said = "";
  };
  for (const part of message.content) {
    loseForeignExtras(part.extras, ID, losses, "messages");
    if (part.cache) losses.add("cache");
    if (part.type === "tool-call") {
      close();
      paragraphs.push(`Assistant called ${part.name}: ${part.arguments || "{}"}`);
    } else if (part.type === "tool-result") paragraphs.push(encodeResult(part, losses));
    else {
      const text = textOf(part, losses);
      if (text) said += said !== "" && message.role !== "assistant" ? GAP + text : text;
    }
  }
  close();
  return paragraphs;
}

function encodeResult(part: ToolResultPart, losses: Losses): string {
  const texts = part.content.map((content) => textOf(content, losses)).filter((text) => text);
  const name = part.name ?? part.callId;
  return `${part.isError ? `Tool ${name} failed` : `Tool ${name} answered`}: ${texts.join("\n")}`;
}

/** What of a part is text; anything else is a loss under its type's name. */
function textOf(part: Part, losses: Losses): string {
  switch (part.type) {
    case "text":
    case "refusal":
      return part.text;
    case "file":
      if (part.source.type === "text") return part.source.text;
      break;
    case "audio":
      if (part.transcript) return part.transcript;
      break;
    case "server-call":
    case "server-result":
      return inWords(part, losses);
    case "opaque": {
      const text = opaqueText(part);
      if (text) return text;
      losses.add(`messages.${typeof part.value.type === "string" ? part.value.type : "part"}`);
      return "";
    }
  }
  losses.add(`messages.${part.type}`);
  return "";
}
