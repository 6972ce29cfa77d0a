/**
 * Reads and checks the contents of a generateContent request, part by part, the way Gemini does.
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
  seeThinking,
  seeUserText,
  type View,
} from "./reading.ts";
import { isSigned } from "./seed.ts";

const PART_FIELDS: ReadonlySet<string> = new Set(
  `text thought thoughtSignature inlineData fileData functionCall functionResponse executableCode codeExecutionResult
  videoMetadata toolCall toolResponse mediaResolution partMetadata`.split(/\s+/),
);
const DATA_FIELDS =
  "text inlineData fileData functionCall functionResponse executableCode codeExecutionResult toolCall toolResponse videoMetadata".split(
    " ",
  );
const SKIPS = ["skip_thought_signature_validator", "context_engineering_is_the_way_to_go"];

/** A field by its camelCase name, or by its snake_case one. */
export function field(json: Json, name: string): unknown {
  return json[name] ?? json[name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)];
}

/** The camelCase name of a field. */
export const camel = (name: string): string =>
  name.replace(/_([a-z0-9])/g, (_, letter: string) => letter.toUpperCase());

function checkPart(part: Json, at: string): void {
  for (const key of Object.keys(part)) {
    if (!PART_FIELDS.has(camel(key))) {
      throw invalid(`Invalid JSON payload received. Unknown name "${key}" at '${at}': Cannot find field.`);
    }
  }
  if (DATA_FIELDS.every((name) => field(part, name) === undefined)) {
    throw invalid(`* GenerateContentRequest.${at}.data: required oneof field 'data' must have one initialized field\n`);
  }
}

function readSignature(view: View, part: Json): boolean {
  const signature = field(part, "thoughtSignature");
  if (signature === undefined || signature === null || signature === "") return false;
  if (SKIPS.includes(stringOf(signature)) || SKIPS.includes(Buffer.from(stringOf(signature), "base64").toString()))
    return true;
  if (!isSigned("gemini", signature)) throw invalid("Corrupted thought signature.");
  view.signedBlocks += 1;
  return true;
}

function readMedia(view: View, part: Json, at: string): void {
  const inline = objectOf(field(part, "inlineData"));
  const file = objectOf(field(part, "fileData"));
  if (field(part, "inlineData") !== undefined) {
    const mediaType = stringOf(field(inline, "mimeType"));
    if (mediaType === "") throw invalid(`* GenerateContentRequest.${at}.inline_data.mime_type: must not be empty\n`);
    seeMedia(view, kindOf(mediaType), mediaType, stringOf(inline.data));
  }
  if (field(part, "fileData") !== undefined) {
    seeReference(view, kindOf(stringOf(field(file, "mimeType"))), stringOf(field(file, "fileUri")));
  }
}

/** Reads a model's turn; gives how many functions it called. */
function readModelTurn(view: View, parts: Json[], needsSignature: boolean): string[] {
  const called: string[] = [];
  seeAssistant(view);
  for (const part of parts) {
    const call = field(part, "functionCall");
    const isSignedPart = readSignature(view, part);
    if (isObject(call)) {
      const name = stringOf(call.name);
      if (needsSignature && called.length === 0 && !isSignedPart) {
        const words =
          "This is required for tools to work correctly, and missing thought_signature may lead to degraded model performance.";
        throw invalid(
          `Function call is missing a thought_signature in functionCall parts. ${words} Additional data, function call \`default_api:${name}\`. Please refer to https://ai.google.dev/gemini-api/docs/thought-signatures for more details.`,
        );
      }
      seeCall(view, name.length + JSON.stringify(call.args ?? {}).length, called.length === 0);
      called.push(name);
    } else if (part.thought === true) seeThinking(view, stringOf(part.text), false);
    else if (typeof part.text === "string") seeAssistantText(view, part.text);
  }
  return called;
}

/** Reads a user's turn; gives how many function responses it holds. */
function readUserTurn(view: View, parts: Json[], at: string): number {
  let responses = 0;
  view.turn = "user";
  for (const [index, part] of parts.entries()) {
    const response = field(part, "functionResponse");
    if (isObject(response)) {
      if (!isObject(response.response))
        throw invalid(`* GenerateContentRequest.${at}.parts[${index}].function_response.response: must be set\n`);
      responses += 1;
      const { output, result, error } = response.response;
      const value = output ?? result ?? error ?? response.response;
      seeResult(
        view,
        stringOf(response.name),
        typeof value === "string" ? value : JSON.stringify(value),
        error !== undefined,
      );
      for (const inner of arrayOf(response.parts)) readMedia(view, objectOf(inner), at);
    } else if (typeof part.text === "string") {
      if (part.text !== "") seeUserText(view, part.text);
    } else readMedia(view, part, `${at}.parts[${index}]`);
  }
  return responses;
}

/** Where the current turn begins: the last content of the user that is no function response. */
function currentTurnStart(contents: readonly unknown[]): number {
  for (let index = contents.length - 1; index >= 0; index--) {
    const { role, parts } = objectOf(contents[index]);
    if (role === "model" || role === "function") continue;
    if (!arrayOf(parts).some((part) => field(objectOf(part), "functionResponse") !== undefined)) return index;
  }
  return 0;
}

/** Reads all contents in order; throws what Gemini would refuse. */
export function readContents(view: View, contents: readonly unknown[]): void {
  const signsCalls = view.model.includes("gemini-3");
  const turnStart = currentTurnStart(contents);
  let called: string[] = [];
  for (const [index, given] of contents.entries()) {
    const at = `contents[${index}]`;
    const entry = objectOf(given);
    const { role } = entry;
    const parts = arrayOf(entry.parts).map(objectOf);
    if (role !== undefined && role !== "user" && role !== "model" && role !== "function") {
      throw invalid("Please use a valid role: user, model.");
    }
    if (parts.length === 0) throw invalid(`* GenerateContentRequest.${at}.parts: contents.parts must not be empty.\n`);
    for (const [position, part] of parts.entries()) checkPart(part, `${at}.parts[${position}]`);
    if (role === "model") {
      if (called.length > 0) throw unanswered();
      called = readModelTurn(view, parts, signsCalls && index > turnStart);
      if (called.length > 0 && index === 0) {
        throw invalid(
          "Please ensure that function call turn comes immediately after a user turn or after a function response turn.",
        );
      }
      continue;
    }
    const responses = readUserTurn(view, parts, at);
    if (responses === 0 && called.length === 0) continue;
    if (called.length === 0)
      throw invalid("Please ensure that function response turn comes immediately after a function call turn.");
    if (responses !== called.length) throw unanswered();
    called = [];
  }
  if (called.length > 0) throw unanswered();
}

const unanswered = () =>
  invalid(
    "Please ensure that the number of function response parts is equal to the number of function call parts of the function call turn.",
  );
