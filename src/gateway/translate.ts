/**
 * Decides between relay and convert, the two ways to carry a call, behind one interface.
 * The only place that knows which of the two was chosen: attempts, replies and settlement see a Translation.
 */

import type { EmbeddingDialectId } from "../core/embedding.ts";
import type { Candidate } from "../core/endpoint.ts";
import type { DialectId } from "../core/request.ts";
import { holdsWrapped } from "../core/signature.ts";
import { convert } from "./convert.ts";
import { embed } from "./embed.ts";
import type { GenerationInquiry, Inquiry } from "./inquiry.ts";
import { relay, relayTarget } from "./relay.ts";
import type { Translation } from "./translation.ts";

/**
 * Bytes are relayed when both sides speak the same format in the same framing, the upstream can do what is asked and
 * refuses nothing of it, and the conversation holds nothing that another provider said in an earlier turn.
 */
export function canRelay(inquiry: GenerationInquiry, candidate: Candidate): boolean {
  if (inquiry.dialect.id !== candidate.dialect || inquiry.head.shape !== undefined) return false;
  if (inquiry.head.online) return false;
  const quirks = candidate.endpoint.quirks[candidate.dialect];
  if (inquiry.head.compacts && !quirks?.compacts) return false;
  const target = relayTarget(inquiry, candidate);
  if (inquiry.dialect.fitsUpstream?.(inquiry.body, target) === false) return false;
  return inquiry.framing === "sse" && !holdsWrapped(inquiry.bytes);
}

/** Prepares the call for a candidate. Throws `invalid_request` when the caller's body cannot be decoded for a conversion. */
export function translate(inquiry: Inquiry, candidate: Candidate): Translation {
  // Routing has chosen a dialect of the operation that is asked for.
  if (inquiry.operation === "embedding") return embed(inquiry, candidate as Candidate<EmbeddingDialectId>);
  const target = candidate as Candidate<DialectId>;
  return canRelay(inquiry, target) ? relay(inquiry, target) : convert(inquiry, target);
}
