/**
 * What a dialect is: one wire format in both directions, pure, without I/O, clock or randomness.
 * The gateway speaks to callers and upstreams only through this; `convert` joins any two of generation through the canon,
 * and `embedding.ts` beside this file holds the same for embeddings.
 */

import type { Quirks } from "../core/endpoint.ts";
import type { GatewayError, UpstreamFailure } from "../core/error.ts";
import type { CanonicalEvent, Reply } from "../core/event.ts";
import type { SseFrame } from "../core/frame.ts";
import type { Capability, Head } from "../core/head.ts";
import { type Json, type JsonObject, rest } from "../core/json.ts";
import { collectLosses, type Loss, type Losses } from "../core/loss.ts";
import type { Operation, WireFormatId } from "../core/operation.ts";
import type { Edit } from "../core/patch.ts";
import type { CanonicalRequest, DialectId, Extras } from "../core/request.ts";

/** What the surface found in the URL: formats such as Gemini's keep the model and the streaming wish there. */
export interface PathFacts {
  model?: string;
  stream?: boolean;
  /** Several embeddings are asked for at once (Gemini's `batchEmbedContents`). */
  batch?: boolean;
}

/** What every format has, whatever its requests ask for. The formats of one operation share the rest: `Dialect`, `EmbeddingDialect`. */
export interface WireFormat {
  readonly id: WireFormatId;
  readonly operation: Operation;
  /** Reads the facts that the gateway needs. Throws `invalid_request` when one of them has a wrong type. */
  peek(body: JsonObject, path: PathFacts): Head;
  /** Request headers of a caller that may go on to an upstream of the same format. */
  readonly forwardedHeaders: readonly string[];
  /** Headers that every request to an upstream carries, unless forwarded ones say otherwise. */
  readonly defaultHeaders: Readonly<Record<string, string>>;
  /** Understands an HTTP error of an upstream. `body` is the raw text; it may be HTML or empty. */
  decodeError(status: number, headers: Headers, body: string): UpstreamFailure;
  /** Renders an error in this format's envelope. */
  encodeError(error: GatewayError, requestId: string): ErrorReply;
}

/** Where a request is going: all that an encoder may know of the endpoint. */
export interface EncodeTarget {
  /** The upstream's name of the model. */
  readonly model: string;
  readonly stream: boolean;
  /** The model's own output limit: fills a required field, and caps what the caller asked for. */
  readonly maxOutputTokens: number;
  readonly capabilities: ReadonlySet<Capability>;
  readonly quirks: Quirks;
}

/** Where a body is going that is relayed: all that a dialect may know of the endpoint before it leaves or changes the caller's bytes. */
export interface RelayTarget {
  /** The upstream's name of the model. */
  readonly model: string;
  readonly quirks: Quirks;
  /** The output limit to be put in the place of the caller's, where that asks for more than may be spent. */
  readonly maxOutputTokens?: number;
}

export interface EncodedRequest {
  body: JsonObject;
  losses: Loss[];
  /** Headers that what the body says makes necessary (a beta flag). */
  headers?: Record<string, string>;
}

/** What a decoder may use to name what the wire leaves unnamed. */
export interface DecodeContext {
  /** The gateway's request id; ids that are made up are derived from it. */
  readonly id: string;
}

/** What an encoder of replies may use. */
export interface EncodeContext {
  /** The gateway's request id; message and item ids are derived from it. */
  readonly id: string;
  /** Unix seconds. */
  readonly createdAt: number;
  /** The name of the model that the caller sees. */
  readonly model: string;
  /** The caller's request in canonical form: some formats echo it, and restore names that were flattened for the target. */
  readonly request: CanonicalRequest;
  /** What the caller may be told of usage in a stream (`Head.wantsStreamUsage`). */
  readonly wantsStreamUsage: boolean;
}

/** Decodes one stream. Never throws: what it cannot read it skips; an upstream's error becomes an `error` event. */
export interface StreamDecoder {
  frame(frame: SseFrame): readonly CanonicalEvent[];
  /** The upstream closed the stream: what was held back, or an `error` with code `incomplete_stream` when it ended too early. */
  end(): readonly CanonicalEvent[];
}

/** Encodes one stream. Every method returns text ready to be written, perhaps empty. */
export interface StreamEncoder {
  event(event: Exclude<CanonicalEvent, { type: "error" }>): string;
  /** After the last event of a complete stream. */
  end(): string;
  /** The stream breaks off: the error in the form that this format's clients understand. Nothing follows. */
  error(error: GatewayError): string;
}

/** How a stream is written to the caller. Only Gemini has a form besides server-sent events. */
export type Framing = "sse" | "json-array";

export interface ErrorReply {
  status: number;
  body: JsonObject;
  headers?: Record<string, string>;
}

/** How a format asks for and tells the number of tokens that a request's input has. */
export interface TokenCounting {
  /** The generation request inside a caller's counting request. Throws `invalid_request` for a wrong type. */
  request(body: JsonObject): JsonObject;
  /** How upstreams of this format are asked. */
  readonly upstream: {
    /** The path below the provider's base URL. */
    path(model: string): string;
    /** The counting request for an encoded generation request. */
    body(encoded: JsonObject, model: string): JsonObject;
    /** The count in an upstream's answer, undefined when it holds none. */
    read(reply: Json): number | undefined;
  };
  /** The answer for the caller. */
  encode(tokens: number): JsonObject;
}

