/**
 * Every provider type against what is known of it: its recordings, the rules for addresses and credentials, the curated list.
 * A request that a provider took keeps what it said when it is encoded again with that provider's quirks.
 */
import { describe, expect, test } from "bun:test";
import type { CanonicalEvent } from "../src/core/event.ts";
import { CAPABILITIES } from "../src/core/head.ts";
import { asArray, asObject, type Json, type JsonObject, tryParse } from "../src/core/json.ts";
import { collect } from "../src/core/reply.ts";
import type { DialectId } from "../src/core/request.ts";
import { completionTokens, promptTokens } from "../src/core/usage.ts";
import { DIALECTS } from "../src/dialects/index.ts";
import { normalRequest } from "../src/dialects/openai-chat/recordings.normal.ts";
import { PROVIDER_TYPES } from "../src/providers/index.ts";
import type { Outgoing, Provider, ProviderType } from "../src/providers/provider.ts";
import { createSseParser } from "../src/upstream/sse.ts";
import { haveRecordings, type Recording, recordings, SKIP_REASON } from "./support/wire.ts";

const TYPES = Object.values(PROVIDER_TYPES);
const present = haveRecordings();
const title = (name: string) => (present ? name : `${name} (${SKIP_REASON})`);

const API_OF: { readonly [D in DialectId]?: string } = {
  "openai-chat": "openai.chat",
  "openai-responses": "openai.responses",
  "anthropic-messages": "anthropic.messages",
  gemini: "gemini.generateContent",
};
const FORMATS = Object.entries(API_OF) as [DialectId, string][];
/** Where the recordings call a provider otherwise, and the addresses under which local ones were recorded. */
const OTHER_NAMES: Readonly<Record<string, string>> = {
  z: "zai",
  moonshotai: "moonshot",
  "127.0.0.1:11434": "ollama",
  "localhost:8000": "vllm",
};
/** Recorded under the provider's name, but at another of its services. */
const ELSEWHERE: readonly RegExp[] = [
  /\/models\/chat\/completions/, // Azure's models that are not OpenAI's
  /\/openai\/deployments\//, // Azure's older API
  /\/api\/coding\//, // Z.ai's coding plan
  /^bedrock-mantle\./, // Bedrock's imitation of OpenAI
  /^router\.huggingface\.co\/nebius\//, // Hugging Face's route to one of its providers
];

type Recorded = Recording & { host: string | null };

function typeOf(recording: Recorded): string {
  if (recording.provider === "local") return OTHER_NAMES[recording.host ?? ""] ?? "local";
  return OTHER_NAMES[recording.provider] ?? recording.provider;
}

const RECORDED = FORMATS.map(([dialect, api]) => ({ dialect, all: recordings(api) as Recorded[] }));

function recordedOf(type: ProviderType, dialect: DialectId): Recorded[] {
  // Their imitations of Chat are no formats that they are called in.
  if (dialect === "openai-chat" && (type.type === "anthropic" || type.type === "google")) return [];
  return RECORDED.find((entry) => entry.dialect === dialect)?.all.filter((one) => typeOf(one) === type.type) ?? [];
}

const isElsewhere = ({ host, request }: Recorded) =>
  ELSEWHERE.some((place) => place.test(`${host ?? ""}${request?.path ?? ""}`));
const wasTaken = (recording: Recorded) => recording.response.status < 400 && recording.request !== null;

