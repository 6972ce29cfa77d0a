/**
 * Finds the model that a caller names and checks that its key may call it.
 * Between peek and route on the path of a call; the model list uses the same check to show only what can be called.
 */
import type { Catalog } from "../catalog/catalog.ts";
import type { Principal } from "../core/call.ts";
import type { Model } from "../core/endpoint.ts";
import { GatewayError } from "../core/error.ts";
import { fits } from "../core/glob.ts";

/** Whether the key's list of models, if it has one, holds this model under its id or an alias. */
export function mayCall(principal: Principal, model: Model): boolean {
  const { models } = principal;
  if (!models) return true;
  return models.some((glob) => fits(glob, model.id) || model.aliases.some((alias) => fits(glob, alias)));
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
    throw new GatewayError("model_not_allowed", `This key may not call the model ${JSON.stringify(model.id)}.`, {
      param: "model",
    });
  }
  return model;
}
