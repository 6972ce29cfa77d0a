/**
 * The neutral view of a request that every dialect's reader fills while it walks the conversation in order.
 * Plans decide from it what the simulated model says, so the same conversation gets the same answer in every dialect.
 */
import type { Json } from "./json.ts";

/** A tool the caller offers; only `function` and `custom` ones are ever called. */
export interface OfferedTool {
  name: string;
  kind: "function" | "custom";
  schema: unknown;
}

/** What the caller says about calling tools. */
export interface ToolChoice {
  mode: "auto" | "none" | "any";
  name?: string;
  allowed?: string[];
}

/** A tool's result in the request's last turn. */
export interface SeenResult {
  name: string;
  text: string;
  isError: boolean;
}

/** Everything about a request that the answer depends on. */
export interface View {
  model: string;
  stream: boolean;
  raw: string;
  body: Json;
  systemChars: number;
  chars: number;
  texts: string[];
  textIsFresh: boolean;
  rounds: number;
  media: Record<MediaKind, string[]>;
  results: SeenResult[];
  thinkingBlocks: number;
  signedBlocks: number;
  tools: OfferedTool[];
  choice: ToolChoice;
  parallel: boolean;
  maxTokens: number | undefined;
  stops: string[];
  format: { schema: unknown } | undefined;
  thinks: boolean;
  choices: number;
  cacheRead: number;
  cacheWrite5m: number;
  cacheWrite1h: number;
  turn: "start" | "user" | "assistant";
}

/** The kinds of media a request may hold. */
export type MediaKind = "images" | "files" | "audio" | "video";

const MEDIA_TOKENS = 258;

/** A view of nothing yet, with the defaults that all dialects share. */
export function createView(raw: string, body: Json, model: string): View {
  return {
    model,
    stream: false,
    raw,
    body,
    systemChars: 0,
    chars: 0,
    texts: [],
    textIsFresh: false,
    rounds: 0,
    media: { images: [], files: [], audio: [], video: [] },
    results: [],
    thinkingBlocks: 0,
    signedBlocks: 0,
    tools: [],
    choice: { mode: "auto" },
    parallel: true,
    maxTokens: undefined,
    stops: [],
    format: undefined,
    thinks: false,
    choices: 1,
    cacheRead: 0,
    cacheWrite5m: 0,
    cacheWrite1h: 0,
    turn: "start",
  };
}

/** Notes a system (or developer) text. */
export function seeSystem(view: View, text: string): void {
  view.systemChars += text.length;
  view.chars += text.length;
}

/** Notes a text of the user. */
export function seeUserText(view: View, text: string): void {
  view.chars += text.length;
  if (!view.textIsFresh) view.texts = [];
  view.texts.push(text);
  view.textIsFresh = true;
  view.rounds = 0;
  view.turn = "user";
}

/** Notes that an assistant turn begins: what the user said before is no longer fresh. */
export function seeAssistant(view: View): void {
  if (view.turn === "assistant") return;
  view.turn = "assistant";
  view.textIsFresh = false;
  view.results = [];
}

/** Notes a text of the assistant. */
export function seeAssistantText(view: View, text: string): void {
  seeAssistant(view);
  view.chars += text.length;
}

/** Notes a call of the assistant; the first one of a turn counts as a round. */
export function seeCall(view: View, size: number, isFirstOfTurn: boolean): void {
  seeAssistant(view);
  view.chars += size;
  if (isFirstOfTurn) view.rounds += 1;
}

/** Notes a tool's result. */
export function seeResult(view: View, name: string, text: string, isError = false): void {
  view.turn = "user";
  view.chars += text.length;
  view.results.push({ name, text, isError });
}

/** Notes a thinking block that came back, and whether it bore a signature. */
export function seeThinking(view: View, text: string, isSigned: boolean): void {
  seeAssistant(view);
  view.chars += text.length;
  view.thinkingBlocks += 1;
  if (isSigned) view.signedBlocks += 1;
}

/** Notes inline media: its type and how many bytes its base64 stands for. */
export function seeMedia(view: View, kind: MediaKind, mediaType: string, base64: string): void {
  const padding = base64.endsWith("==") ? 2 : base64.endsWith("=") ? 1 : 0;
  const bytes = Math.max(0, Math.floor((base64.length * 3) / 4) - padding);
  view.chars += MEDIA_TOKENS * 4;
  view.media[kind].push(`${mediaType} ${bytes} bytes`);
}

/** Notes media given by reference: a URL or a file's id. */
export function seeReference(view: View, kind: MediaKind, reference: string): void {
  const inline = /^data:([^;,]*)[^,]*;base64,/.exec(reference);
  if (inline !== null) {
    seeMedia(view, kind, inline[1] ?? "", reference.slice(inline[0].length));
    return;
  }
  view.chars += MEDIA_TOKENS * 4;
  view.media[kind].push(reference);
}

/** The kind of media that a MIME type names. */
export function kindOf(mediaType: string): MediaKind {
  if (mediaType.startsWith("image/")) return "images";
  if (mediaType.startsWith("audio/")) return "audio";
  return mediaType.startsWith("video/") ? "video" : "files";
}

/** Prompt tokens: every 4 characters of text, tools and instructions, and 258 for each medium. */
export const promptTokens = (view: View): number => Math.max(1, Math.ceil(view.chars / 4));

/** Notes a tool that is offered. */
export function seeTool(view: View, name: string, kind: OfferedTool["kind"], schema: unknown, size: number): void {
  view.tools.push({ name, kind, schema });
  view.chars += size;
}
