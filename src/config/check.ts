/**
 * Checks that no single setting can answer: names that must be unique, and names that must exist elsewhere.
 * They read the tree before the schema's verdict, so that these mistakes appear together with those of form.
 */
import { asArray, asNumber, asObject, asString, type JsonObject } from "../core/json.ts";
import { checkBilling } from "./billing.ts";
import { didYouMean, type Origin, place } from "./mistake.ts";
import { BUILT_IN_PLAN, IN_PROCESS_TYPE } from "./schema.ts";
import type { ProviderTypeFacts } from "./types.ts";
import type { Path } from "./walk.ts";

export interface Scope {
  readonly tree: JsonObject;
  readonly origin: Origin;
  readonly providerTypes: Readonly<Record<string, ProviderTypeFacts>>;
  /** Ids of the providers that variables switch on. */
  readonly switchedOn: readonly string[];
}

type Report = (path: Path, problem: string) => void;

/** All mistakes between settings. Values of a wrong form are skipped: the schema speaks of those. */
export function crossCheck(scope: Scope): string[] {
  const mistakes: string[] = [];
  const report: Report = (path, problem) => mistakes.push(`${place(scope.origin, path)}: ${problem}`);
  checkProviders(scope, report);
  checkModels(scope, report);
  checkPlans(scope.tree, report);
  checkLimits(scope.tree, report);
  checkBilling(scope.tree, report);
  return mistakes;
}

/** The list's items that are mappings, with their paths. */
function items(object: JsonObject, key: string, path: Path = []): [JsonObject, Path][] {
  return asArray(object[key]).flatMap((item, index): [JsonObject, Path][] => {
    const found = asObject(item);
    return found ? [[found, [...path, key, index]]] : [];
  });
}

/** Answers whether a name is new; reports it otherwise. */
function uniqueNames(report: Report): (name: string | undefined, path: Path, what: string) => void {
  const seen = new Set<string>();
  return (name, path, what) => {
    if (name === undefined) return;
    if (seen.has(name)) report(path, `${what} ${JSON.stringify(name)} is there twice.`);
    seen.add(name);
  };
}

function checkProviders(scope: Scope, report: Report): void {
  const unique = uniqueNames(report);
  const types = Object.keys(scope.providerTypes);
  for (const [provider, path] of items(scope.tree, "providers")) {
    unique(asString(provider.id), [...path, "id"], "the provider id");
    const type = asString(provider.type);
    if (type === undefined) continue;
    if (!Object.hasOwn(scope.providerTypes, type)) {
      const problem = `expected one of ${types.join(", ")}, got ${JSON.stringify(type.slice(0, 60))}`;
      report([...path, "type"], problem + didYouMean(type, types));
      continue;
    }
    const { baseUrl, address } = scope.providerTypes[type] ?? {};
    const addressed = baseUrl !== undefined || address !== undefined || type === IN_PROCESS_TYPE;
    if (!addressed && provider.base_url === undefined) {
      report([...path, "base_url"], `is required for a provider of type ${type}.`);
    }
  }
}

function checkModels(scope: Scope, report: Report): void {
  const unique = uniqueNames(report);
  const providers = items(scope.tree, "providers").flatMap(([provider]) => asString(provider.id) ?? []);
  providers.push(...scope.switchedOn);
  for (const [model, path] of items(scope.tree, "models")) {
    unique(asString(model.id), [...path, "id"], "the model id or alias");
    asArray(model.aliases).forEach((alias, i) => {
      if (alias !== model.id) unique(asString(alias), [...path, "aliases", i], "the model id or alias");
    });
    const uniqueEndpoint = uniqueNames(report);
    for (const [endpoint, place] of items(model, "endpoints", path)) {
      checkTiers(endpoint, place, report);
      const provider = asString(endpoint.provider);
      if (provider === undefined) continue;
      uniqueEndpoint(`${provider}/${asString(endpoint.model) ?? ""}`, place, "the endpoint");
      if (providers.includes(provider)) continue;
      report([...place, "provider"], missingProvider(scope, provider, providers));
    }
    checkTiers(model, path, report);
  }
}

function missingProvider(scope: Scope, id: string, known: readonly string[]): string {
  const problem = `there is no provider ${JSON.stringify(id.slice(0, 60))}`;
  const variables = Object.hasOwn(scope.providerTypes, id) ? scope.providerTypes[id]?.keyVariables : undefined;
  if (variables?.[0] !== undefined) return `${problem}; set ${variables[0]} or add it to providers.`;
  return problem + didYouMean(id, known);
}

function checkTiers(priced: JsonObject, path: Path, report: Report): void {
  for (const key of ["price", "cost"]) {
    const price = asObject(priced[key]);
    if (!price) continue;
    const unique = uniqueNames(report);
    for (const [tier, place] of items(price, "tiers", [...path, key])) {
      const above = asNumber(tier.above) ?? asString(tier.above);
      unique(above === undefined ? undefined : String(above), [...place, "above"], "the tier above");
    }
  }
}

function checkPlans(tree: JsonObject, report: Report): void {
  const unique = uniqueNames(report);
  const plans = [BUILT_IN_PLAN];
  for (const [plan, path] of items(tree, "plans")) {
    const id = asString(plan.id);
    unique(id, [...path, "id"], "the plan id");
    if (id !== undefined) plans.push(id);
    if (plan.price_annual !== undefined && plan.price === undefined)
      report([...path, "price"], "is required where there is a price_annual.");
  }
  const chosen = asString(asObject(tree.defaults)?.plan);
  if (chosen === undefined || plans.includes(chosen)) return;
  report(["defaults", "plan"], `there is no plan ${JSON.stringify(chosen.slice(0, 60))}${didYouMean(chosen, plans)}`);
}

function checkLimits(tree: JsonObject, report: Report): void {
  const limits = asObject(tree.limits);
  const one = Number(limits?.max_body_bytes);
  const all = Number(limits?.max_body_bytes_in_flight);
  if (one > all) {
    report(["limits", "max_body_bytes_in_flight"], "must not be less than max_body_bytes: no such body would fit.");
  }
}
