/**
 * Streams in both directions: an upstream's frames to canonical events, canonical events to what a caller reads.
 * Runs on every chunk. Google's clients accept nothing between the chunks but line breaks: no comments, no `event:`, no `[DONE]`.
 */
import type { CanonicalEvent } from "../../core/event.ts";
import type { SseFrame } from "../../core/frame.ts";
import { asObject, type JsonObject, tryParse } from "../../core/json.ts";
import { mergeExtras } from "../../core/reply.ts";
import type { ToolCallPart } from "../../core/request.ts";
import type { DecodeContext, EncodeContext, Framing, StreamDecoder, StreamEncoder } from "../dialect.ts";
import { isServerPart } from "../server-tools.ts";
import { type ToolNames, toolNames } from "../tool-names.ts";
import { encodeStreamError } from "./error.ts";
import { type Note, writeGrounding } from "./grounding.ts";
import { writeLogprobs } from "./logprobs.ts";
import {
  callPart,
  endFields,
  finishWord,
  isCutOff,
  isPromptBlocked,
  ownOf,
  signed,
  textPart,
  wholePart,
} from "./part-encode.ts";
import { ReplyDecoder } from "./reply-decode.ts";
import { noteSearch, type Searches } from "./server-parts.ts";
import { encodeUsage } from "./usage.ts";

/** Decodes one stream of frames, server-sent events or elements of a JSON array alike. */
export function streamDecoder(context: DecodeContext): StreamDecoder {
  const decoder = new ReplyDecoder(context, true);
  return {
    frame: (frame: SseFrame) => decoder.chunk(tryParse(frame.data)),
    end: () => decoder.finish(false),
  };
}

type PartEvent = Extract<CanonicalEvent, { part: number }>;
type Start = Extract<CanonicalEvent, { type: "part-start" }>["start"];

/** A part that is being written. */
interface WritingPart {
  start: Start;
  /** Kept for citations, which count in it, and for a call's arguments, which are written whole. */
  text: string;
  wasWritten: boolean;
  signature?: ToolCallPart["signature"];
}

interface WritingChoice {
  parts: Map<number, WritingPart>;
  readonly searches: Searches;
  notes: { part: WritingPart; annotation: Note["annotation"] }[];
  tokens: Parameters<typeof writeLogprobs>[0][number][];
  /** Calls whose arguments were no whole JSON object: written at the end unless the answer was cut off. */
  unsure: JsonObject[];
  hasCalls: boolean;
}

/** Encodes one stream as server-sent events or as one JSON array. */
export function streamEncoder(context: EncodeContext, framing: Framing): StreamEncoder {
  return new Encoder(context, framing);
}

class Encoder implements StreamEncoder {
  private readonly context: EncodeContext;
  private readonly framing: Framing;
  private readonly names: ToolNames;
  private readonly choices = new Map<number, WritingChoice>();
  /** The fields that close every chunk. */
  private tail: string;
  /** Fields of the response that stand in the first chunk only, as JSON with a comma before. */
  private once = "";
  private usage = "";
  private isFirst = true;

  constructor(context: EncodeContext, framing: Framing) {
    this.context = context;
    this.framing = framing;
    this.names = toolNames(context.request.tools);
    this.tail = this.tailFor(context.id);
  }

  event(event: Exclude<CanonicalEvent, { type: "error" }>): string {
    switch (event.type) {
      case "message-start": {
        const own = ownOf(event.extras);
        if (own && event.id) this.tail = this.tailFor(event.id);
        if (own && Object.keys(own).length > 0) this.once = `,${JSON.stringify(own).slice(1, -1)}`;
        return "";
      }
      case "usage":
        this.usage = `,"usageMetadata":${JSON.stringify(encodeUsage(event.usage, ownOf(event.extras)))}`;
        return "";
      case "logprobs":
        if (event.kind === "content") this.choice(event.choice).tokens.push(...event.tokens);
        return "";
      case "message-end":
        return this.last(event);
      case "part":
        if (isServerPart(event.value)) noteSearch(this.choice(event.choice).searches, event.value);
        return this.part(event.choice, wholePart(event.value));
      default:
        return this.growing(event);
    }
  }

  end(): string {
    if (this.framing === "sse") return "";
    return this.isFirst ? "[]" : "\r\n]";
  }

  error(error: Parameters<StreamEncoder["error"]>[0]): string {
    return encodeStreamError(error, this.context.id, this.framing, this.isFirst);
  }

  private tailFor(id: string): string {
    return `,"modelVersion":${JSON.stringify(this.context.model)},"responseId":${JSON.stringify(id)}`;
  }

  private choice(number: number): WritingChoice {
    let choice = this.choices.get(number);
    if (!choice) {
      const searches = { queries: [], pages: [] };
      choice = { parts: new Map(), searches, notes: [], tokens: [], unsure: [], hasCalls: false };
      this.choices.set(number, choice);
    }
    return choice;
  }

