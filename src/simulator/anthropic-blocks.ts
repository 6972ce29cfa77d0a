/**
 * Reads and checks the messages of a Messages request, block by block, the way Anthropic does.
 * The reader of the request's other fields calls it.
 */
import { arrayOf, isObject, type Json, objectOf, stringOf } from "./json.ts";
import { invalid } from "./problem.ts";
import {
  kindOf,
  seeAssistant,
  seeAssistantText,
  seeCall,
  seeMedia,
  seeReference,
  seeResult,
  seeSystem,
  seeThinking,
  seeUserText,
  type View,
} from "./reading.ts";
import { bindingOf, isSigned } from "./seed.ts";

const TAGS = [
  ..."advisor_tool_result bash_code_execution_tool_result code_execution_tool_result compaction container_upload document".split(
    " ",
  ),
  ..."fallback image mcp_tool_result mcp_tool_use redacted_thinking search_result server_tool_use text".split(" "),
  ..."text_editor_code_execution_tool_result thinking tool_reference tool_result tool_search_tool_result tool_use".split(
    " ",
  ),
  ..."web_fetch_tool_result web_search_tool_result".split(" "),
];
const IMAGE_TYPES = ["image/jpeg", "image/png", "image/gif", "image/webp"];

/** The blocks of one message; a string is one text block. */
const blocksOf = (contents: unknown): unknown[] =>
  typeof contents === "string" ? [{ type: "text", text: contents }] : arrayOf(contents);

function readSource(view: View, block: Json, at: string): void {
  const source = objectOf(block.source);
  const kind = block.type === "image" ? "images" : "files";
  switch (source.type) {
    case "base64": {
      const mediaType = stringOf(source.media_type);
      if (kind === "images" && !IMAGE_TYPES.includes(mediaType)) {
        const words = "Input should be 'image/jpeg', 'image/png', 'image/gif' or 'image/webp'";
        throw invalid(`${at}.image.source.base64.media_type: ${words}`);
      }
      if (typeof source.data !== "string") throw invalid(`${at}.${block.type}.source.base64.data: Field required`);
      seeMedia(view, kind === "images" ? "images" : kindOf(mediaType), mediaType, source.data);
      return;
    }
    case "url":
      seeReference(view, kind, stringOf(source.url));
      return;
    case "file":
      seeReference(view, kind, stringOf(source.file_id));
      return;
    case "text":
      view.chars += stringOf(source.data).length;
      view.media.files.push(`text/plain ${stringOf(source.data).length} bytes`);
      return;
    case "content":
      for (const inner of blocksOf(source.content)) view.chars += stringOf(objectOf(inner).text).length;
      return;
    default:
      throw invalid(
        `${at}.${block.type}.source: Input tag '${String(source.type)}' found using 'type' does not match any of the expected tags: 'base64', 'content', 'file', 'text', 'url'`,
      );
  }
}

function readResult(view: View, block: Json, at: string, calls: Map<string, string>): void {
  const id = block.tool_use_id;
  if (typeof id !== "string") throw invalid(`${at}.tool_result.tool_use_id: Field required`);
  const name = calls.get(id);
  if (name === undefined) {
    const words = `unexpected \`tool_use_id\` found in \`tool_result\` blocks: ${id}. Each \`tool_result\` block must have a corresponding \`tool_use\` block in the previous message.`;
    throw invalid(`${at}: ${words}`);
  }
  calls.delete(id);
  const texts: string[] = [];
  for (const [index, inner] of blocksOf(block.content).entries()) {
    const part = objectOf(inner);
    if (part.type === "text" || part.type === "search_result") texts.push(stringOf(part.text));
    else if (part.type === "image" || part.type === "document")
      readSource(view, part, `${at}.tool_result.content.${index}`);
    else if (part.type !== "tool_reference")
      throw invalid(
        `${at}.tool_result.content.${index}: Input tag '${String(part.type)}' found using 'type' does not match any of the expected tags: 'document', 'image', 'search_result', 'text', 'tool_reference'`,
      );
  }
  seeResult(view, name, texts.join(""), block.is_error === true);
}

function readUser(view: View, blocks: unknown[], at: string, open: Map<string, string>): void {
  view.turn = "user";
  let seenOther = false;
  for (const [index, given] of blocks.entries()) {
    const block = objectOf(given);
    const here = `${at}.content.${index}`;
    // results must stand first, or the calls count as unanswered
    if (block.type !== "tool_result") seenOther = true;
    else if (seenOther && open.size > 0) throw unanswered(at, open);
    if (block.type === "text") {
      if (typeof block.text !== "string") throw invalid(`${here}.text.text: Field required`);
      if (block.text === "") throw invalid("messages: text content blocks must be non-empty");
      seeUserText(view, block.text);
    } else if (block.type === "image" || block.type === "document") readSource(view, block, here);
    else if (block.type === "tool_result") readResult(view, block, here, open);
    else if (typeof block.type !== "string" || !TAGS.includes(block.type)) throw wrongTag(here, block);
    else if (block.type === "tool_use")
      throw invalid(`${at}: \`tool_use\` blocks can only be in \`assistant\` messages`);
  }
  if (open.size > 0) throw unanswered(at, open);
}

