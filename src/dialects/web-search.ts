/**
 * The tools that several providers run themselves under names and options of their own: search in the web, and running code.
 * The encoders of tools use it for a tool that was asked for in another format, where the endpoint's quirks say that it has one.
 */
import { asArray, asObject, asString, type Json, type JsonObject } from "../core/json.ts";
import type { Losses } from "../core/loss.ts";
import type { DialectId, ServerTool } from "../core/request.ts";

/** The canonical kind of the tool, as in `ServerTool.kind` and `Quirks.serverTools`. */
export const WEB_SEARCH = "web-search";
/** The same of the tool that runs the model's code. */
export const CODE_EXECUTION = "code-execution";
/** The `type` under which Chat's `web_search_options`, which is a field and no tool, stands among the canon's tools. */
export const CHAT_OPTIONS = "web_search_options";

/** What at least two formats can say of a search. Places are `city`, `region`, `country`, `timezone`. */
interface Options {
  maxUses?: number;
  allowedDomains?: string[];
  blockedDomains?: string[];
  userLocation?: JsonObject;
  contextSize?: string;
  /** Names of what only the origin's format knows. */
  others: string[];
}

type Written = Exclude<keyof Options, "others">;

const KNOWN: ReadonlySet<string> = new Set([
  "type",
  "name",
  "cache_control",
  "max_uses",
  "allowed_domains",
  "blocked_domains",
  "filters",
  "user_location",
  "search_context_size",
]);
const FILTERS: ReadonlySet<string> = new Set(["allowed_domains", "blocked_domains"]);
const PLACE = ["city", "region", "country", "timezone"] as const;

/** Searches that a call is expected to make at most where the caller sets no limit. */
export const USUAL_SEARCHES = 10;
const SEARCHES = /^(web_search|google_?search|x_search|browser_search|file_search)/i;
const FETCHES = /^(web_fetch|url_?context|enterprise_?web_?search)/i;

/** What `Head.searches` is for these tools: those of Chat, Responses and Messages by their type, Gemini's by their key. */
export function searchesOf(tools: readonly Json[]): number | undefined {
  let most: number | undefined;
  for (const value of tools) {
    const tool = asObject(value);
    if (!tool) continue;
    const names = tool.type === undefined ? Object.keys(tool) : [asString(tool.type) ?? ""];
    const searches = names.some((name) => SEARCHES.test(name));
    if (!searches && !names.some((name) => FETCHES.test(name))) continue;
    const limit = typeof tool.max_uses === "number" && tool.max_uses > 0 ? tool.max_uses : USUAL_SEARCHES;
    most = (most ?? 0) + (searches ? limit : 0);
  }
  return most;
}

function domains(value: JsonObject[string] | undefined): string[] | undefined {
  const list = asArray(value).filter((one) => typeof one === "string");
  return list.length > 0 ? list : undefined;
}

function place(value: JsonObject[string] | undefined): JsonObject | undefined {
  const outer = asObject(value);
  const inner = asObject(outer?.approximate) ?? outer;
  const found: JsonObject = {};
  for (const key of PLACE) if (asString(inner?.[key])) found[key] = inner?.[key] as string;
  return Object.keys(found).length > 0 ? found : undefined;
}

function unknown(object: JsonObject | undefined, known: ReadonlySet<string>): string[] {
  return Object.keys(object ?? {}).filter((key) => !known.has(key) && object?.[key] !== null);
}

/** The options of a search tool in any format. Absent and null are one. */
function read({ value, dialect }: ServerTool): Options {
  if (dialect === "gemini") {
    const search = asObject(Object.values(value)[0]);
    const blockedDomains = domains(search?.excludeDomains);
    return { blockedDomains, others: unknown(search, new Set(["excludeDomains"])) };
  }
  const wire = value.type === CHAT_OPTIONS ? (asObject(value.options) ?? {}) : value;
  const filters = asObject(wire.filters);
  return {
    maxUses: typeof wire.max_uses === "number" ? wire.max_uses : undefined,
    allowedDomains: domains(filters?.allowed_domains ?? wire.allowed_domains),
    blockedDomains: domains(filters?.blocked_domains ?? wire.blocked_domains),
    userLocation: place(wire.user_location),
    contextSize: asString(wire.search_context_size),
    others: [...unknown(wire, KNOWN), ...unknown(filters, FILTERS)],
  };
}