describe.skipIf(!present)(title("a provider's recordings"), () => {
  test("are in formats that it speaks, at its address", () => {
    let compared = 0;
    for (const type of TYPES) {
      for (const [dialect] of FORMATS) {
        const taken = recordedOf(type, dialect).filter((one) => wasTaken(one) && !isElsewhere(one));
        if (taken.length === 0) continue;
        expect({ type: type.type, speaks: type.dialects }).toMatchObject({ speaks: expect.arrayContaining([dialect]) });
        compared += type.address ? placed(type, dialect, taken) : 0;
        if (!type.baseUrl || isLocal(type)) continue;
        const base = new URL(type.baseUrl);
        for (const { file, host, request, model } of taken) {
          if (host === null) continue;
          const called = new URL(`https://${host}${request?.path}`);
          const path = base.pathname.replace(/\/$/, "") + DIALECTS[dialect].upstreamPath(model ?? "", false);
          // Gemini's path names the version and the model, which recordings vary.
          const isFixed = dialect !== "gemini";
          expect({ file, host, path: isFixed && called.pathname }).toEqual({
            file,
            host: base.host,
            path: isFixed && path,
          });
          compared += 1;
        }
      }
    }
    expect(compared).toBeGreaterThan(700);
  });

  for (const type of TYPES) {
    const chats = recordedOf(type, "openai-chat").filter((one) => wasTaken(one) && !isElsewhere(one));
    if (!type.dialects.includes("openai-chat") || chats.length === 0) continue;
    test(`${type.name}: a request that it took in Chat keeps what it said`, () => {
      for (const { file, request } of chats) {
        const body = request?.body as JsonObject;
        expect({ file, body: comparable(reencode(type, body)) }).toEqual({ file, body: comparable(body, type) });
      }
    });
  }

  for (const type of TYPES) {
    const bodies = recordedOf(type, "openai-chat").filter((one) => wasTaken(one) && !isElsewhere(one));
    if (!type.dialects.includes("openai-chat") || bodies.length === 0) continue;
    test(`${type.name}: what Chat upstreams spell differently is spelled as it took it`, () => {
      const seen = spellings(bodies.map((one) => one.request?.body as JsonObject));
      const quirks = type.quirks?.["openai-chat"] ?? {};
      const field = quirks.reasoningField ?? "none";
      if (seen.limits.size > 0) expect(seen.limits).toContain(quirks.maxTokensField ?? "max_completion_tokens");
      if (seen.roles.size > 0 && type.type !== "ollama") expect(seen.roles).toContain(quirks.systemRole ?? "system");
      if (seen.reasoning.size > 0)
        expect(seen.reasoning).toContain(quirks.reasoningDetails ? "reasoning_details" : field);
      if (seen.wishes.size > 0) expect(seen.wishes).toContain(WISHES[quirks.reasoningRequest ?? "effort"]);
      if (quirks.noStreamOptions) expect(seen.others).not.toContain("stream_options");
      if (seen.others.has("cache_control")) expect(quirks.cacheControl).toBe(true);
    });
  }

  for (const type of TYPES) {
    const answered = FORMATS.flatMap(([dialect]) =>
      recordedOf(type, dialect)
        .filter((one) => one.response.status < 400)
        .map((one) => ({ dialect, one })),
    );
    if (answered.length === 0) continue;
    test(`${type.name}: every answer decodes, with the usage that it told`, () => {
      for (const { dialect, one } of answered) {
        const { usage } = collect(decode(dialect, one));
        const told = naiveUsage(dialect, one);
        const seen = usage && { input: promptTokens(usage), output: completionTokens(usage) };
        if (told) expect({ file: one.file, ...seen }).toEqual({ file: one.file, ...told });
      }
    });
  }

  test("are there for most of the providers, so that these tests say something", () => {
    const silent = TYPES.filter((type) => FORMATS.every(([dialect]) => recordedOf(type, dialect).length === 0));
    expect(silent.map((type) => type.type)).toEqual([
      "minimax",
      "cohere",
      "fireworks",
      "deepinfra",
      "novita",
      "sambanova",
      "nvidia",
      "lmstudio",
      "custom",
      "simulated",
    ]);
  });
});

/** Compares where calls of a type with locations went with where its form puts them; how many there were. */
function placed(type: ProviderType, dialect: DialectId, taken: readonly Recorded[]): number {
  let compared = 0;
  for (const { file, host, request, model } of taken) {
    const called = new URL(`https://host${request?.path}`);
    const location =
      /\/locations\/([a-z0-9-]+)\//.exec(called.pathname)?.[1] ?? /\.([a-z0-9-]+)\.amazonaws/.exec(host ?? "")?.[1];
    if (host === null || location === undefined) continue;
    const stream = asObject(request?.body)?.stream === true || /stream/.test(called.pathname);
    const path = type.forms?.[dialect]?.path({
      path: DIALECTS[dialect].upstreamPath(model ?? "", stream),
      model: decodeURIComponent(model ?? ""),
      provider: { project: "PROJECT", location } as Provider,
      credential: undefined,
      isStreamed: () => stream,
    });
    const at = called.pathname.replace("/v1beta1/", "/v1/");
    expect({ file, host, at }).toEqual({
      file,
      host: new URL(type.address?.(location) ?? "").host,
      at: (path ?? "").replace(/\?.*/, ""),
    });
    compared += 1;
  }
  return compared;
}

