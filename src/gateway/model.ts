/**
 * Finds the model that a caller names and checks that its key may call it.
 * Between peek and route on the path of a call; the model list uses the same checks to show only what can be called.
 */
import type { Catalog } from "../catalog/catalog.ts";
import type { Principal } from "../core/call.ts";
import type { Model } from "../core/endpoint.ts";
import { GatewayError } from "../core/error.ts";
import { fits } from "../core/glob.ts";

/** Whether the lists of models that the key and its plan have, if any, hold this model under its id or an alias. */
export function mayCall(principal: Principal, model: Model): boolean {
  return isListed(principal.models, model) && isListed(principal.terms.models, model);
}

function isListed(globs: readonly string[] | undefined, model: Model): boolean {
  if (!globs) return true;
  return globs.some((glob) => fits(glob, model.id) || model.aliases.some((alias) => fits(glob, alias)));
}

/** Whether the key may call this model and a provider that serves it: what lists of models show. */
export function isOffered(principal: Principal, model: Model): boolean {
  const { providers } = principal;
  if (!mayCall(principal, model)) return false;
  return !providers || model.endpoints.some(({ provider }) => providers.some((glob) => fits(glob, provider)));
}

/** Throws `forbidden`, `model_not_available`, `model_not_allowed`. */
export function resolveModel(catalog: Catalog, name: string, principal: Principal): Model {
  if (principal.kind !== "inference") throw new GatewayError("forbidden", "A provisioning key cannot call models.");
  const model = catalog.find(name);
  if (!model) {
    const shown = name.length > 100 ? `${name.slice(0, 100)}…` : name;
    throw new GatewayError("model_not_available", `The model ${JSON.stringify(shown)} is not available here.`, {
      param: "model",
    });
  }
  if (!mayCall(principal, model)) {
    throw new GatewayError(
      "model_not_allowed",
      `This ${isListed(principal.models, model) ? "plan" : "key"} may not call the model ${JSON.stringify(model.id)}.`,
      {
        param: "model",
      },
    );
  }
  return model;
}
