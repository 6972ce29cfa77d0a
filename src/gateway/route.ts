/**
 * Chooses which endpoints may serve a request, and in which order: a pure function of the head, the model and the caller's format.
 * Comes after peek and before the hold, whose amount depends on the candidates' prices.
 */
import type { Candidate, Endpoint, Model } from "../core/endpoint.ts";
import { GatewayError } from "../core/error.ts";
import { fits } from "../core/glob.ts";
import type { Capability, Head } from "../core/head.ts";
import { type Operation, operationOf, type WireFormatId } from "../core/operation.ts";
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
 * The endpoints that can serve this request, of the providers that the caller's key allows (globs; undefined allows
 * all), best first: by the operator's priority, and within one priority those that
 * speak the format of the body first, since relayed bytes lose nothing. Equal ones keep the catalogue's order.
 * Throws `no_matching_provider` when none can: for want of an ability, which is named, because the model is for another
 * operation (an embedding model that is to answer a chat), or because the key allows none of the model's providers.
 */
export function route(head: Head, model: Model, dialect: DialectId, providers?: Globs): Candidate<DialectId>[];
export function route(head: Head, model: Model, dialect: WireFormatId, providers?: Globs): Candidate[];
export function route(head: Head, model: Model, dialect: WireFormatId, providers?: Globs): Candidate[] {
  const operation = operationOf(dialect);
  const wanted = head.shape ?? dialect;
  const able: Candidate[] = [];
  const lacking = new Set<Capability>();
  const allowed = model.endpoints.filter(({ provider }) => allows(providers, provider));
  if (allowed.length === 0 && providers) throw noneAllowed(model);
  for (const endpoint of allowed) {
    const spoken = speaks(endpoint, wanted, operation);
    if (!spoken) continue;
    const lack = missing(endpoint, head);
    if (lack === undefined) able.push({ endpoint, dialect: spoken });
    else lacking.add(lack);
  }
  if (able.length === 0) throw noneFor(model, operation, lacking);
  return able.sort((a, b) => a.endpoint.priority - b.endpoint.priority || rank(a, wanted) - rank(b, wanted));
}

type Globs = readonly string[] | undefined;

function allows(providers: Globs, provider: string): boolean {
  return !providers || providers.some((glob) => fits(glob, provider));
}

function noneAllowed(model: Model): GatewayError {
  return new GatewayError("no_matching_provider", `This key may not use any provider of ${model.id}.`);
}

type Shape = NonNullable<Head["shape"]> | WireFormatId;

/** The format to call the endpoint in: the wanted one, else the first of its own for that operation, if it has any. */
function speaks({ dialects }: Endpoint, wanted: Shape, operation: Operation): WireFormatId | undefined {
  return (
    dialects.find((dialect) => dialect === wanted) ?? dialects.find((dialect) => operationOf(dialect) === operation)
  );
}

function rank(candidate: Candidate, wanted: Shape): number {
  return candidate.dialect === wanted ? 0 : 1;
}

function noneFor(model: Model, operation: Operation, lacking: ReadonlySet<Capability>): GatewayError {
  let problem = `No endpoint of ${model.id} can do what this request needs: ${[...lacking].join(", ")}.`;
  if (lacking.size === 0) problem = OTHER_OPERATION[operation](model.id);
  return new GatewayError("no_matching_provider", problem, lacking.size === 0 ? { param: "model" } : {});
}

/** What someone is told who asks a model for the operation. */
const OTHER_OPERATION: { readonly [O in Operation]: (model: string) => string } = {
  generation: (model) => `${model} is a model for embeddings. It gives no answers: choose another model for those.`,
  embedding: (model) => `${model} makes no embeddings. Choose a model for embeddings.`,
};