/** A format of generation: conversations and prompts in, answers out. */
export interface Dialect extends WireFormat {
  readonly id: DialectId;
  readonly operation: "generation";
  /** Absent in formats that have no such route. */
  readonly tokenCounting?: TokenCounting;
  /** Throws `invalid_request` naming the parameter's path for a wrong type; unknown fields go into `extras`. */
  decodeRequest(body: JsonObject, path: PathFacts): CanonicalRequest;
  /** Never throws for anything that a `decodeRequest` returned: what cannot be said is a loss. */
  encodeRequest(request: CanonicalRequest, target: EncodeTarget): EncodedRequest;
  /** The path below the provider's base URL, with its query. */
  upstreamPath(model: string, stream: boolean): string;
  /**
   * Whether a caller's body can be relayed to an upstream with these deviations: it holds nothing that the upstream is
   * known to refuse, and no thinking budget that the target's output limit leaves no room for. Absent: always.
   */
  fitsUpstream?(body: JsonObject, target: RelayTarget): boolean;
  /** What relay must change in the raw body: the model's name, usage switched on where a stream has it only on request, the output limit where the target has one. */
  relayEdits(head: Head, target: RelayTarget, body: JsonObject): Edit[];
  /** Whether a frame exists only because relay switched usage on: it is kept from a caller who did not ask. */
  isUsageOnly(frame: SseFrame): boolean;
  /** Never throws: a body that makes no sense becomes an `error` event. */
  decodeReply(body: Json, context: DecodeContext): CanonicalEvent[];
  streamDecoder(context: DecodeContext): StreamDecoder;
  encodeReply(reply: Reply, context: EncodeContext): JsonObject;
  streamEncoder(context: EncodeContext, framing: Framing): StreamEncoder;
  /** What to write into a silent stream so that nobody takes it for dead. */
  keepAlive(framing: Framing): string;
  /** `encodeError` for a stream that has begun, where the gateway relays and no encoder exists. */
  encodeStreamError(error: GatewayError, requestId: string, framing: Framing): string;
}

/** What a field's encoder sees besides its value. */
export interface FieldScope {
  readonly request: CanonicalRequest;
  readonly target: EncodeTarget;
  readonly losses: Losses;
}

type FieldEncoder<K extends keyof CanonicalRequest, Body> = (
  value: NonNullable<CanonicalRequest[K]>,
  body: Body,
  scope: FieldScope,
) => void;

/** One entry for each canonical field: it writes into the body or names a loss. */
export type FieldEncoders<Body = JsonObject> = { [K in keyof Required<CanonicalRequest>]: FieldEncoder<K, Body> };

/** An entry for a field that the format cannot say. */
export function lost(field: keyof CanonicalRequest): (value: unknown, body: unknown, scope: FieldScope) => void {
  return (_value, _body, scope) => scope.losses.add(field);
}

/** An entry for a field that is written elsewhere (with another field, or in the URL). */
export function writtenElsewhere(): void {}

/** An entry that puts the value unchanged under the wire's name. */
export function verbatim(name: string): (value: Json, body: JsonObject) => void {
  return (value, body) => {
    body[name] = value;
  };
}

/** Runs the encoder of every field that the request has, in the table's order. Fields that the upstream refuses are losses. */
export function encodeFields(
  request: CanonicalRequest,
  target: EncodeTarget,
  encoders: FieldEncoders,
): { body: JsonObject; losses: Losses } {
  const body: JsonObject = {};
  const losses = collectLosses();
  const scope: FieldScope = { request, target, losses };
  for (const key of Object.keys(encoders) as (keyof CanonicalRequest)[]) {
    const value = request[key];
    if (value === undefined || value === null) continue;
    if (target.quirks.refuses?.includes(key)) losses.add(key);
    else (encoders[key] as FieldEncoder<never, JsonObject>)(value as never, body, scope);
  }
  return { body, losses };
}

/** Names of fields, by the dialect whose extras hold them. */
export type FieldsOfDialects = { readonly [D in DialectId]?: ReadonlySet<string> };

/** The extras without the fields whose absence changes nothing in the answer, so that they are no losses. */
export function withoutHarmless(extras: Extras, harmless: FieldsOfDialects): Extras {
  const kept = { ...extras };
  for (const dialect of Object.keys(harmless) as DialectId[]) {
    const fields = extras[dialect];
    if (fields) kept[dialect] = rest(fields, harmless[dialect] as ReadonlySet<string>);
  }
  return kept;
}

/**
 * Extras of other dialects are losses, one for each field, prefixed with where they stood.
 * Keys that begin with `$` are a decoder's notes to its own encoder on the wire's form (`$role`); they say nothing of their own.
 */
export function loseForeignExtras(
  extras: CanonicalRequest["extras"],
  own: DialectId,
  losses: Losses,
  place = "",
): JsonObject | undefined {
  if (!extras) return undefined;
  for (const dialect in extras) {
    if (dialect === own) continue;
    for (const field in extras[dialect as DialectId]) {
      if (!field.startsWith("$")) losses.add(place ? `${place}.${field}` : field);
    }
  }
  return extras[own];
}
