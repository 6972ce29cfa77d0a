/**
 * Writes canonical events as a Messages event stream for a caller: blocks strictly one after the other.
 * `convert` feeds it event by event; keep-alives are written beside it.
 */
import type { GatewayError } from "../../core/error.ts";
import type { CanonicalEvent, Finish, PartStart } from "../../core/event.ts";
import { asArray, asString, type JsonObject } from "../../core/json.ts";
import type { Extras, Signature } from "../../core/request.ts";
import { createSequencer } from "../../core/sequence.ts";
import { carrySignature, UNSIGNED } from "../../core/signature.ts";
import type { Usage } from "../../core/usage.ts";
import type { EncodeContext, StreamEncoder } from "../dialect.ts";
import { restoreToolCall, type ToolNames, toolNames } from "../tool-names.ts";
import { urlCitation } from "./blocks-encode.ts";
import { encodeStreamError } from "./error.ts";
import { encodeFinish, isAtEnd } from "./finish.ts";
import { callName, encodeReplyPart, messageId } from "./reply.ts";
import { encodeUsage } from "./usage.ts";
import { ASSEMBLED_INPUT, OWN, wireFields, wireToolId } from "./wire.ts";

type Told = Exclude<CanonicalEvent, { type: "error" }>;
type PartEvent = Extract<Told, { part: number }>;

const STOP = 'event: message_stop\ndata: {"type":"message_stop"}\n\n';

/** The part that is being written. */
interface Block {
  start: PartStart;
  /** Whether the thinking's signature is out. */
  signed: boolean;
  /** Whether `content_block_start` is out. A call waits for a second event: a signature must stand before it. */
  written: boolean;
  held: string;
  /** What was said, for the citations that quote it. */
  text: string;
}

/** An encoder for one stream. */
export function createStreamEncoder(context: EncodeContext): StreamEncoder {
  return new MessagesStream(context);
}

class MessagesStream implements StreamEncoder {
  private readonly sequence = createSequencer();
  private readonly blocks = new BlockWriter();
  private readonly context: EncodeContext;
  private readonly names: ToolNames;
  private opening: Extract<Told, { type: "message-start" }> | undefined;
  private usage: Usage | undefined;
  private usageExtras: Extras | undefined;
  private block: Block | undefined;
  private hasCalls = false;
  private refused = false;
  private ended = false;

  constructor(context: EncodeContext) {
    this.context = context;
    this.names = toolNames(context.request.tools);
  }

  event(event: Told): string {
    if (this.ended) return "";
    if (event.type === "message-start") {
      // Waits for the next event, which may be the usage that belongs into it.
      this.opening = event;
      return "";
    }
    if (event.type === "usage") {
      this.usage = event.usage;
      this.usageExtras = event.extras ?? this.usageExtras;
      return this.open();
    }
    if (event.choice !== 0) return "";
    let out = this.opening ? this.open() : "";
    for (const ready of this.sequence(event)) {
      if ("part" in ready) out += this.onPart(ready);
      else if (ready.type === "message-end") out += this.messageDelta(ready.finish, ready.extras);
    }
    return out;
  }

  end(): string {
    return this.open() + (this.ended ? STOP : this.messageDelta({ reason: "other" }, undefined) + STOP);
  }

  error(error: GatewayError): string {
    return this.open() + encodeStreamError(error, this.context.id);
  }

  private open(): string {
    if (!this.opening) return "";
    const { id, extras } = this.opening;
    this.opening = undefined;
    const message = {
      id: messageId(id, this.context),
      type: "message",
      role: "assistant",
      model: this.context.model,
      content: [],
      stop_reason: null,
      stop_sequence: null,
      stop_details: null,
      container: null,
      usage: encodeUsage(this.usage, this.usageExtras),
      ...wireFields(extras?.[OWN]),
    };
    return `event: message_start\ndata: {"type":"message_start","message":${JSON.stringify(message)}}\n\n`;
  }

  private messageDelta(finish: Finish, extras: Extras | undefined): string {
    this.ended = true;
    const { context_management, ...own } = wireFields(extras?.[OWN]);
    const ending = encodeFinish(finish, this.hasCalls, this.refused);
    const change = JSON.stringify({ ...ending, stop_details: null, container: null, ...own });
    const more = context_management === undefined ? "" : `,"context_management":${JSON.stringify(context_management)}`;
    const counts = JSON.stringify(encodeUsage(this.usage, this.usageExtras));
    return `event: message_delta\ndata: {"type":"message_delta","delta":${change},"usage":${counts}${more}}\n\n`;
  }

  private onPart(event: PartEvent): string {
    if (event.type === "part-start") return this.partStart(event.start);
    const { block, blocks } = this;
    if (event.type === "part") {
      if (event.value.type === "tool-call") this.hasCalls = true;
      return encodeReplyPart(event.value, this.names)
        .map((value) => blocks.whole(value))
        .join("");
    }
    if (!block) return "";
    switch (event.type) {
      case "text-delta":
        block.text += event.text;
        return event.text === "" ? "" : blocks.delta("text_delta", "text", JSON.stringify(event.text));
      case "thinking-delta":
        return event.text === "" ? "" : blocks.delta("thinking_delta", "thinking", JSON.stringify(event.text));
      case "audio-delta":
        return event.transcript ? blocks.delta("text_delta", "text", JSON.stringify(event.transcript)) : "";
      case "tool-call-delta":
        if (block.written) return this.argumentsDelta(block, event.arguments);
        if (block.held !== "") return this.release(block) + this.argumentsDelta(block, event.arguments);
        block.held = event.arguments;
        return "";
      case "annotation":
        return blocks.delta("citations_delta", "citation", JSON.stringify(urlCitation(event.annotation, block.text)));
      case "signature":
        return this.onSignature(block, event.signature);
      case "part-end":
        return this.partEnd(block, event.extras);
    }
  }

