/**
 * Whether a caller's Messages body can go to a Messages upstream as it is, given what that upstream is known to refuse.
 * `translate` asks before it relays; a body that does not fit is decoded and encoded again, which mends or names it.
 */
import { asObject, type JsonObject } from "../../core/json.ts";
import type { RelayTarget } from "../dialect.ts";
import { crowdsOut, hasRefused, isSaid, type WireNames } from "../fits.ts";

const WIRE_NAMES: WireNames = {
  temperature: ["temperature"],
  topP: ["top_p"],
  topK: ["top_k"],
  stop: ["stop_sequences"],
  tools: ["tools"],
  toolChoice: ["tool_choice"],
  outputFormat: ["output_format"],
  reasoning: ["thinking"],
  endUser: ["metadata"],
  serviceTier: ["service_tier"],
};

/** The form of thinking that a model of the other form refuses. */
const OTHER_FORM = { budget: "adaptive", adaptive: "enabled" } as const;

/** True where no known deviation of the upstream concerns this body. Never looks at its messages. */
export function fitsUpstream(body: JsonObject, { quirks, maxOutputTokens }: RelayTarget): boolean {
  const { refuses, thinkingForm } = quirks;
  if (refuses) {
    if (hasRefused(body, quirks, WIRE_NAMES)) return false;
    const config = asObject(body.output_config);
    if (refuses.includes("outputFormat") && isSaid(config?.format)) return false;
    if (refuses.includes("reasoning") && isSaid(config?.effort)) return false;
  }
  const thinking = asObject(body.thinking);
  if (thinkingForm !== undefined && thinking?.type === OTHER_FORM[thinkingForm]) return false;
  return !crowdsOut(thinking?.budget_tokens, maxOutputTokens);
}
