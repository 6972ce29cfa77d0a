/**
 * Whether a caller's body can go to a Gemini upstream for embeddings as it is, given what that upstream is known to refuse.
 * `embed` asks before it relays; a body that does not fit is decoded and encoded again, which names what it loses.
 */
import { asArray, asObject, type JsonObject } from "../../core/json.ts";
import type { EmbeddingTarget } from "../embedding.ts";
import { isSaid } from "../fits.ts";

const WIRE_NAMES: Readonly<Record<string, readonly string[]>> = {
  dimensions: ["outputDimensionality", "output_dimensionality"],
  task: ["taskType", "task_type"],
  title: ["title"],
};

/** True where no known deviation of the upstream concerns this body or a request of its batch. */
export function fitsUpstream(body: JsonObject, { quirks: { refuses } }: EmbeddingTarget): boolean {
  if (!refuses) return true;
  const names = refuses.flatMap((field) => WIRE_NAMES[field] ?? []);
  return [body, ...asArray(body.requests)].every((one) => {
    const request = asObject(one);
    return !request || names.every((name) => !isSaid(request[name]));
  });
}