  private partStart(start: PartStart): string {
    this.block = { start, written: true, signed: false, held: "", text: "" };
    const own = wireFields(start.extras?.[OWN]);
    switch (start.type) {
      case "text":
        return this.blocks.start({ type: "text", text: "", ...own });
      case "refusal":
        this.refused = true;
        if (isAtEnd(start)) {
          this.block = undefined;
          return "";
        }
        return this.blocks.start({ type: "text", text: "" });
      case "audio":
        return this.blocks.start({ type: "text", text: "" });
      case "thinking":
        return this.blocks.start({ type: "thinking", thinking: "", signature: "", ...own });
      case "tool-call":
        this.hasCalls = true;
        this.block = { start: restoreToolCall(start, this.names), written: false, signed: false, held: "", text: "" };
        return "";
    }
  }

  /** Writes the start of a call with what was held back of its arguments. */
  private release(block: Block): string {
    if (block.written || block.start.type !== "tool-call") return "";
    const { id, kind, extras } = block.start;
    block.written = true;
    const name = callName(block.start, this.names);
    const own = wireFields(extras?.[OWN]);
    const begin = this.blocks.start({ type: "tool_use", id: wireToolId(id), name, input: {}, ...own });
    const opening = kind === "custom" ? this.blocks.inputDelta('{"input":"') : "";
    return begin + opening + this.argumentsDelta(block, block.held);
  }

  private argumentsDelta({ start }: Block, text: string): string {
    const isCustom = start.type === "tool-call" && start.kind === "custom";
    return this.blocks.inputDelta(isCustom ? JSON.stringify(text).slice(1, -1) : text);
  }

  private onSignature(block: Block, signature: Signature): string {
    if (block.start.type === "thinking") {
      block.signed = true;
      return this.blocks.signatureDelta(signature);
    }
    // Too late once the call is out; texts need no signature.
    if (block.written || signature.origin === OWN) return "";
    const begin = this.blocks.start({ type: "thinking", thinking: "", signature: "" });
    return begin + this.blocks.signatureDelta(signature) + this.blocks.stop() + this.release(block);
  }

  private partEnd(block: Block, extras: Extras | undefined): string {
    this.block = undefined;
    let out = this.release(block);
    if (block.start.type === "thinking" && !block.signed) out += this.blocks.signatureDelta(UNSIGNED);
    if (block.start.type === "tool-call" && block.start.kind === "custom") out += this.blocks.inputDelta('"}');
    for (const citation of asArray(extras?.[OWN]?.citations)) {
      out += this.blocks.delta("citations_delta", "citation", JSON.stringify(citation));
    }
    return out + this.blocks.stop();
  }
}

/** Writes the events of content blocks and counts their indexes. */
class BlockWriter {
  private index = 0;

  start(value: JsonObject): string {
    return `event: content_block_start\ndata: {"type":"content_block_start","index":${this.index},"content_block":${JSON.stringify(value)}}\n\n`;
  }

  stop(): string {
    return `event: content_block_stop\ndata: {"type":"content_block_stop","index":${this.index++}}\n\n`;
  }

  /** `json` is the field's value as JSON text. */
  delta(type: string, field: string, json: string): string {
    return `event: content_block_delta\ndata: {"type":"content_block_delta","index":${this.index},"delta":{"type":"${type}","${field}":${json}}}\n\n`;
  }

  inputDelta(text: string): string {
    return text === "" ? "" : this.delta("input_json_delta", "partial_json", JSON.stringify(text));
  }

  signatureDelta(signature: Signature): string {
    return this.delta("signature_delta", "signature", JSON.stringify(carrySignature(signature, OWN)));
  }

  /** A block that comes whole, in the form in which the API streams it. */
  whole(value: JsonObject): string {
    const type = asString(value.type) ?? "";
    if (type === "tool_use" || ASSEMBLED_INPUT.has(type)) {
      const input = JSON.stringify(value.input ?? {});
      return this.start({ ...value, input: {} }) + (input === "{}" ? "" : this.inputDelta(input)) + this.stop();
    }
    if (type === "text") {
      const begin = this.start({ ...value, text: "" });
      return begin + this.delta("text_delta", "text", JSON.stringify(value.text)) + this.stop();
    }
    if (type === "thinking") {
      const begin = this.start({ ...value, thinking: "", signature: "" });
      const text = value.thinking ? this.delta("thinking_delta", "thinking", JSON.stringify(value.thinking)) : "";
      const proof = value.signature ? this.delta("signature_delta", "signature", JSON.stringify(value.signature)) : "";
      return begin + text + proof + this.stop();
    }
    if (type === "compaction") return this.compaction(value);
    return this.start(value) + this.stop();
  }

  private compaction({ type, ...fields }: JsonObject): string {
    const empty = Object.fromEntries(Object.keys(fields).map((key) => [key, null]));
    const begin = this.start({ type, ...empty });
    const change = JSON.stringify({ type: "compaction_delta", ...fields });
    const data = `{"type":"content_block_delta","index":${this.index},"delta":${change}}`;
    return `${begin}event: content_block_delta\ndata: ${data}\n\n${this.stop()}`;
  }
}
