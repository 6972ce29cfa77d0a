/**
 * Names and inputs of tools for formats that have neither namespaces nor free-text tools, and the way back.
 * Request encoders flatten with it; reply encoders restore from the caller's own tools what a model's call means.
 */
import { asObject, asString, type JsonObject, tryParse } from "../core/json.ts";
import type { CustomTool, FunctionTool, Tool, ToolCallPart } from "../core/request.ts";

/** The longest tool name that every format takes. */
export const MAX_TOOL_NAME_LENGTH = 64;

const SEPARATOR = "__";

/** How a tool was offered by the caller. */
export interface OfferedTool {
  name: string;
  namespace?: string;
  kind: "function" | "custom";
}

/** The two directions of a request's tool names. */
export interface ToolNames {
  /** The flat wire name of a tool, of a call in the history or of a chosen tool. */
  flatten(name: string, namespace?: string): string;
  /** What a call with this wire name was offered as; undefined when no such tool was offered. */
  restore(wireName: string): OfferedTool | undefined;
}

/**
 * The names for one request's tools. Flat names match `[a-zA-Z0-9_-]{1,64}` and depend on the tools alone, so that the
 * encoder of the request and the encoder of the reply agree without sharing state. Built in one pass; keep it for a request.
 */
export function toolNames(tools: readonly Tool[] | undefined): ToolNames {
  const byFlat = new Map<string, OfferedTool>();
  const flatOf = new Map<string, string>();
  const bare = new Map<string, OfferedTool | undefined>();
  for (const tool of tools ?? []) {
    if (tool.type === "server") continue;
    const { name, namespace, type: kind } = tool;
    const key = keyOf(name, namespace);
    if (flatOf.has(key)) continue;
    const offered: OfferedTool = namespace === undefined ? { name, kind } : { name, namespace, kind };
    const flat = unused(flatName(name, namespace), byFlat);
    byFlat.set(flat, offered);
    flatOf.set(key, flat);
    bare.set(name, bare.has(name) ? undefined : offered);
  }
  return {
    flatten(name, namespace) {
      const known = flatOf.get(keyOf(name, namespace));
      if (known !== undefined) return known;
      // A provider may put a tool that was offered without a namespace into one of its own making.
      const only = bare.get(name);
      const isMeant = only && (namespace === undefined || only.namespace === undefined);
      return (isMeant && flatOf.get(keyOf(only.name, only.namespace))) || flatName(name, namespace);
    },
    restore(wireName) {
      return byFlat.get(wireName) ?? bare.get(wireName) ?? byFlat.get(wireName.replace(".", SEPARATOR));
    },
  };
}

/**
 * The tools without namesakes, which most formats refuse: a tool that is offered again, as one that a search found, counts
 * as it was offered last.
 */
export function withoutNamesakes(tools: readonly Tool[]): Tool[] {
  const last = new Map<unknown, Tool>();
  for (const tool of tools) last.set(tool.type === "server" ? tool : keyOf(tool.name, tool.namespace), tool);
  return [...last.values()];
}

/**
 * A call as its caller has to see it: name, namespace and kind as the tool was offered, custom input unwrapped.
 * A call that already has a namespace or is custom comes from a format that has both and is returned as it is.
 */
export function restoreToolCall<Call extends Pick<ToolCallPart, "name" | "kind" | "namespace">>(
  call: Call,
  names: ToolNames,
): Call {
  if (call.kind === "custom" || call.namespace !== undefined) return call;
  const offered = names.restore(call.name);
  if (!offered) return call;
  const restored = { ...call, ...offered };
  const text = (call as { arguments?: unknown }).arguments;
  return offered.kind === "custom" && typeof text === "string"
    ? { ...restored, arguments: unwrapCustomInput(text) }
    : restored;
}

/** A free-text tool as a function with the one string argument `input`, its grammar told in the description. */
export function customToolAsFunction(tool: CustomTool): FunctionTool {
  const { type: _, grammar, description, ...shared } = tool;
  const told = [description, grammar && grammarText(grammar)].filter(Boolean).join("\n\n");
  const parameters: JsonObject = {
    type: "object",
    properties: { input: { type: "string", description: "The complete input of the tool as plain text." } },
    required: ["input"],
    additionalProperties: false,
  };
  return { ...shared, type: "function", ...(told && { description: told }), parameters };
}

