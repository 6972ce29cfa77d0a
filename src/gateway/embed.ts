/**
 * Carries a call for embeddings: its bytes where both sides speak the same format, else by way of the canon.
 * `translate` picks it for embedding dialects; what it returns is a Translation like any other, and so is its metering.
 */
import {
  type EmbeddingDialectId,
  type EmbeddingReply,
  encodeVector,
  estimateTokens,
  type Vector,
} from "../core/embedding.ts";
import type { Candidate } from "../core/endpoint.ts";
import { GatewayError, type UpstreamFailure } from "../core/error.ts";
import type { CanonicalEvent } from "../core/event.ts";
import { emptyUsage, type Usage } from "../core/usage.ts";
import { EMBEDDING_DIALECTS } from "../dialects/index.ts";
import { parseReply } from "./convert.ts";
import { dialectHeaders, type EmbeddingInquiry } from "./inquiry.ts";
import { dropOwnFields, patch } from "./relay.ts";
import type { Piece, Translation } from "./translation.ts";

type Target = Candidate<EmbeddingDialectId>;

/** Prepares the call for a candidate. Throws `invalid_request` for a wrong shape and for inputs that the target cannot be told. */
export function embed(inquiry: EmbeddingInquiry, candidate: Target): Translation {
  const { dialect, body } = inquiry;
  const fits = dialect.id === candidate.dialect && dialect.fitsUpstream?.(body, targetOf(candidate)) !== false;
  return fits ? relay(inquiry, candidate) : convert(inquiry, candidate);
}

function targetOf({ endpoint, dialect }: Target) {
  return { model: endpoint.upstreamModel, quirks: endpoint.quirks[dialect] ?? {} };
}

/** The reply's bytes come back as they are, unless their vectors are not in the encoding that was asked for. */
function relay(inquiry: EmbeddingInquiry, candidate: Target): Translation {
  const { dialect } = inquiry;
  const request = inquiry.canonical();
  const target = targetOf(candidate);
  const edits = dialect.relayEdits(inquiry.body, target);
  dropOwnFields(edits, inquiry.head, target.quirks);
  return {
    path: "relay",
    upstreamPath: dialect.upstreamPath(target.model, request.single),
    body: patch(inquiry.bytes, edits),
    headers: dialectHeaders(inquiry, dialect),
    losses: [],
    stream: neverStreamed,
    whole(bytes) {
      const reply = dialect.decodeReply(parseReply(bytes));
      if (reply.failure) return failed(reply.failure);
      const usage = usageOf(reply, inquiry);
      if (reply.vectors.every((vector) => isEncoded(vector, inquiry))) {
        return { output: bytes, events: eventsOf(reply, usage) };
      }
      return write({ ...reply, usage }, inquiry, candidate);
    },
  };
}

function convert(inquiry: EmbeddingInquiry, candidate: Target): Translation {
  const dialect = EMBEDDING_DIALECTS[candidate.dialect];
  const request = inquiry.canonical();
  const target = targetOf(candidate);
  const encoded = dialect.encodeRequest(request, target);
  return {
    path: "convert",
    upstreamPath: dialect.upstreamPath(target.model, false),
    body: JSON.stringify(encoded.body),
    headers: dialectHeaders(inquiry, dialect),
    losses: encoded.losses,
    stream: neverStreamed,
    whole(bytes) {
      const reply = dialect.decodeReply(parseReply(bytes));
      if (reply.failure) return failed(reply.failure);
      if (reply.vectors.length !== request.inputs.length) {
        return failed(invalidReply(`${reply.vectors.length} embeddings for ${request.inputs.length} inputs`));
      }
      // The name that the caller knows the model by, not the upstream's.
      const { modelId } = candidate.endpoint;
      return write({ ...reply, model: modelId, usage: usageOf(reply, inquiry) }, inquiry, candidate);
    },
  };
}

function isEncoded(vector: Vector, inquiry: EmbeddingInquiry): boolean {
  return (typeof vector === "string") === (inquiry.canonical().encoding === "base64");
}

/** The reply in the caller's format and encoding. */
function write(reply: EmbeddingReply & { usage: Usage }, inquiry: EmbeddingInquiry, { endpoint }: Target): Piece {
  const request = inquiry.canonical();
  const vectors: Vector[] = [];
  for (const vector of reply.vectors) {
    const encoded = encodeVector(vector, request.encoding);
    if (!encoded) return failed(invalidReply("an embedding that is no list of numbers"));
    vectors.push(encoded);
  }
  const body = inquiry.dialect.encodeReply({ ...reply, vectors }, { model: endpoint.modelId, request });
  return { output: JSON.stringify(body), events: eventsOf(reply, reply.usage) };
}

/** The provider's word, or a count of what was sent. */
function usageOf(reply: EmbeddingReply, inquiry: EmbeddingInquiry): Usage {
  return reply.usage ?? { ...emptyUsage("estimated"), input: estimateTokens(inquiry.canonical()) };
}

/** What the meter has to see: that there was an answer, and what it used. */
function eventsOf(reply: EmbeddingReply, usage: Usage): CanonicalEvent[] {
  return [
    { type: "message-start", ...(reply.model !== undefined && { model: reply.model }) },
    { type: "usage", usage },
    { type: "message-end", choice: 0, finish: { reason: "stop" } },
  ];
}

function failed(failure: UpstreamFailure): Piece {
  return { output: "", events: [{ type: "error", failure }] };
}

function invalidReply(message: string): UpstreamFailure {
  return { kind: "server", status: 502, code: "invalid_reply", message };
}

function neverStreamed(): never {
  throw new GatewayError("internal_error", "Embeddings are never streamed.");
}
