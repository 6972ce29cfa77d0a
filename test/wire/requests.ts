/**
 * Converts requests and says what is wrong with the result: a thrown error, a lost fact that no loss names, a body that
 * the target's schema refuses. `test/wire.test.ts` runs it over every recorded request and every pair of dialects.
 */
import { asObject, type Json, type JsonObject, tryParse } from "../../src/core/json.ts";
import type { Loss } from "../../src/core/loss.ts";
import type { CanonicalRequest, DialectId } from "../../src/core/request.ts";
import { DIALECTS } from "../../src/dialects/index.ts";
import { toolNames } from "../../src/dialects/tool-names.ts";
import { type MainDialect, type SourceRequest, targetFor } from "./exchanges.ts";
import { type Fact, type FactKind, leaves } from "./facts.ts";
import type { Chance } from "./relays.ts";

export interface Converted {
  body: JsonObject;
  losses: Loss[];
}

/** The converted body as it would travel. */
export function convertRequest(request: CanonicalRequest, to: DialectId): Converted {
  const { body, losses } = DIALECTS[to].encodeRequest(request, targetFor(request));
  return { body: JSON.parse(JSON.stringify(body)) as JsonObject, losses };
}

/** Where a format keeps the conversation. */
const HISTORY: Record<MainDialect, string> = {
  "openai-chat": "messages",
  "openai-responses": "input",
  "anthropic-messages": "messages",
  gemini: "contents",
};

/** The request with its conversation cut, doubled, shortened or rearranged, as clients do; undefined for a single turn. */
export function garbled(source: SourceRequest, chance: Chance): SourceRequest | undefined {
  const field = HISTORY[source.from];
  const turns = source.body[field];
  if (!Array.isArray(turns) || turns.length < 2) return undefined;
  const copy = structuredClone(turns);
  const at = chance(copy.length);
  const other = chance(copy.length);
  const way = chance(4);
  if (way === 0) copy.splice(at, 1);
  else if (way === 1) copy.splice(at, 0, structuredClone(copy[other] as Json));
  else if (way === 2) copy.splice(0, at);
  else [copy[at], copy[other]] = [copy[other] as Json, copy[at] as Json];
  return { ...source, body: { ...source.body, [field]: copy } };
}

/** The losses that may name the absence of a kind of fact. */
const NAMES: Record<FactKind, RegExp> = {
  system: /^(?:system|messages)\.(?:system|text)$/,
  text: /^messages\.(?:text|refusal)$/,
  thinking: /^(?:messages\.(?:thinking|signature|reasoning)|reasoning)/,
  tool: /^tools/,
  call: /^messages\.(?:tool-call|arguments)/,
  result: /^messages\.tool-result$/,
  media: /^messages\.(?:image|file|audio|video|tool-result\.media)/,
  item: /^messages\./,
  "server-tool": /^tools\./,
};

/** Why a fact may be absent without being named a loss. */
const REASONS: readonly { kind: FactKind; why: string; applies(fact: Fact, context: Context): boolean }[] = [
  {
    kind: "system",
    why: "a billing line for the caller's own provider, which changes with each request",
    applies: ({ value }) => value.startsWith("x-anthropic-billing-header:"),
  },
  {
    kind: "call",
    why: "arguments that broke off are completed, since the target takes only whole objects",
    applies: ({ value }) => asObject(tryParse(value)) === undefined,
  },
  {
    kind: "item",
    why: "the wish for a summary of the conversation, which other formats are asked for in words",
    applies: ({ value }) => value === "compaction_trigger",
  },
];

interface Context {
  held: string;
  calls: ReadonlySet<string>;
  names: ReturnType<typeof toolNames>;
  request: CanonicalRequest;
}

/** The facts that are neither in the converted body, nor named a loss, nor absent for a written reason. */
export function missingFacts(facts: readonly Fact[], request: CanonicalRequest, { body, losses }: Converted): Fact[] {
  const context: Context = {
    held: leaves(body).join("\u0000"),
    calls: new Set(callsIn(body)),
    names: toolNames(request.tools),
    request,
  };
  return facts.filter((fact) => {
    if (holds(fact, context)) return false;
    if (losses.some(({ field }) => NAMES[fact.kind].test(field))) return false;
    return !REASONS.some(({ kind, applies }) => kind === fact.kind && applies(fact, context));
  });
}

/** The first text of the conversation that stands before one that it followed; undefined when all keep their order. */
export function misplacedText(facts: readonly Fact[], { body }: Converted): Fact | undefined {
  const texts = leaves(body.messages ?? body.input ?? body.contents ?? null).map((text) => text.trim());
  let from = 0;
  return facts.find(({ kind, value }) => {
    if (kind !== "text") return false;
    const wanted = value.trim();
    const at = texts.findIndex((text, index) => index >= from && text.includes(wanted));
    if (at < 0) return texts.some((text) => text.includes(wanted));
    from = at;
    return false;
  });
}

function holds({ kind, value }: Fact, context: Context): boolean {
  const { held, calls } = context;
  if (kind === "call") return calls.has(canonical(tryParse(value) ?? value));
  if (kind === "item" || kind === "server-tool") return false;
  if (held.includes(value.trim())) return true;
  if (kind === "tool") return flatNames(value, context).some((name) => held.includes(name));
  if (kind === "media") return held.includes(mediaData(value)) || held.includes(decoded(value));
  if (kind === "result" || kind === "text" || kind === "system") {
    const parsed = tryParse(value);
    return (
      parsed !== undefined && typeof parsed === "object" && leaves(parsed).every((leaf) => held.includes(leaf.trim()))
    );
  }
  return false;
}

function flatNames(name: string, { names, request }: Context): string[] {
  const spaces = (request.tools ?? []).map((tool) => (tool.type === "server" ? undefined : tool.namespace));
  return [undefined, ...new Set(spaces)].map((namespace) => names.flatten(name, namespace));
}

/** The data of a data URL, or the address as it is. */
function mediaData(value: string): string {
  return value.startsWith("data:") ? value.slice(value.indexOf(",") + 1) : value;
}

/** The text that the data is base64 of, since text files go as plain text where the target has no other form. */
function decoded(value: string): string {
  return Buffer.from(mediaData(value), "base64").toString("utf8").trim() || "\u0000none";
}

/** The arguments of every call in a body of any format, as canonical JSON. */
function callsIn(value: Json): string[] {
  if (Array.isArray(value)) return value.flatMap(callsIn);
  const object = asObject(value);
  if (!object) return [];
  const found: string[] = [];
  for (const [key, inner] of Object.entries(object)) {
    if (inner === undefined) continue;
    if (key === "arguments" && typeof inner === "string") found.push(canonical(tryParse(inner || "{}") ?? inner));
    else if (key === "input" && object.type === "custom_tool_call") found.push(canonical({ input: inner }));
    else if (key === "input" || key === "args") found.push(canonical(inner));
    found.push(...callsIn(inner));
  }
  return found;
}

/** JSON text with sorted keys, so that equal values have equal texts. */
export function canonical(value: Json): string {
  const sorted = (inner: Json): Json => {
    if (Array.isArray(inner)) return inner.map(sorted);
    const object = asObject(inner);
    if (!object) return inner;
    const keys = Object.keys(object).sort();
    return Object.fromEntries(keys.map((key) => [key, sorted(object[key] ?? null)]));
  };
  return JSON.stringify(sorted(value));
}
