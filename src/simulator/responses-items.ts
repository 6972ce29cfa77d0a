/**
 * Reads and checks the input items of a Responses request, in order, the way OpenAI does.
 * The reader of the request's other fields calls it.
 */
import { arrayOf, isObject, type Json, objectOf, stringOf } from "./json.ts";
import { missing, unsupported, wrongType } from "./openai-common.ts";
import { invalid } from "./problem.ts";
import {
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
import { isSigned } from "./seed.ts";

const ROLES = ["assistant", "system", "developer", "user"];
const PARTS = [
  "input_text",
  "input_image",
  "output_text",
  "refusal",
  "input_file",
  "computer_screenshot",
  "summary_text",
];
const PREFIXES: Record<string, string> = { function_call: "fc", custom_tool_call: "ctc", reasoning: "rs" };
const MESSAGE_PREFIX = "msg";

/** What is open while the items are walked. */
interface Walk {
  view: View;
  /** Calls without an output yet, by call id. */
  open: Map<string, string>;
  callsInTurn: number;
}

function checkId(item: Json, at: string, prefix: string): void {
  if (typeof item.id !== "string" || item.id === "" || item.id.startsWith(prefix)) return;
  throw invalid(
    `Invalid '${at}.id': '${item.id}'. Expected an ID that begins with '${prefix}'.`,
    `${at}.id`,
    "invalid_value",
  );
}

function readPart(view: View, part: Json, at: string, say: (text: string) => void): void {
  switch (part.type) {
    case "input_text":
    case "output_text":
    case "summary_text":
    case "text":
      if (part.type === "text") break;
      if (typeof part.text !== "string") throw missing(`${at}.text`);
      say(part.text);
      return;
    case "refusal":
      say(stringOf(part.refusal));
      return;
    case "input_image":
      if (typeof part.image_url !== "string" && typeof part.file_id !== "string") {
        if (isObject(part.image_url)) throw wrongType(`${at}.image_url`, "an image URL", part.image_url);
        throw missing(`${at}.image_url`);
      }
      seeReference(view, "images", stringOf(part.image_url) || stringOf(part.file_id));
      return;
    case "input_file":
      seeReference(view, "files", stringOf(part.file_data) || stringOf(part.file_url) || stringOf(part.file_id));
      return;
    case "input_audio": {
      const { data, format } = objectOf(part.input_audio);
      seeMedia(view, "audio", format === "mp3" ? "audio/mpeg" : `audio/${stringOf(format)}`, stringOf(data));
      return;
    }
  }
  throw unsupported(at, part.type, PARTS);
}

function readContent(view: View, contents: unknown, at: string, say: (text: string) => void): void {
  if (typeof contents === "string") {
    say(contents);
    return;
  }
  if (!Array.isArray(contents)) {
    if (contents === undefined) throw missing(at);
    throw wrongType(at, "one of a string or array of objects", contents);
  }
  for (const [index, part] of contents.entries()) readPart(view, objectOf(part), `${at}[${index}]`, say);
}

function readMessage(walk: Walk, item: Json, at: string): void {
  const { view } = walk;
  const { role } = item;
  if (typeof role !== "string" || !ROLES.includes(role)) throw unsupported(at, role, ROLES);
  if (role === "assistant") {
    checkId(item, at, MESSAGE_PREFIX);
    readContent(view, item.content, `${at}.content`, (text) => seeAssistantText(view, text));
    return;
  }
  if (role === "user") view.turn = "user";
  const see = role === "user" ? seeUserText : seeSystem;
  readContent(view, item.content, `${at}.content`, (text) => see(view, text));
}

function readCall(walk: Walk, item: Json, at: string, type: string): void {
  checkId(item, at, PREFIXES[type] ?? "");
  const { call_id: id, name } = item;
  const args = type === "function_call" ? item.arguments : item.input;
  if (typeof id !== "string") throw missing(`${at}.call_id`);
  if (typeof name !== "string") throw missing(`${at}.name`);
  if (typeof args !== "string") throw missing(`${at}.${type === "function_call" ? "arguments" : "input"}`);
  seeCall(walk.view, name.length + args.length, walk.callsInTurn++ === 0);
  walk.open.set(id, name);
}

function readOutput(walk: Walk, item: Json, at: string): void {
  const id = item.call_id;
  if (typeof id !== "string") throw missing(`${at}.call_id`);
  const name = walk.open.get(id);
  const kind = item.type === "function_call_output" ? "function call" : "custom tool call";
  if (name === undefined) throw invalid(`No tool call found for ${kind} output with call_id ${id}.`, "input");
  walk.open.delete(id);
  walk.callsInTurn = 0;
  const texts: string[] = [];
  readContent(walk.view, item.output, `${at}.output`, (text) => texts.push(text));
  seeResult(walk.view, name, texts.join(""));
}

function readReasoning(walk: Walk, item: Json, at: string, next: unknown): void {
  checkId(item, at, "rs");
  if (!Array.isArray(item.summary)) throw missing(`${at}.summary`);
  const encrypted = item.encrypted_content;
  if (typeof encrypted === "string" && !isSigned("responses", encrypted)) {
    const words = `The encrypted content for item ${stringOf(item.id)} could not be verified. Reason: Encrypted content could not be decrypted or parsed.`;
    throw invalid(words, null, "invalid_encrypted_content");
  }
  const follower = objectOf(next);
  const isFollowed = follower.role === "assistant" || /_call$|^reasoning$/.test(stringOf(follower.type));
  if (!isFollowed) {
    throw invalid(
      `Item '${stringOf(item.id)}' of type 'reasoning' was provided without its required following item.`,
      "input",
    );
  }
  const text = arrayOf(item.summary)
    .map((part) => stringOf(objectOf(part).text))
    .join("\n");
  seeThinking(walk.view, text, typeof encrypted === "string");
}

/** Reads the items in order; throws what OpenAI would refuse. */
export function readItems(view: View, items: readonly unknown[]): void {
  const walk: Walk = { view, open: new Map(), callsInTurn: 0 };
  for (const [index, given] of items.entries()) {
    const at = `input[${index}]`;
    if (!isObject(given)) throw wrongType(at, "an object", given);
    const type = given.type ?? (given.role === undefined ? undefined : "message");
    if (typeof type !== "string") throw missing(`${at}.type`);
    if (type === "message") {
      walk.callsInTurn = 0;
      readMessage(walk, given, at);
    } else if (type === "function_call" || type === "custom_tool_call") readCall(walk, given, at, type);
    else if (type === "function_call_output" || type === "custom_tool_call_output") readOutput(walk, given, at);
    else if (type === "reasoning") readReasoning(walk, given, at, items[index + 1]);
    else if (
      !/_call$|_output$|^item_reference$|^compaction$|^mcp_|^additional_tools$|^configuration_update$|^program/.test(
        type,
      )
    ) {
      throw unsupported(at, type, ["message", "function_call", "function_call_output", "reasoning", "item_reference"]);
    } else if (type.endsWith("_call")) seeAssistant(view);
  }
  const [unanswered] = walk.open.keys();
  if (unanswered !== undefined) throw invalid(`No tool output found for function call ${unanswered}.`, "input");
}
