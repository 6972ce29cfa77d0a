/**
 * Answers how many tokens a request's input has: free, outside limits, without a record.
 * The provider is asked where it can tell; else, or when it fails, the tokens are counted here.
 */
import type { Candidate } from "../core/endpoint.ts";
import { GatewayError, toGatewayError } from "../core/error.ts";
import { ALL_WELL } from "../core/health.ts";
import { tryParse } from "../core/json.ts";
import { withoutOwnFields } from "../core/preferences.ts";
import type { CanonicalRequest, DialectId, MediaSource, Part } from "../core/request.ts";
import { DIALECTS } from "../dialects/index.ts";
import { parseBody, readBody } from "./body.ts";
import type { Gateway, Visit } from "./gateway.ts";
import { newRequestId } from "./gateway.ts";
import { resolveModels } from "./model.ts";
import { commonHeaders, refuse } from "./respond.ts";
import { route } from "./route.ts";
import { countTokens } from "./tokenizer.ts";
import { callUpstream } from "./upstream-call.ts";

const MAX_REPLY_BYTES = 64 * 1024;

/** Answers a counting request. Never rejects. */
export async function count(gateway: Gateway, visit: Visit): Promise<Response> {
  const id = newRequestId();
  let held = 0;
  gateway.running += 1;
  try {
    const { dialect } = visit;
    const counting = dialect.operation === "generation" ? dialect.tokenCounting : undefined;
    if (dialect.operation !== "generation" || !counting)
      throw new GatewayError("not_found", "This format has no route that counts tokens.");
    gateway.checkCapacity();
    const principal = await gateway.authenticate(visit);
    const bytes = await readBody(visit.request, gateway.limits, gateway.memory);
    held = bytes.length;
    visit.bodyRead();
    const body = counting.request(parseBody(bytes, gateway.limits));
    const head = dialect.peek(body, visit.path);
    const { wishes } = resolveModels(gateway.catalog, head, principal);
    const request = dialect.decodeRequest(withoutOwnFields(body, head.routing), visit.path);
    const candidates = route({
      head,
      dialect: dialect.id,
      models: wishes,
      providers: principal.providers,
      preferences: head.routing?.preferences,
      // Where all rest nobody is asked, and the tokens are counted here.
      health: ALL_WELL,
      nowMs: 0,
      seed: 0,
    }).candidates.filter(({ endpoint }) => gateway.health.state(endpoint.id) !== "open");
    const tokens = (await ask(gateway, visit, candidates, request, id)) ?? (await estimate(request));
    return Response.json(counting.encode(tokens), { headers: commonHeaders(id) });
  } catch (thrown) {
    return refuse(visit, id, toGatewayError(thrown));
  } finally {
    gateway.memory.bytes -= held;
    gateway.running -= 1;
  }
}

/** The first candidate's word; undefined when it cannot count or fails, which is no reason to fail the caller. */
async function ask(
  gateway: Gateway,
  visit: Visit,
  candidates: readonly Candidate<DialectId>[],
  request: CanonicalRequest,
  id: string,
): Promise<number | undefined> {
  const candidate = candidates[0];
  const upstream = candidate && DIALECTS[candidate.dialect].tokenCounting?.upstream;
  if (!candidate || !upstream) return undefined;
  const { endpoint, dialect } = candidate;
  const target = DIALECTS[dialect];
  const encoded = target.encodeRequest(request, {
    model: endpoint.upstreamModel,
    stream: false,
    maxOutputTokens: endpoint.maxOutputTokens,
    capabilities: endpoint.capabilities,
    quirks: endpoint.quirks[dialect] ?? {},
  });
  try {
    const response = await callUpstream(gateway.attempting, candidate, {
      id,
      path: upstream.path(endpoint.upstreamModel),
      headers: { ...target.defaultHeaders, ...encoded.headers },
      body: JSON.stringify(upstream.body(encoded.body, endpoint.upstreamModel)),
      signal: visit.request.signal,
    });
    const text = new TextDecoder().decode(await response.readAll(MAX_REPLY_BYTES));
    if (response.status !== 200) return undefined;
    const tokens = upstream.read(tryParse(text) ?? null);
    return tokens !== undefined && Number.isSafeInteger(tokens) && tokens >= 0 ? tokens : undefined;
  } catch {
    return undefined;
  }
}

/** What a picture, a page or a second of sound costs differs by model; these are middling. */
const TOKENS_PER_IMAGE = 800;
const BYTES_PER_FILE_TOKEN = 50;
/** Role and separators of a turn. */
const TOKENS_PER_MESSAGE = 4;

/** Counts here: texts by a tokenizer, media by rules of thumb. */
export async function estimate(request: CanonicalRequest): Promise<number> {
  const texts: string[] = (request.system ?? []).map((part) => part.text);
  let tokens = request.messages.length * TOKENS_PER_MESSAGE;
  for (const message of request.messages) {
    for (const part of message.content) tokens += weigh(part, texts);
  }
  for (const tool of request.tools ?? []) {
    if (tool.type === "server") texts.push(JSON.stringify(tool.value));
    else texts.push(tool.name, tool.description ?? "");
    if (tool.type === "function" && tool.parameters) texts.push(JSON.stringify(tool.parameters));
  }
  return tokens + (await countTokens(texts));
}

/** Puts a part's texts into the list and returns the tokens of what is no text. */
function weigh(part: Part, texts: string[]): number {
  switch (part.type) {
    case "text":
    case "refusal":
    case "thinking":
      texts.push(part.text);
      return 0;
    case "tool-call":
      texts.push(part.name, part.arguments);
      return 0;
    case "tool-result":
      return part.content.reduce((sum, inner) => sum + weigh(inner, texts), 0);
    case "opaque":
      texts.push(JSON.stringify(part.value));
      return 0;
    case "server-call":
    case "server-result":
      texts.push(JSON.stringify(part.native?.value ?? part));
      return 0;
    case "image":
      return TOKENS_PER_IMAGE;
    default:
      return weighMedia(part.source, texts);
  }
}

function weighMedia(source: MediaSource, texts: string[]): number {
  if (source.type === "text") texts.push(source.text);
  return source.type === "base64" ? Math.ceil(source.data.length / BYTES_PER_FILE_TOKEN) : 0;
}