/** What a format says of a search: the fields that it has, and the tool made of them. */
interface Form {
  readonly says: readonly Written[];
  write(options: Options): JsonObject;
}

const approximate = (location: JsonObject | undefined) =>
  location && { user_location: { type: "approximate", ...location } };

const FORMS: { readonly [D in DialectId]?: Form } = {
  "anthropic-messages": {
    says: ["maxUses", "allowedDomains", "blockedDomains", "userLocation"],
    write: ({ maxUses, allowedDomains, blockedDomains, userLocation }) => ({
      type: "web_search_20250305",
      name: "web_search",
      ...(maxUses !== undefined && { max_uses: maxUses }),
      ...(allowedDomains && { allowed_domains: allowedDomains }),
      ...(blockedDomains && { blocked_domains: blockedDomains }),
      ...approximate(userLocation),
    }),
  },
  "openai-responses": {
    says: ["allowedDomains", "userLocation", "contextSize"],
    write: ({ allowedDomains, userLocation, contextSize }) => ({
      type: "web_search",
      ...(allowedDomains && { filters: { allowed_domains: allowedDomains } }),
      ...approximate(userLocation),
      ...(contextSize !== undefined && { search_context_size: contextSize }),
    }),
  },
  "openai-chat": {
    says: ["userLocation", "contextSize"],
    write: ({ userLocation, contextSize }) => ({
      type: CHAT_OPTIONS,
      options: {
        ...(userLocation && { user_location: { type: "approximate", approximate: userLocation } }),
        ...(contextSize !== undefined && { search_context_size: contextSize }),
      },
    }),
  },
  gemini: { says: [], write: () => ({ googleSearch: {} }) },
};

/** How code is asked to be run; what callers set besides (containers, files) is only their own provider's. */
const CODE_TOOLS: { readonly [D in DialectId]?: JsonObject } = {
  "anthropic-messages": { type: "code_execution_20250825", name: "code_execution" },
  "openai-responses": { type: "code_interpreter", container: { type: "auto" } },
  gemini: { codeExecution: {} },
};

/** What a caller set of a tool that runs code. */
function codeOptions({ value, dialect }: ServerTool): string[] {
  if (dialect === "gemini") return unknown(asObject(Object.values(value)[0]), new Set());
  const { container, ...others } = value;
  const isPlain = container === undefined || Object.keys(asObject(container) ?? {}).join() === "type";
  return [...unknown(others, KNOWN), ...(isPlain ? [] : ["container"])];
}

const WRITTEN: readonly Written[] = ["maxUses", "allowedDomains", "blockedDomains", "userLocation", "contextSize"];

/**
 * Another format's tool as this format's own; undefined, and a loss, where the endpoint has none. `serves`: the quirk's
 * kinds. Options that the format lacks are losses of their own, so that nobody takes a search without them for one with.
 */
export function mapServerTool(
  tool: ServerTool,
  to: DialectId,
  serves: readonly string[] | undefined,
  losses: Losses,
): JsonObject | undefined {
  const form = FORMS[to];
  const code = CODE_TOOLS[to];
  if (tool.kind === CODE_EXECUTION && code && serves?.includes(CODE_EXECUTION)) {
    for (const name of codeOptions(tool)) losses.add(`tools.${CODE_EXECUTION}.${name}`);
    return { ...code };
  }
  if (tool.kind !== WEB_SEARCH || !form || !serves?.includes(WEB_SEARCH)) {
    losses.add(`tools.${tool.kind}`);
    return undefined;
  }
  const options = read(tool);
  // The API of Messages refuses both lists at once; the narrower one is kept.
  const isBoth = options.allowedDomains !== undefined && options.blockedDomains !== undefined;
  const told = isBoth && to === "anthropic-messages" ? { ...options, blockedDomains: undefined } : options;
  for (const name of WRITTEN) {
    const isSaid = form.says.includes(name) && told[name] !== undefined;
    if (options[name] !== undefined && !isSaid) losses.add(`tools.${WEB_SEARCH}.${name}`);
  }
  for (const name of options.others) losses.add(`tools.${WEB_SEARCH}.${name}`);
  return form.write(told);
}
