/**
 * What a dialect of embeddings is: one wire format in both directions, pure, as those of generation are.
 * The gateway relays within one of them and converts between two through the canon in `core/embedding.ts`.
 */
import type { EmbeddingDialectId, EmbeddingExtras, EmbeddingReply, EmbeddingRequest } from "../core/embedding.ts";
import type { Quirks } from "../core/endpoint.ts";
import { invalidRequest } from "../core/error.ts";
import type { Json, JsonObject } from "../core/json.ts";
import type { Loss, Losses } from "../core/loss.ts";
import type { Edit } from "../core/patch.ts";
import type { PathFacts, WireFormat } from "./dialect.ts";

/** Where a request is going. */
export interface EmbeddingTarget {
  /** The upstream's name of the model. */
  readonly model: string;
  readonly quirks: Quirks;
}

export interface EncodedEmbedding {
  body: JsonObject;
  losses: Loss[];
}

export interface EmbeddingDialect extends WireFormat {
  readonly id: EmbeddingDialectId;
  readonly operation: "embedding";
  /** Throws `invalid_request` naming the parameter's path for a wrong type; unknown fields go into `extras`. */
  decodeRequest(body: JsonObject, path: PathFacts): EmbeddingRequest;
  /**
   * Always in the form that takes several inputs. Wishes that cannot be said are losses; an input that cannot be said is
   * an `invalid_request`, since the vector of a part of it would be worse than none.
   */
  encodeRequest(request: EmbeddingRequest, target: EmbeddingTarget): EncodedEmbedding;
  /** Whether a caller's body can be relayed to an upstream with these deviations. Absent: always. */
  fitsUpstream?(body: JsonObject, target: EmbeddingTarget): boolean;
  /** What relay must change in the raw body. */
  relayEdits(body: JsonObject, target: EmbeddingTarget): Edit[];
  /** The path below the provider's base URL. `single`: for a body that asks for one embedding outside of a list. */
  upstreamPath(model: string, single: boolean): string;
  /** Never throws: a body that makes no sense is a reply with a `failure`. Vectors stay as they are. */
  decodeReply(body: Json): EmbeddingReply;
  /** Writes the vectors as they are: whoever calls has brought them into the encoding that the request asks for. */
  encodeReply(reply: EmbeddingReply, context: EmbeddingContext): JsonObject;
}

/** What an encoder of replies may use. */
export interface EmbeddingContext {
  /** The name of the model for replies that have none. */
  readonly model: string;
  readonly request: EmbeddingRequest;
}

/** The one number of dimensions that all inputs want. Throws `invalid_request` for a format that has one for all. */
export function commonDimensions(request: EmbeddingRequest): number | undefined {
  const [first, ...others] = request.inputs;
  if (others.some(({ dimensions }) => dimensions !== first?.dimensions)) {
    throw invalidRequest("All embeddings of one request must have the same number of dimensions for this model.");
  }
  return first?.dimensions;
}

/** Fields of another dialect are losses, one for each. */
export function loseExtras(extras: EmbeddingExtras | undefined, own: EmbeddingDialectId, losses: Losses): void {
  for (const dialect in extras) {
    if (dialect === own) continue;
    for (const field in extras[dialect as EmbeddingDialectId]) losses.add(field);
  }
}