const WISHES = { effort: "reasoning_effort", reasoning: "reasoning", thinking: "thinking" } as const;

/** The names under which requests said what providers name differently. */
function spellings(bodies: readonly JsonObject[]) {
  const seen = {
    limits: new Set<string>(),
    roles: new Set<string>(),
    reasoning: new Set<string>(),
    wishes: new Set<string>(),
    others: new Set<string>(),
  };
  const note = (set: Set<string>, object: JsonObject, ...names: string[]) => {
    for (const name of names) if (object[name] !== undefined && object[name] !== null) set.add(name);
  };
  for (const body of bodies) {
    note(seen.limits, body, "max_tokens", "max_completion_tokens");
    note(seen.wishes, body, ...Object.values(WISHES));
    note(seen.others, body, "stream_options");
    for (const message of asArray(body.messages).map((value) => asObject(value) ?? {})) {
      if (message.role === "system" || message.role === "developer") seen.roles.add(message.role);
      note(seen.others, message, "cache_control");
      if (message.role !== "assistant") continue;
      note(seen.reasoning, message, "reasoning", "reasoning_content", "reasoning_details");
      if (asArray(message.content).some((part) => asObject(part)?.type === "thinking")) seen.reasoning.add("content");
    }
  }
  return seen;
}

function reencode(type: ProviderType, body: JsonObject): JsonObject {
  const { "openai-chat": chat } = DIALECTS;
  const request = chat.decodeRequest(body, {});
  const encoded = chat.encodeRequest(request, {
    model: request.model,
    stream: request.stream,
    maxOutputTokens: 10_000_000,
    capabilities: new Set(CAPABILITIES),
    quirks: type.quirks?.["openai-chat"] ?? {},
  });
  return JSON.parse(JSON.stringify(encoded.body)) as JsonObject;
}

/**
 * A body without what encoding may change: with a type, its own deviations are applied to what was recorded. Those that a
 * recording contradicts are not here, so a wrong quirk shows.
 */
function comparable(body: JsonObject, type?: ProviderType): Json | undefined {
  const { max_tokens, max_completion_tokens, ...others } = normalRequest(body) as JsonObject;
  const limit = max_tokens ?? max_completion_tokens;
  const { systemRole: role, reasoningRequest } = type?.quirks?.["openai-chat"] ?? {};
  const messages = asArray(others.messages).map((value) => {
    const message = asObject(value) ?? {};
    return role && /system|developer/.test(String(message.role)) ? { ...message, role } : message;
  });
  // Whoever names an effort wants thinking.
  if (reasoningRequest === "thinking" && others.reasoning_effort) others.thinking ??= { type: "enabled" };
  return { ...others, messages, ...(limit === undefined ? {} : { limit }) };
}

function decode(dialect: DialectId, { response }: Recorded): CanonicalEvent[] {
  const { sse, body } = response;
  if (sse === undefined) return DIALECTS[dialect].decodeReply(body ?? null, { id: "test" });
  const parser = createSseParser();
  const decoder = DIALECTS[dialect].streamDecoder({ id: "test" });
  const frames = [...parser.push(new TextEncoder().encode(sse)), ...parser.end()];
  return [...frames.flatMap((frame) => [...decoder.frame(frame)]), ...decoder.end()];
}

const count = (value: Json | undefined) => (typeof value === "number" ? value : 0);

/** Each object of that kind that a recording holds, in order. */
function allOf(recording: Recorded, find: (value: JsonObject) => Json | undefined): JsonObject[] {
  const { sse, body } = recording.response;
  const lines = sse?.split(/\r?\n/).filter((line) => line.startsWith("data:")) ?? [];
  const values = sse === undefined ? [body] : lines.map((line) => tryParse(line.slice(5).trim()));
  return values.flatMap((value): JsonObject[] => {
    const found = asObject(find(asObject(value) ?? {}));
    return found ? [found] : [];
  });
}

