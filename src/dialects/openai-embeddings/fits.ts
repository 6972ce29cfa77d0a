/**
 * Whether a caller's embeddings body can go to such an upstream as it is, given what that upstream is known to refuse.
 * `embed` asks before it relays; a body that does not fit is decoded and encoded again, which names what it loses.
 */
import type { JsonObject } from "../../core/json.ts";
import type { EmbeddingTarget } from "../embedding.ts";
import { isSaid } from "../fits.ts";

/** True where no known deviation of the upstream concerns this body. An encoding is no matter: relay leaves it out by itself. */
export function fitsUpstream(body: JsonObject, { quirks: { refuses } }: EmbeddingTarget): boolean {
  if (!refuses) return true;
  if (refuses.includes("dimensions") && isSaid(body.dimensions)) return false;
  return !(refuses.includes("endUser") && isSaid(body.user));
}
