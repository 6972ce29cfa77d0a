/**
 * Writes canonical parts as content blocks of a Messages request.
 * A part of request encoding; what the API cannot take is named a loss and left out.
 */
import { asArray, type JsonObject } from "../../core/json.ts";
import type { Losses } from "../../core/loss.ts";
import type { Annotation, Extras, MediaSource, Message, Part, TextPart, ToolResultPart } from "../../core/request.ts";
import { loseForeignExtras } from "../dialect.ts";
import { parseArguments } from "../partial-json.ts";
import { inWords, ownForm, type ServerPart } from "../server-tools.ts";
import { textOf } from "../text-media.ts";
import { type ToolNames, wrapCustomInput } from "../tool-names.ts";
import { encodeServerBlock, NO_CIPHER } from "./server-blocks.ts";
import { OWN, wireFields, wireToolId, writeMark } from "./wire.ts";

/** What the encoder of a part may use. */
export interface BlockScope {
  readonly losses: Losses;
  readonly names: ToolNames;
  /** Calls of other providers' own tools that may stand here as the API's. */
  readonly replayable?: ReadonlySet<string>;
}

/** The blocks of these parts, in their order. */
export function encodeParts(parts: readonly Part[], role: Message["role"], scope: BlockScope): JsonObject[] {
  const blocks: JsonObject[] = [];
  for (const part of parts) {
    const block = encodePart(part, role, scope);
    if (block) blocks.push(block);
  }
  return blocks;
}

/** The block of a part, or undefined where there is nothing to send. */
function encodePart(part: Part, role: Message["role"], scope: BlockScope): JsonObject | undefined {
  switch (part.type) {
    case "text":
      return encodeText(part, scope);
    case "refusal":
      return part.text.trim() === "" ? undefined : { type: "text", text: part.text, ...base(part, scope) };
    case "thinking":
      return encodeThinking(part, scope);
    case "tool-call": {
      const input = part.kind === "custom" ? wrapCustomInput(part.arguments) : part.arguments;
      return {
        type: "tool_use",
        id: wireToolId(part.id),
        name: scope.names.flatten(part.name, part.namespace),
        input: parseArguments(input).value,
        ...base(part, scope),
      };
    }
    case "tool-result":
      return encodeResult(part, scope);
    case "image":
    case "file":
      return encodeMedia(part, role, scope);
    case "audio":
      scope.losses.add("messages.audio", part.transcript === undefined ? "dropped" : "altered");
      return part.transcript ? { type: "text", text: part.transcript } : undefined;
    case "server-call":
    case "server-result":
      return encodeServerPart(part, scope);
    case "opaque":
      if (part.dialect === OWN) return part.value;
      scope.losses.add(`messages.${typeof part.value.type === "string" ? part.value.type : "part"}`);
      return undefined;
  }
}

function encodeServerPart(part: ServerPart, { losses, replayable }: BlockScope): JsonObject {
  const id = part.type === "server-call" ? part.id : part.callId;
  if (ownForm(part, OWN) || replayable?.has(id)) return encodeServerBlock(part);
  return { type: "text", text: inWords(part, losses) };
}

function base(part: { cache?: Part["cache"]; extras?: Extras }, { losses }: BlockScope): JsonObject {
  const own = part.extras && loseForeignExtras(part.extras, OWN, losses, "messages");
  return part.cache ? { cache_control: writeMark(part.cache), ...wireFields(own) } : wireFields(own);
}

/** A text block. The API refuses texts that are only white space, so they are left out. */
function encodeText(part: TextPart, scope: BlockScope): JsonObject | undefined {
  if (part.text.trim() === "") return undefined;
  const { citations, ...fields } = base(part, scope);
  const written = [...asArray(citations), ...encodeAnnotations(part.annotations, scope)];
  return { type: "text", text: part.text, ...(written.length > 0 && { citations: written }), ...fields };
}

/** Only citations that came from here can go back: the API wants its own encrypted index. */
function encodeAnnotations(annotations: readonly Annotation[] | undefined, { losses }: BlockScope): JsonObject[] {
  const written: JsonObject[] = [];
  for (const annotation of annotations ?? []) {
    const own = annotation.extras?.[OWN];
    if (own?.encrypted_index === undefined) losses.add("messages.annotations");
    else written.push(urlCitation(annotation));
  }
  return written;
}

