/**
 * Turns the chunks of an answer into canonical events, whether they come as a stream, as an array or as one document.
 * `stream.ts` and `reply.ts` feed it; it holds what has to wait for the end: finish reasons, citations, unfinished calls.
 */
import type { CanonicalEvent, Finish, PartStart } from "../../core/event.ts";
import { asArray, asNumber, asObject, asString, type Json, type JsonObject } from "../../core/json.ts";
import type { DecodeContext } from "../dialect.ts";
import { readFailure } from "./error.ts";
import { readGrounding, webSearches } from "./grounding.ts";
import { others } from "./keys.ts";
import { readLogprobs } from "./logprobs.ts";
import { decodeMedia, ownExtras } from "./media.ts";
import { PartialArguments } from "./partial-args.ts";
import { CodeCalls, decodeSearch } from "./server-parts.ts";
import { readThoughtSignature } from "./signature.ts";
import { decodeUsage, hasCounts, usageExtras } from "./usage.ts";
import { finishReason, GEMINI, MADE_ID_PREFIX } from "./wire.ts";

interface OpenPart {
  type: "text" | "thinking" | "tool-call";
  number: number;
  /** What was said so far; citations count in it. */
  text: string;
  /** A signature ends a text: what follows is another part. */
  isSealed: boolean;
  extras: JsonObject;
  /** Set while a call's arguments are being streamed. */
  partial?: PartialArguments;
}

interface ChoiceState {
  number: number;
  parts: number;
  open?: OpenPart;
  finish?: Json;
  hasCalls: boolean;
  /** Fields of the candidate that the canon has no place for. */
  extras: JsonObject;
}

const TOP_KNOWN = new Set(["candidates", "usageMetadata", "modelVersion", "responseId", "error"]);
const CANDIDATE_KNOWN = new Set(["content", "index", "finishReason"]);
const CONTENT_KNOWN = new Set(["parts", "role"]);
const CALL_KNOWN = new Set(["name", "args", "id", "partialArgs", "willContinue"]);
const TEXT_KNOWN = new Set(["text", "thought", "thoughtSignature"]);
const MEDIA_KNOWN = new Set(["inlineData", "fileData", "thought"]);
const CALL_PART_KNOWN = new Set(["functionCall", "thoughtSignature", "thought"]);

/** Of these, each chunk brings its own share; of all other fields the last one counts. */
const SUMMED = new Set(["citationMetadata", "logprobsResult"]);

/** The request's id as it may stand in a call's id everywhere: short, and of harmless characters. */
function idStem(id: string): string {
  return id.replace(/[^a-zA-Z0-9]/g, "").slice(-32);
}

/** Decodes one answer. Never throws; after an error it says nothing more. */
export class ReplyDecoder {
  private events: CanonicalEvent[] = [];
  private readonly choices = new Map<number, ChoiceState>();
  private readonly context: DecodeContext;
  /** Whether pieces of text are continued from chunk to chunk; in a single document each part stands for itself. */
  private readonly merges: boolean;
  private started = false;
  private failed = false;
  private calls = 0;
  private readonly code: CodeCalls;
  private usage: JsonObject | undefined;
  private startFields: JsonObject = {};
  private lateFields: JsonObject | undefined;

  constructor(context: DecodeContext, merges: boolean) {
    this.context = context;
    this.merges = merges;
    this.code = new CodeCalls(`${MADE_ID_PREFIX}s${idStem(context.id)}_`);
  }

  /** The events of one chunk. */
  chunk(value: Json | undefined): CanonicalEvent[] {
    this.events = [];
    for (const one of Array.isArray(value) ? value : [value]) this.one(asObject(one));
    return this.events;
  }

  /** What was held back. `isWhole`: the answer came as one document, so a missing finish reason is no sign of a broken stream. */
  finish(isWhole: boolean): CanonicalEvent[] {
    this.events = [];
    if (this.failed) return this.events;
    const blocked = asString(asObject(this.startFields.promptFeedback ?? this.lateFields?.promptFeedback)?.blockReason);
    const states = [...this.choices.values()].sort((a, b) => a.number - b.number);
    if (states.length === 0 && blocked !== undefined) states.push(this.choice(0));
    const isFinished = blocked !== undefined || states.some((state) => state.finish !== undefined);
    if (!isFinished && !(isWhole && states.length > 0)) {
      const message = isWhole ? "The answer holds no candidate." : "The stream ended before the answer was complete.";
      this.fail({ message, code: isWhole ? "empty_answer" : "incomplete_stream" }, 502);
      return this.events;
    }
    let searches = 0;
    for (const state of states) {
      const grounding = asObject(state.extras.groundingMetadata);
      searches += webSearches(grounding);
      this.close(state, true);
      for (const part of decodeSearch(grounding, () => this.code.next()) ?? []) this.whole(state, part);
    }
    if (searches > 0 && this.usage) this.emitUsage(searches);
    for (const [index, state] of states.entries()) this.end(state, blocked, index === 0);
    return this.events;
  }