/** Everything in and everything out, read without the dialects; undefined where the recording tells nothing. */
function naiveUsage(dialect: DialectId, recording: Recorded): { input: number; output: number } | undefined {
  if (dialect === "openai-chat") {
    const usage = allOf(recording, (value) => asObject(value.usage) ?? asObject(value.x_groq)?.usage).at(-1);
    if (!usage) return undefined;
    const input = count(usage.prompt_tokens);
    const output = count(usage.completion_tokens);
    const audio = count(asObject(usage.prompt_tokens_details)?.audio_tokens);
    // xAI's reasoning, Gemini's thoughts and Mistral's audio come on top.
    const excess = Math.max(0, count(usage.total_tokens) - input - output);
    return excess === audio ? { input: input + audio * Math.sign(excess), output } : { input, output: output + excess };
  }
  if (dialect === "openai-responses") {
    // Two streams were recorded one after the other: the first one's end is the end.
    const usage = allOf(recording, (value) => asObject(value.response)?.usage ?? value.usage)[0];
    return usage && { input: count(usage.input_tokens), output: count(usage.output_tokens) };
  }
  if (dialect === "anthropic-messages") {
    // At its start and at its end; another stream may have been recorded behind it.
    const [start, end] = allOf(recording, (value) => asObject(value.message)?.usage ?? value.usage);
    const usage: JsonObject = { ...start, ...end };
    // Several samplings are counted one by one, which the dialect's own tests compare.
    if (usage.input_tokens === undefined || asArray(usage.iterations).length > 1) return undefined;
    const cached = count(usage.cache_read_input_tokens) + count(usage.cache_creation_input_tokens);
    return { input: count(usage.input_tokens) + cached, output: count(usage.output_tokens) };
  }
  return undefined;
}

function isLocal({ baseUrl }: ProviderType): boolean {
  return baseUrl !== undefined && new URL(baseUrl).hostname === "127.0.0.1";
}

const SENT = {} as Outgoing;

describe("provider types", () => {
  test("are reached over TLS, unless they are on this machine", () => {
    for (const type of TYPES) {
      if (!type.baseUrl) continue;
      const url = new URL(type.baseUrl);
      expect({ type: type.type, protocol: url.protocol }).toEqual({
        type: type.type,
        protocol: isLocal(type) ? "http:" : "https:",
      });
      expect(type.baseUrl.endsWith("/")).toBe(false);
      expect(url.search + url.hash + url.username).toBe("");
    }
    expect(TYPES.filter(isLocal).map((type) => type.type)).toEqual(["ollama", "vllm", "lmstudio", "llamacpp"]);
  });

  test("put the credential into the right header and nowhere else", () => {
    const key = "sk-secret-1";
    const CARRIERS: Readonly<Record<string, string>> = { azure: "api-key", openrouter: "authorization" };
    const OF_FORMAT: Readonly<Record<string, string>> = {
      "anthropic-messages": "x-api-key",
      gemini: "x-goog-api-key",
      "gemini-embeddings": "x-goog-api-key",
    };
    for (const type of TYPES) {
      // Theirs are signed or exchanged: their own tests look at them.
      if (type.keyFrom) continue;
      for (const dialect of type.dialects) {
        const name = CARRIERS[type.type] ?? OF_FORMAT[dialect] ?? "authorization";
        const value = name === "authorization" ? `Bearer ${key}` : key;
        expect({ type: type.type, dialect, ...type.authorize(key, dialect, SENT) }).toEqual({
          type: type.type,
          dialect,
          [name]: value,
        });
      }
    }
  });

  test("have names, formats and variables of their own", () => {
    const variables = TYPES.flatMap((type) => type.keyVariables);
    expect(new Set(variables).size).toBe(variables.length);
    for (const type of TYPES) {
      expect(PROVIDER_TYPES[type.type]).toBe(type);
      expect(type.type).toMatch(/^[a-z0-9-]{1,63}$/);
      expect(type.dialects.length).toBeGreaterThan(0);
      if (!type.keyFrom)
        for (const variable of type.keyVariables) expect(variable).toMatch(/^[A-Z][A-Z_]*_(API_KEY|TOKEN)$/);
      for (const dialect of Object.keys(type.quirks ?? {})) expect(type.dialects).toContain(dialect as DialectId);
    }
  });
});
