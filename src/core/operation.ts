/**
 * What can be asked of a model, and which wire formats ask it.
 * Routing considers only endpoints that speak a format of the caller's operation; conversions stay within one.
 */
import { EMBEDDING_DIALECT_IDS, type EmbeddingDialectId } from "./embedding.ts";
import { DIALECT_IDS, type DialectId } from "./request.ts";

/** `generation`: an answer to a conversation or a prompt. `embedding`: vectors of texts. */
export type Operation = "generation" | "embedding";

/** Every format that a surface may listen in and an endpoint may speak. */
export const WIRE_FORMAT_IDS = [...DIALECT_IDS, ...EMBEDDING_DIALECT_IDS] as const;
export type WireFormatId = DialectId | EmbeddingDialectId;

const EMBEDDING: ReadonlySet<WireFormatId> = new Set(EMBEDDING_DIALECT_IDS);

/** What requests of this format ask for. */
export function operationOf(format: WireFormatId): Operation {
  return EMBEDDING.has(format) ? "embedding" : "generation";
}

/** What can be asked of someone who speaks these formats. */
export function operationsOf(formats: readonly WireFormatId[]): Operation[] {
  return [...new Set(formats.map(operationOf))];
}