function wrongTag(at: string, block: Json) {
  if (block.type === undefined) return invalid(`${at}.type: Field required`);
  const tags = TAGS.map((tag) => `'${tag}'`).join(", ");
  return invalid(
    `${at}: Input tag '${String(block.type)}' found using 'type' does not match any of the expected tags: ${tags}`,
  );
}

function unanswered(at: string, open: Map<string, string>) {
  const before = at.replace(/\d+$/, (digits) => String(Number(digits) - 1));
  const words = `\`tool_use\` ids were found without \`tool_result\` blocks immediately after: ${[...open.keys()].join(", ")}. Each \`tool_use\` block must have a corresponding \`tool_result\` block in the next message.`;
  return invalid(`${before}: ${words}`);
}

function readCall(view: View, block: Json, here: string, open: Map<string, string>): void {
  const { id, name, input } = block;
  if (typeof id !== "string") throw invalid(`${here}.tool_use.id: Field required`);
  if (!/^[a-zA-Z0-9_-]+$/.test(id))
    throw invalid(`${here}.tool_use.id: String should match pattern '^[a-zA-Z0-9_-]+$'`);
  if (typeof name !== "string") throw invalid(`${here}.tool_use.name: Field required`);
  if (!isObject(input)) throw invalid(`${here}.tool_use.input: Input should be a valid dictionary`);
  if (open.has(id)) throw invalid(`${here.replace(/\.content.*/, "")}: \`tool_use\` ids must be unique`);
  seeCall(view, name.length + JSON.stringify(input).length, open.size === 0);
  open.set(id, name);
}

function readThinking(view: View, block: Json, here: string): void {
  if (block.type === "redacted_thinking") {
    if (!isSigned("messages-redacted", block.data))
      throw invalid(`${here}: Invalid \`data\` in \`redacted_thinking\` block`);
    seeThinking(view, "", true);
    return;
  }
  if (typeof block.thinking !== "string") throw invalid(`${here}.thinking.thinking: Field required`);
  if (block.signature === undefined) throw invalid(`${here}.thinking.signature: Field required`);
  const nonce = block.thinking === "" ? undefined : bindingOf(block.thinking);
  if (!isSigned("messages", block.signature, nonce))
    throw invalid(`${here}: Invalid \`signature\` in \`thinking\` block`);
  seeThinking(view, block.thinking, true);
}

function readAssistant(view: View, blocks: unknown[], at: string, open: Map<string, string>): void {
  seeAssistant(view);
  for (const [index, given] of blocks.entries()) {
    const block = objectOf(given);
    const here = `${at}.content.${index}`;
    if (block.type === "text") {
      if (block.text === "") throw invalid("messages: text content blocks must be non-empty");
      seeAssistantText(view, stringOf(block.text));
    } else if (block.type === "tool_use") readCall(view, block, here, open);
    else if (block.type === "thinking" || block.type === "redacted_thinking") readThinking(view, block, here);
    else if (typeof block.type !== "string" || !TAGS.includes(block.type)) throw wrongTag(here, block);
  }
}

/** The type of the first block of the last assistant message, when tool results follow it. */
export function openingOfToolTurn(messages: readonly unknown[]): { type: string; index: number } | undefined {
  const last = objectOf(messages.at(-1));
  if (!arrayOf(last.content).some((block) => objectOf(block).type === "tool_result")) return undefined;
  const index = messages.length - 2;
  const first = objectOf(blocksOf(objectOf(messages[index]).content)[0]);
  return { type: stringOf(first.type), index };
}

/** Reads all messages in order; throws what Anthropic would refuse. */
export function readMessages(view: View, messages: readonly unknown[], allowsSystem: boolean): void {
  const open = new Map<string, string>();
  for (const [index, given] of messages.entries()) {
    const at = `messages.${index}`;
    const message = objectOf(given);
    const { role, content } = message;
    if (role === undefined) throw invalid(`${at}.role: Field required`);
    if (content === undefined) throw invalid(`${at}.content: Field required`);
    if (typeof content !== "string" && !Array.isArray(content))
      throw invalid(`${at}.content: Input should be a valid array`);
    const blocks = blocksOf(content);
    const isLast = index === messages.length - 1;
    if ((content === "" || blocks.length === 0) && !(isLast && role === "assistant")) {
      throw invalid(`${at}: all messages must have non-empty content except for the optional final assistant message`);
    }
    if (role === "system" && allowsSystem) {
      for (const block of blocks) seeSystem(view, stringOf(objectOf(block).text));
    } else if (role === "user") readUser(view, blocks, at, open);
    else if (role === "assistant") {
      if (open.size > 0) throw unanswered(at, open);
      readAssistant(view, blocks, at, open);
      const tail = objectOf(blocks.at(-1));
      if (isLast && tail.type === "text" && /\s$/.test(stringOf(tail.text))) {
        throw invalid("messages: final assistant content cannot end with trailing whitespace");
      }
    } else if (role === "system") {
      const words = 'The Messages API accepts a top-level `system` parameter, not "system" as an input message role.';
      throw invalid(`messages: Unexpected role "system". ${words}`);
    } else throw invalid(`${at}.role: Input should be 'user' or 'assistant'`);
  }
  if (open.size > 0) throw unanswered(`messages.${messages.length}`, open);
}