function grammarText(grammar: { syntax: string; definition: string }): string {
  return `The value of \`input\` must be text that this ${grammar.syntax} grammar accepts:\n${grammar.definition}`;
}

/** Free text as the JSON arguments of the function that stands for a custom tool. */
export function wrapCustomInput(input: string): string {
  return `{"input":${JSON.stringify(input)}}`;
}

/** The free text in such arguments; arguments of another form are taken to be the text itself. */
export function unwrapCustomInput(text: string): string {
  const unwrapper = createInputUnwrapper();
  return unwrapper.push(text) + unwrapper.end();
}

/** Unwraps streamed arguments piece by piece, however they are cut. */
export interface InputUnwrapper {
  /** The free text that this piece of JSON completes. */
  push(piece: string): string;
  /** What had to be held back until all was there. */
  end(): string;
}

const MAX_OPENING_LENGTH = 64;
const OPENING = /^\s*\{\s*"input"\s*:\s*"/;
const ESCAPES: Record<string, string> = { n: "\n", t: "\t", r: "\r", b: "\b", f: "\f" };

/** An unwrapper for one call. Arguments that do not begin with `{"input": "` are held back whole and read at the end. */
export function createInputUnwrapper(): InputUnwrapper {
  let state: "opening" | "inside" | "closed" | "held" = "opening";
  let held = "";
  let pending = "";

  function inside(text: string): string {
    let out = "";
    let from = 0;
    for (let index = 0; index < text.length; index++) {
      const character = text[index] as string;
      if (pending !== "") {
        pending += character;
        from = index + 1;
        const decoded = decodeEscape(pending);
        if (decoded === undefined) continue;
        out += decoded;
        pending = "";
      } else if (character === "\\") {
        out += text.slice(from, index);
        pending = character;
        from = index + 1;
      } else if (character === '"') {
        state = "closed";
        return out + text.slice(from, index);
      }
    }
    return out + text.slice(from);
  }

  return {
    push(piece) {
      if (state === "inside") return inside(piece);
      if (state === "closed") return "";
      held += piece;
      if (state === "held") return "";
      const opening = OPENING.exec(held);
      if (!opening) {
        if (held.length > MAX_OPENING_LENGTH) state = "held";
        return "";
      }
      state = "inside";
      const started = held.slice(opening[0].length);
      held = "";
      return inside(started);
    },
    end() {
      if (held === "") return "";
      const value = tryParse(held);
      const input = typeof value === "string" ? value : asString(asObject(value)?.input);
      return input ?? (held.trim() === "{}" ? "" : held);
    },
  };
}

/** The character of a JSON escape; undefined while it is not complete. */
function decodeEscape(sequence: string): string | undefined {
  const letter = sequence[1] as string;
  if (letter !== "u") return ESCAPES[letter] ?? letter;
  if (sequence.length < 6) return undefined;
  const code = Number.parseInt(sequence.slice(2), 16);
  return Number.isNaN(code) ? "\ufffd" : String.fromCharCode(code);
}

function keyOf(name: string, namespace: string | undefined): string {
  return namespace === undefined ? name : `${namespace}\n${name}`;
}

function flatName(name: string, namespace: string | undefined): string {
  const full = namespace === undefined ? name : `${namespace}${SEPARATOR}${name}`;
  const clean = full.replace(/[^a-zA-Z0-9_-]/g, "_") || "_";
  if (clean.length <= MAX_TOOL_NAME_LENGTH) return clean;
  return shorten(clean, fingerprint(full));
}

function shorten(name: string, suffix: string): string {
  return `${name.slice(0, MAX_TOOL_NAME_LENGTH - suffix.length - 1)}_${suffix}`;
}

function unused(name: string, taken: ReadonlyMap<string, unknown>): string {
  if (!taken.has(name)) return name;
  for (let number = 2; ; number++) {
    const suffix = String(number);
    const other = name.length + suffix.length < MAX_TOOL_NAME_LENGTH ? `${name}_${suffix}` : shorten(name, suffix);
    if (!taken.has(other)) return other;
  }
}

/** FNV-1a in base 36: enough to keep long names of one request apart. */
function fingerprint(text: string): string {
  let hash = 0x811c9dc5;
  for (let index = 0; index < text.length; index++) {
    hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193);
  }
  return (hash >>> 0).toString(36);
}