  private fail(error: Json | undefined, status?: number): void {
    this.failed = true;
    this.events.push({ type: "error", failure: readFailure(error, status) });
  }

  private one(chunk: JsonObject | undefined): void {
    if (!chunk || this.failed) return;
    if (chunk.error !== undefined && chunk.error !== null) {
      this.fail(chunk.error);
      return;
    }
    this.start(chunk);
    const candidates = asArray(chunk.candidates);
    for (let position = 0; position < candidates.length; position++) {
      const candidate = asObject(candidates[position]);
      if (candidate) this.candidate(candidate, asNumber(candidate.index) ?? position);
    }
    const usage = asObject(chunk.usageMetadata);
    if (usage && hasCounts(usage)) {
      // Cumulative: the last one counts as a whole, whatever it leaves out.
      this.usage = usage;
      this.emitUsage(0);
    }
  }

  private emitUsage(searches: number): void {
    const usage = this.usage as JsonObject;
    this.events.push({
      type: "usage",
      usage: decodeUsage(usage, searches),
      extras: { [GEMINI]: usageExtras(usage) ?? {} },
    });
  }

  private start(chunk: JsonObject): void {
    const fields = others(chunk, TOP_KNOWN);
    if (this.started) {
      for (const key in fields) {
        if (this.startFields[key] === undefined) this.lateFields = { ...this.lateFields, [key]: fields[key] };
      }
      return;
    }
    this.started = true;
    if (fields) this.startFields = fields;
    const createdAt = Math.floor(Date.parse(asString(chunk.createTime) ?? "") / 1000);
    this.events.push({
      type: "message-start",
      id: asString(chunk.responseId),
      model: asString(chunk.modelVersion),
      ...(createdAt > 0 && { createdAt }),
      // Present even when empty: it tells the encoder that the answer was Gemini's.
      extras: { [GEMINI]: this.startFields },
    });
  }

  private choice(index: number): ChoiceState {
    const number = Number.isSafeInteger(index) && index >= 0 && index < 128 ? index : 0;
    let state = this.choices.get(number);
    if (!state) {
      if (!this.started) this.start({});
      state = { number, parts: 0, hasCalls: false, extras: {} };
      this.choices.set(number, state);
    }
    return state;
  }

  private candidate(candidate: JsonObject, index: number): void {
    const state = this.choice(index);
    const content = asObject(candidate.content);
    for (const part of asArray(content?.parts)) {
      const object = asObject(part);
      if (object) this.part(state, object);
    }
    if (content) mergeFields(state.extras, others(content, CONTENT_KNOWN), "content");
    mergeFields(state.extras, others(candidate, CANDIDATE_KNOWN));
    const logprobs = asObject(candidate.logprobsResult);
    const tokens = logprobs ? readLogprobs(logprobs) : [];
    if (tokens.length > 0) this.events.push({ type: "logprobs", choice: state.number, kind: "content", tokens });
    if (isFinish(candidate.finishReason)) state.finish = candidate.finishReason;
  }

  private part(state: ChoiceState, part: JsonObject): void {
    const call = asObject(part.functionCall);
    if (call) this.functionCall(state, part, call);
    else if (part.inlineData || part.fileData) this.media(state, part);
    else if (typeof part.text === "string") this.text(state, part, part.text);
    else if (typeof part.thoughtSignature === "string" && Object.keys(part).length === 1) this.text(state, part, "");
    else if (Object.keys(part).length > 0) {
      this.whole(state, this.code.decode(part) ?? { type: "opaque", dialect: GEMINI, value: part });
    }
  }

  private whole(state: ChoiceState, value: Extract<CanonicalEvent, { type: "part" }>["value"]): void {
    this.close(state);
    this.events.push({ type: "part", choice: state.number, part: state.parts++, value });
  }

  private media(state: ChoiceState, part: JsonObject): void {
    try {
      this.whole(state, decodeMedia(part, others(part, MEDIA_KNOWN), ""));
    } catch {
      this.whole(state, { type: "opaque", dialect: GEMINI, value: part });
    }
  }

  private open(state: ChoiceState, start: PartStart & { type: OpenPart["type"] }): OpenPart {
    this.close(state);
    const open: OpenPart = { type: start.type, number: state.parts++, text: "", isSealed: false, extras: {} };
    state.open = open;
    this.events.push({ type: "part-start", choice: state.number, part: open.number, start });
    return open;
  }