  /** One chunk, framed. `fields`: the response's own, as the inside of a JSON object. */
  private write(fields: string): string {
    const separator = fields === "" ? this.once.slice(1) : fields + this.once;
    const inside = separator + this.usage + this.tail;
    this.once = "";
    const text = `{${inside.startsWith(",") ? inside.slice(1) : inside}}`;
    const first = this.isFirst;
    this.isFirst = false;
    if (this.framing === "sse") return `data: ${text}\r\n\r\n`;
    return first ? `[${text}` : `\r\n,${text}`;
  }

  private part(choice: number, part: JsonObject | undefined): string {
    return part ? this.partText(choice, JSON.stringify(part)) : "";
  }

  private partText(choice: number, part: string): string {
    return this.write(`"candidates":[{"content":{"parts":[${part}],"role":"model"},"index":${choice}}]`);
  }

  private growing(event: Exclude<PartEvent, { type: "part" }>): string {
    const choice = this.choice(event.choice);
    if (event.type === "part-start") {
      choice.parts.set(event.part, { start: event.start, text: "", wasWritten: false });
      return "";
    }
    const part = choice.parts.get(event.part);
    if (!part) return "";
    switch (event.type) {
      case "text-delta":
      case "thinking-delta": {
        if (event.text === "") return "";
        part.text += event.text;
        part.wasWritten = true;
        const mark = part.start.type === "thinking" ? ',"thought":true' : "";
        return this.partText(event.choice, `{"text":${JSON.stringify(event.text)}${mark}}`);
      }
      case "tool-call-delta":
        part.text += event.arguments;
        return "";
      case "audio-delta":
        return this.audio(event, part);
      case "annotation":
        choice.notes.push({ part, annotation: event.annotation });
        return "";
      case "signature":
        part.signature = event.signature;
        return "";
      case "part-end":
        return this.ended(event, part, choice);
    }
  }

  private audio(event: Extract<PartEvent, { type: "audio-delta" }>, { start }: WritingPart): string {
    const mimeType = start.type === "audio" ? start.mediaType : "";
    const sound = event.data ? this.part(event.choice, { inlineData: { mimeType, data: event.data } }) : "";
    return event.transcript ? sound + this.part(event.choice, { text: event.transcript }) : sound;
  }

  /** What a part still has to say: a call as a whole, the signature and the own fields of a text. */
  private ended(event: Extract<PartEvent, { type: "part-end" }>, part: WritingPart, choice: WritingChoice): string {
    const { start, signature } = part;
    const extras = mergeExtras(start.extras, event.extras);
    if (start.type === "tool-call") {
      const call = callPart({ ...start, arguments: part.text, signature, extras }, this.names, !choice.hasCalls);
      choice.hasCalls = true;
      if (call.complete) return this.part(event.choice, call.part);
      choice.unsure.push(call.part);
      return "";
    }
    const own = ownOf(extras);
    if (start.type === "audio" || (!signature && !own)) return "";
    return this.part(event.choice, { ...own, ...textPart("", start.type === "thinking"), ...signed(signature) });
  }

  private last(event: Extract<CanonicalEvent, { type: "message-end" }>): string {
    const choice = this.choice(event.choice);
    const { candidate: fields, response } = endFields(event.extras);
    const whole = Object.keys(response).length > 0 ? JSON.stringify(response).slice(1, -1) : "";
    if (isPromptBlocked(event.finish)) return this.write(whole);
    const isCut = choice.unsure.length > 0 && isCutOff(event.finish);
    const parts = isCut || choice.unsure.length === 0 ? [{ text: "" }] : choice.unsure;
    const grounding =
      fields.groundingMetadata === undefined ? writeGrounding(placed(choice), choice.searches) : undefined;
    const candidate = {
      content: { ...asObject(ownOf(event.extras)?.content), parts, role: "model" },
      finishReason: finishWord(event.finish, isCut),
      index: event.choice,
      ...(choice.tokens.length > 0 && { logprobsResult: writeLogprobs(choice.tokens) }),
      ...(grounding && { groundingMetadata: grounding }),
      ...fields,
    };
    return this.write(`"candidates":[${JSON.stringify(candidate)}]${whole === "" ? "" : `,${whole}`}`);
  }
}

/** The citations with their places in all of the text. */
function placed({ parts, notes }: WritingChoice): Note[] {
  const befores = new Map<WritingPart, number>();
  let bytes = 0;
  for (const part of notes.length > 0 ? parts.values() : []) {
    befores.set(part, bytes);
    if (part.start.type === "text") bytes += Buffer.byteLength(part.text);
  }
  return notes.map(({ part, annotation }) => ({ annotation, text: part.text, before: befores.get(part) ?? 0 }));
}
