/**
 * Chooses which endpoints may serve a request, and in which order: a pure function of the head, the model and the caller's format.
 * Comes after peek and before the hold, whose amount depends on the candidates' prices.
 */
import type { Candidate, Endpoint, Model } from "../core/endpoint.ts";
import { GatewayError } from "../core/error.ts";
import type { Capability, Head } from "../core/head.ts";
import type { DialectId } from "../core/request.ts";

/**
 * What an endpoint must really be able to do. Thinking and structured output are not among them: clients ask for thinking
 * from every model, and a model without it still answers; what is left out is a loss.
 */
const HARD_NEEDS: ReadonlySet<Capability> = new Set([
  "tools",
  "images",
  "files",
  "audio",
  "video",
  "image-output",
  "audio-output",
]);

function missing(endpoint: Endpoint, head: Head): Capability | undefined {
  return head.needs.find((need) => HARD_NEEDS.has(need) && !endpoint.capabilities.has(need));
}

/**
 * The endpoints that can serve this request, best first: by the operator's priority, and within one priority those that
 * speak the format of the body first, since relayed bytes lose nothing. Equal ones keep the catalogue's order.
 * Throws `no_matching_provider`, naming what is missing, when none can.
 */
export function route(head: Head, model: Model, dialect: DialectId): Candidate[] {
  const able = model.endpoints.filter((endpoint) => missing(endpoint, head) === undefined);
  if (able.length === 0) {
    const needs = [...new Set(model.endpoints.map((endpoint) => missing(endpoint, head)))].join(", ");
    throw new GatewayError(
      "no_matching_provider",
      `No endpoint of ${model.id} can do what this request needs: ${needs}.`,
    );
  }
  const wanted = head.shape ?? dialect;
  return able
    .map((endpoint): Candidate => ({ endpoint, dialect: speaks(endpoint, wanted) }))
    .sort((a, b) => a.endpoint.priority - b.endpoint.priority || rank(a, wanted) - rank(b, wanted));
}

function speaks(endpoint: Endpoint, wanted: Head["shape"]): DialectId {
  return endpoint.dialects.find((dialect) => dialect === wanted) ?? (endpoint.dialects[0] as DialectId);
}

function rank(candidate: Candidate, dialect: Head["shape"]): number {
  return candidate.dialect === dialect ? 0 : 1;
}