  private text(state: ChoiceState, part: JsonObject, text: string): void {
    const type = part.thought === true ? "thinking" : "text";
    const read = readThoughtSignature(asString(part.thoughtSignature));
    const fields = others(part, TEXT_KNOWN);
    if (text === "" && !read && !fields) return;
    const place = { choice: state.number };
    if (read?.redacted) {
      this.whole(state, { type: "thinking", text, signature: read.signature, redacted: true });
      return;
    }
    const { open } = state;
    const goesOn = this.merges && open?.type === type && !open.isSealed;
    const target = goesOn ? open : this.open(state, { type });
    if (text !== "") {
      target.text += text;
      this.events.push({ type: `${type}-delta`, ...place, part: target.number, text });
    }
    if (read) {
      target.isSealed = true;
      this.events.push({ type: "signature", ...place, part: target.number, signature: read.signature });
    }
    if (fields) Object.assign(target.extras, fields);
  }

  private functionCall(state: ChoiceState, part: JsonObject, call: JsonObject): void {
    const name = asString(call.name);
    let open = state.open;
    if (!name && !open?.partial) return;
    if (name) {
      const id = asString(call.id) || `${MADE_ID_PREFIX}${idStem(this.context.id)}_${this.calls++}`;
      open = this.open(state, { type: "tool-call", id, name, kind: "function" });
      open.partial = new PartialArguments();
      state.hasCalls = true;
    }
    if (!open?.partial) return;
    const read = readThoughtSignature(asString(part.thoughtSignature));
    const { number } = open;
    if (read) this.events.push({ type: "signature", choice: state.number, part: number, signature: read.signature });
    const args = asObject(call.args);
    if (args) open.partial.merge(args);
    open.partial.apply(call.partialArgs);
    const left = others(call, CALL_KNOWN);
    Object.assign(open.extras, others(part, CALL_PART_KNOWN), left && { functionCall: left });
    if (call.willContinue !== true) this.close(state);
  }

  /** Ends the open part. At the end of the answer, what it cites is told first. */
  private close(state: ChoiceState, isLast = false): void {
    const { open, number: choice } = state;
    if (!open) return;
    const part = open.number;
    if (open.partial) this.events.push({ type: "tool-call-delta", choice, part, arguments: open.partial.text() });
    const grounding = isLast && open.type === "text" ? asObject(state.extras.groundingMetadata) : undefined;
    if (grounding) {
      for (const annotation of readGrounding(grounding, open.text)) {
        this.events.push({ type: "annotation", choice, part, annotation });
      }
    }
    const extras = ownExtras(open.extras);
    this.events.push(extras ? { type: "part-end", choice, part, extras } : { type: "part-end", choice, part });
    state.open = undefined;
  }

  private end(state: ChoiceState, blocked: string | undefined, isFirst: boolean): void {
    const finish: Finish = { reason: finishReason(state.finish, state.hasCalls) };
    if (state.finish !== undefined) finish.native = { dialect: GEMINI, value: state.finish };
    else if (blocked !== undefined) {
      finish.reason = "content-filter";
      finish.native = { dialect: GEMINI, value: { blockReason: blocked } };
    } else if (!this.merges) finish.reason = state.hasCalls ? "tool-calls" : "stop";
    const late = isFirst && this.lateFields ? { response: this.lateFields } : undefined;
    const extras = ownExtras({ ...state.extras, ...late });
    this.events.push({ type: "message-end", choice: state.number, finish, ...(extras && { extras }) });
  }
}

/** Whether the value says that the answer has ended; "unspecified" is what some encodings write for nothing. */
function isFinish(value: Json | undefined): value is Json {
  return value !== undefined && value !== null && value !== "" && value !== 0 && value !== "FINISH_REASON_UNSPECIFIED";
}

function mergeFields(into: JsonObject, fields: JsonObject | undefined, under?: string): void {
  if (!fields) return;
  if (under) {
    into[under] = { ...asObject(into[under]), ...fields };
    return;
  }
  for (const key in fields) {
    const before = asObject(into[key]);
    const value = asObject(fields[key]);
    if (!before || !value) into[key] = fields[key];
    else into[key] = SUMMED.has(key) ? joinLists(before, value) : { ...before, ...value };
  }
}

function joinLists(first: JsonObject, second: JsonObject): JsonObject {
  const joined: JsonObject = { ...first };
  for (const key in second) {
    const [a, b] = [first[key], second[key]];
    joined[key] = Array.isArray(a) && Array.isArray(b) ? [...a, ...b] : b;
  }
  return joined;
}