/** A citation of a web page in the API's form, for requests and replies. */
export function urlCitation(annotation: Annotation, text = ""): JsonObject {
  return {
    type: "web_search_result_location",
    cited_text: annotation.cited ?? text.slice(annotation.start ?? 0, annotation.end ?? 0),
    url: annotation.url,
    title: annotation.title ?? null,
    encrypted_index: NO_CIPHER,
    ...annotation.extras?.[OWN],
  };
}

function encodeThinking(part: Extract<Part, { type: "thinking" }>, scope: BlockScope): JsonObject | undefined {
  const { signature, text } = part;
  if (signature?.origin !== OWN) {
    if (signature || text) scope.losses.add("messages.thinking");
    return undefined;
  }
  if (part.redacted) return { type: "redacted_thinking", data: signature.value, ...base(part, scope) };
  return { type: "thinking", thinking: text, signature: signature.value, ...base(part, scope) };
}

function encodeResult(part: ToolResultPart, scope: BlockScope): JsonObject {
  const blocks = encodeParts(part.content, "tool", scope);
  const content = plainText(blocks) ?? (blocks.length > 0 ? blocks : undefined);
  return {
    type: "tool_result",
    tool_use_id: wireToolId(part.callId),
    ...(content !== undefined && { content }),
    ...(part.isError && { is_error: true }),
    ...base(part, scope),
  };
}

/** The text of content that is one plain text block, for which a string says the same. */
export function plainText(blocks: readonly JsonObject[]): string | undefined {
  const [only, ...others] = blocks;
  if (!only || others.length > 0 || only.type !== "text" || Object.keys(only).length > 2) return undefined;
  return only.text as string;
}

function encodeMedia(
  part: Extract<Part, { type: "image" | "file" }>,
  role: Message["role"],
  scope: BlockScope,
): JsonObject | undefined {
  const source = role === "assistant" ? undefined : encodeSource(part.source, part.type === "image");
  if (!source) {
    scope.losses.add(`messages.${part.type}`);
    return undefined;
  }
  if (part.type === "image" && part.detail && part.detail !== "auto") scope.losses.add("messages.detail");
  if (source.kind === "image") return { type: "image", source: source.value, ...base(part, scope) };
  const filename = part.type === "file" ? part.filename : undefined;
  const title = filename === undefined ? {} : { title: filename };
  return { type: "document", source: source.value, ...title, ...base(part, scope) };
}

type WireSource = { kind: "image" | "document"; value: JsonObject };

function encodeSource(source: MediaSource, isImage: boolean): WireSource | undefined {
  const kind = isImage ? "image" : "document";
  switch (source.type) {
    case "file-id":
      return source.origin === OWN ? { kind, value: { type: "file", file_id: source.id } } : undefined;
    case "text":
      return isImage ? undefined : textSource(source.text);
    case "url":
      return encodeUrl(source.url, source.mediaType, kind);
    case "base64":
      return encodeBase64(source.data, source.mediaType, kind);
  }
}

function encodeUrl(url: string, mediaType: string | undefined, kind: WireSource["kind"]): WireSource | undefined {
  const data = /^data:([^;,]*)[^,]*;base64,/i.exec(url.slice(0, 200));
  if (data) return encodeBase64(url.slice(data[0].length), data[1] || "text/plain", kind);
  if (!/^https?:/i.test(url) || /^(?:audio|video)\//.test(mediaType ?? "")) return undefined;
  return { kind: mediaType?.startsWith("image/") ? "image" : kind, value: { type: "url", url } };
}

/** The API takes no other images. */
const IMAGE_TYPES: ReadonlySet<string> = new Set(["image/jpeg", "image/png", "image/gif", "image/webp"]);

function encodeBase64(data: string, mediaType: string, kind: WireSource["kind"]): WireSource | undefined {
  const bare = (mediaType.split(";")[0] as string).trim().toLowerCase();
  const media_type = bare === "image/jpg" ? "image/jpeg" : bare;
  const value = { type: "base64", media_type, data };
  if (IMAGE_TYPES.has(media_type)) return { kind: "image", value };
  if (kind === "image") return undefined;
  if (media_type === "application/pdf") return { kind, value };
  const text = textOf({ type: "base64", data, mediaType });
  return text === undefined ? undefined : textSource(text);
}

function textSource(text: string): WireSource | undefined {
  return text === "" ? undefined : { kind: "document", value: { type: "text", media_type: "text/plain", data: text } };
}
