/**
 * A gateway with one model for each format, in front of an upstream that notes what it is asked and says what a test wants.
 * The lessons' tests stand on it.
 */
import { asObject, asString, type JsonObject, tryParse } from "../../src/core/json.ts";
import type { DialectId } from "../../src/core/request.ts";
import { createSimulator } from "../../src/simulator/index.ts";
import { endpoint, model } from "../support/calls.ts";
import { KEY, type TestGateway, testGateway } from "../support/gateway.ts";

/** The model's name picks the upstream's format. */
export const MODELS = {
  chat: "openai-chat",
  responses: "openai-responses",
  claude: "anthropic-messages",
  gemini: "gemini",
} as const satisfies Record<string, DialectId>;
export type ModelName = keyof typeof MODELS;
export const NAMES = Object.keys(MODELS) as ModelName[];
/** All but the Messages format's own. */
export const OTHERS = NAMES.filter((name) => name !== "claude");

/** What the provider calls each, which is what its rules go by. */
const UPSTREAM: Record<ModelName, string> = {
  chat: "gpt-4o",
  responses: "gpt-5",
  claude: "claude-sonnet-4-5",
  gemini: "gemini-2.5-flash",
};

/** What the upstream was asked. */
export interface Asked {
  readonly path: string;
  readonly body: JsonObject;
}

export interface Stage extends TestGateway {
  readonly asked: Asked[];
  /** Sends a request that must succeed; its whole text. */
  text(path: string, body: JsonObject): Promise<string>;
  /** The same, as JSON. */
  json(path: string, body: JsonObject): Promise<JsonObject>;
  /** The body of the last request that the upstream got. */
  last(): JsonObject;
}

type Answer = (asked: Asked, request: Request) => Response | Promise<Response>;

/** A gateway whose upstream answers so. */
export function stage(answer: Answer, over: Parameters<typeof testGateway>[0] = {}): Stage {
  const asked: Asked[] = [];
  const upstream = async (request: Request) => {
    const { pathname, search } = new URL(request.url);
    const text = await request.text();
    const one = { path: pathname + search, body: asObject(tryParse(text)) ?? {} };
    asked.push(one);
    return answer(one, new Request(request.url, { method: request.method, headers: request.headers, body: text }));
  };
  const models = NAMES.map((name) => {
    const place = endpoint({ id: `p/${name}`, modelId: name, upstreamModel: UPSTREAM[name], dialects: [MODELS[name]] });
    return model([{ ...place, maxOutputTokens: 32_000 }], { id: name });
  });
  const gateway = testGateway({ upstream, models, ...over });
  const text = async (path: string, body: JsonObject) => {
    const response = await gateway.ask(path, body);
    const said = await response.text();
    if (response.status !== 200) throw new Error(`${response.status} ${said}`);
    return said;
  };
  return {
    ...gateway,
    asked,
    text,
    json: async (path, body) => JSON.parse(await text(path, body)) as JsonObject,
    last: () => asked.at(-1)?.body ?? {},
  };
}

/** The simulated provider, which refuses what the real ones refuse. */
export function simulated(): Answer {
  const simulator = createSimulator();
  return (_, request) => {
    const url = request.url.replace(/\/v1\/models\//, "/v1beta/models/");
    const headers = new Headers(request.headers);
    headers.set("authorization", "Bearer none");
    return simulator.fetch(new Request(url, { method: request.method, headers, body: request.body }));
  };
}

/** An answer that is JSON. */
export const says = (body: JsonObject) => () => Response.json(body);

/** Events of a stream, named as their `type` says. */
export function events(...documents: JsonObject[]): string {
  return documents
    .map((document) => `event: ${asString(document.type) ?? "message"}\ndata: ${JSON.stringify(document)}\n\n`)
    .join("");
}

/** The JSON documents of a stream. */
export function documents(text: string): JsonObject[] {
  const lines = text.split(/\r?\n/).filter((line) => line.startsWith("data: {"));
  return lines.map((line) => JSON.parse(line.slice(6)) as JsonObject);
}

/** A Messages body as an agent sends it. */
export function turn(name: ModelName, text: string, more: JsonObject = {}): JsonObject {
  return { model: name, max_tokens: 4000, messages: [{ role: "user", content: text }], ...more };
}

/** A GET by that key. */
export function look(from: TestGateway, path: string, headers: Record<string, string> = {}): Promise<Response> {
  return from.ask(path, undefined, { headers: { authorization: `Bearer ${KEY}`, ...headers } });
}

export const WEATHER: JsonObject = {
  type: "object",
  properties: { city: { type: "string" } },
  required: ["city"],
  additionalProperties: false,
};
export const MESSAGES_TOOL: JsonObject = { name: "get_weather", description: "Weather", input_schema: WEATHER };
