/**
 * Provider keys from the environment: a type's usual variable switches it on without a file.
 * `loadConfig` asks here which keys there are and which configured providers use them.
 */
import { asArray, asObject, asString, type JsonObject } from "../core/json.ts";
import { buildProvider } from "./build.ts";
import type { FileSettings } from "./schema.ts";
import { type Environment, variable } from "./source.ts";
import type { KeySource, ProviderConfig, ProviderTypeFacts } from "./types.ts";

const MAX_KEYS = 100;

export interface FoundKeys {
  /** Keys by provider type: those of the first of its variables that is set. */
  readonly byType: ReadonlyMap<string, { readonly variable: string; readonly keys: readonly string[] }>;
  readonly mistakes: readonly string[];
}

/**
 * Reads each type's key variable; several keys are separated by commas. Variables whose keys have to be put together belong
 * to clouds, and many a machine has them for other ends: they are read for providers of the file only.
 */
export function findKeys(
  env: Environment,
  types: Readonly<Record<string, ProviderTypeFacts>>,
  { tree, readFile }: { tree: JsonObject; readFile: (path: string) => string | undefined },
): FoundKeys {
  const byType = new Map<string, { variable: string; keys: readonly string[] }>();
  const mistakes: string[] = [];
  const source: KeySource = { variable: (name) => variable(env, name), readFile };
  for (const [type, facts] of Object.entries(types)) {
    const name = facts.keyVariables.find((candidate) => variable(env, candidate) !== undefined);
    if (name === undefined) continue;
    if (facts.keyFrom) {
      if (!wantsVariable(tree, type)) continue;
      const key = facts.keyFrom(name, source);
      if (key === undefined) mistakes.push(`${name}: holds no usable key, or one that lacks its other half.`);
      else byType.set(type, { variable: name, keys: [key] });
      continue;
    }
    const parts = (variable(env, name) ?? "").split(",").map((part) => part.trim());
    const keys = [...new Set(parts.filter((part) => part !== ""))];
    byType.set(type, { variable: name, keys });
    if (keys.length === 0 || keys.length > MAX_KEYS || !keys.every((key) => /^[\x21-\x7e]{1,4096}$/.test(key))) {
      mistakes.push(
        `${name}: expected 1 to ${MAX_KEYS} keys of printable characters without spaces, separated by commas, got something else (not shown).`,
      );
    }
  }
  return { byType, mistakes };
}

function wantsVariable(tree: JsonObject, type: string): boolean {
  const providers = asArray(tree.providers).map((provider) => asObject(provider) ?? {});
  return providers.some((one) => one.type === type && one.api_keys === undefined && one.base_url === undefined);
}

/** The types that variables switch on: those that the file configures no provider of, and whose name is free as an id. */
export function switchedOn(
  tree: JsonObject,
  found: FoundKeys,
  facts: Readonly<Record<string, ProviderTypeFacts>>,
): { types: string[]; warnings: string[] } {
  const providers = asArray(tree.providers).map((provider) => asObject(provider) ?? {});
  const types: string[] = [];
  const warnings: string[] = [];
  for (const [type, { variable: name }] of found.byType) {
    if (providers.some((provider) => asString(provider.type) === type)) continue;
    if (facts[type]?.baseUrl === undefined) {
      warnings.push(`${name}: is not used, because a provider of type ${type} needs a base_url in the file.`);
    } else if (providers.some((provider) => asString(provider.id) === type)) {
      warnings.push(`${name}: is not used, because the file has a provider of another type with the id "${type}".`);
    } else types.push(type);
  }
  return { types, warnings };
}

/**
 * The providers of the file, then those switched on by a variable.
 * A key from a variable goes only to the type's own address: a provider with a `base_url` needs keys of its own.
 */
export function buildProviders(settings: FileSettings, found: FoundKeys, types: readonly string[]): ProviderConfig[] {
  const configured = settings.providers.map((provider) => {
    const fromVariable = provider.base_url === undefined ? found.byType.get(provider.type)?.keys : undefined;
    return buildProvider(provider, provider.api_keys ?? fromVariable ?? []);
  });
  const added = types.map((type) =>
    buildProvider({ id: type, type, headers: {}, timeouts: {}, abort: {} }, found.byType.get(type)?.keys ?? []),
  );
  return [...configured, ...added];
}

const SLUG = /^[a-z0-9-]{1,63}$/;

/** The providers with their locations and projects, which variables and keys may name as well as the file. */
export function placeProviders(
  providers: readonly ProviderConfig[],
  env: Environment,
  types: Readonly<Record<string, ProviderTypeFacts>>,
): { providers: ProviderConfig[]; mistakes: string[] } {
  const mistakes: string[] = [];
  const first = (names: readonly string[] = []) => names.map((name) => variable(env, name)).find(Boolean);
  const placed = providers.map((provider) => {
    const { location: where, projectVariables, projectOf } = types[provider.type] ?? {};
    const need = (what: string, value: string | undefined, names: readonly string[]) => {
      if (value !== undefined && SLUG.test(value)) return value;
      mistakes.push(
        `providers: ${provider.id}: needs a ${what} of a-z, 0-9 and -, by \`${what}\` or ${names.join(" or ")}.`,
      );
      return undefined;
    };
    const [key] = provider.apiKeys;
    const location = provider.location ?? first(where?.variables) ?? where?.fallback;
    const project = provider.project ?? first(projectVariables) ?? (key === undefined ? undefined : projectOf?.(key));
    return {
      ...provider,
      location: where ? need("location", location, where.variables) : undefined,
      project: projectVariables ? need("project", project, projectVariables) : undefined,
    };
  });
  return { providers: placed, mistakes };
}
