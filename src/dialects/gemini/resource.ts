/**
 * How Gemini's API names a model in paths and bodies.
 * Shared by the dialects that call its routes.
 */

const COLLECTIONS = /^(?:models|tunedModels|publishers|projects)\//;

/** A model's resource name. Names that say their collection keep it. */
export function resource(model: string): string {
  return COLLECTIONS.test(model) ? model : `models/${model}`;
}

/** The resource name fit for a path. Slashes inside it are kept. */
export function resourcePath(model: string): string {
  return resource(model.split("/").map(encodeURIComponent).join("/"));
}
