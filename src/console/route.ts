/**
 * What a management route is, and the one place that runs them: access is declared with the route, denied by default.
 * These routes manage keys, workspaces and records; they never touch the path of a model call.
 */
import { createHash, timingSafeEqual } from "node:crypto";
import { z } from "zod";
import type { Principal } from "../core/call.ts";
import { GatewayError, invalidRequest, toGatewayError } from "../core/error.ts";
import { asObject, type JsonObject } from "../core/json.ts";
import type { Authenticator } from "../identity/authenticate.ts";

/** Who may call a route. `root`: the root key. `manage`: the root key or a provisioning key. `key`: any key, for its own workspace. */
export type Access = "root" | "manage" | "key";

/** Who called: with the root key there is no principal and every workspace is in reach. */
export interface Caller {
  readonly principal: Principal | undefined;
}

export interface RouteRequest {
  readonly caller: Caller;
  /** The variable segments of the path, by name. */
  readonly params: Readonly<Record<string, string>>;
  readonly query: URLSearchParams;
  /** The JSON body; an empty object when there is none. */
  readonly body: JsonObject;
}

export interface RouteReply {
  readonly status?: number;
  readonly body: JsonObject;
}

export interface ManagementRoute {
  readonly method: "GET" | "POST" | "PATCH" | "DELETE";
  /** Segments joined by `/`; one that begins with `:` takes any value. */
  readonly path: string;
  readonly access: Access;
  handle(request: RouteRequest): Promise<RouteReply>;
}

const MAX_BODY_BYTES = 64 * 1024;

/** Reads a value with a schema. Throws `invalid_request` naming the first field at fault. */
export function check<T>(schema: z.ZodType<T>, value: unknown): T {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const issue = result.error.issues[0];
  const path = issue?.path.join(".") ?? "";
  throw invalidRequest(path ? `${path}: ${issue?.message}` : (issue?.message ?? "The body is not valid."), path);
}

/** Text of 1 to `max` characters that the database can hold: no NUL, no half of a surrogate pair. */
export function text(max: number) {
  const isPlain = (value: string) => !value.includes("\0") && value.isWellFormed();
  return z
    .string()
    .min(1)
    .max(max)
    .refine(isPlain, "Invalid input: expected text without NUL and without half characters");
}

/** The parameters of a path that fits a route; undefined when it doesn't. */
function fit(route: ManagementRoute, path: string): Record<string, string> | undefined {
  const wanted = route.path.split("/");
  const given = path.split("/");
  if (wanted.length !== given.length) return undefined;
  const params: Record<string, string> = {};
  for (const [index, segment] of wanted.entries()) {
    const value = given[index] ?? "";
    if (segment.startsWith(":")) params[segment.slice(1)] = value;
    else if (segment !== value) return undefined;
  }
  return params;
}

function digest(text: string): Buffer {
  return createHash("sha256").update(text).digest();
}

/** Compares with the root key in constant time. */
export function isRoot(credential: string | undefined, rootKeys: readonly string[]): boolean {
  if (!credential) return false;
  const given = digest(credential);
  return rootKeys.some((key) => timingSafeEqual(given, digest(key)));
}

async function admitCaller(
  access: Access,
  credential: string | undefined,
  clientAddress: ClientAddress | undefined,
  settings: { authenticator: Authenticator; rootKeys: readonly string[] },
): Promise<Caller> {
  if (isRoot(credential, settings.rootKeys)) {
    if (access === "key")
      throw new GatewayError("forbidden", "This route speaks of the calling key; call it with an API key.");
    return { principal: undefined };
  }
  const principal = await settings.authenticator.authenticate(credential, clientAddress);
  if (access === "root") throw new GatewayError("forbidden", "This route needs the root key.");
  if (access === "manage" && principal.kind !== "provisioning") {
    throw new GatewayError("forbidden", "This route needs a provisioning key.");
  }
  return { principal };
}

function tooLarge(): GatewayError {
  return new GatewayError("request_too_large", `The request body is larger than ${MAX_BODY_BYTES} bytes.`);
}

/** The body's text. One that does not declare its length is counted while it comes. */
async function readText(request: Request): Promise<string> {
  if (Number(request.headers.get("content-length") ?? 0) > MAX_BODY_BYTES) throw tooLarge();
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of request.body ?? []) {
    size += chunk.length;
    if (size > MAX_BODY_BYTES) throw tooLarge();
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString("utf8");
}

async function readJson(request: Request): Promise<JsonObject> {
  if (request.method === "GET" || request.method === "DELETE") return {};
  const text = await readText(request);
  if (text.trim() === "") return {};
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw invalidRequest("The request body is not valid JSON.");
  }
  const object = asObject(value);
  if (!object) throw invalidRequest("The request body must be a JSON object.");
  return object;
}

function envelope(error: GatewayError, id: string): JsonObject {
  return {
    error: { code: error.code, message: error.message, param: error.param ?? null, type: error.code },
    request_id: id,
  };
}

/** Where a caller comes from; undefined when it cannot be told. */
type ClientAddress = () => string | undefined;

export interface Management {
  /**
   * Answers a request whose path is one of the routes; undefined when none fits. Never rejects. Without a way to ask
   * where the caller comes from, keys that are bound to addresses are refused.
   */
  answer(
    request: Request,
    path: string,
    query: string,
    credential: string | undefined,
    id: string,
    clientAddress?: ClientAddress,
  ): Promise<Response> | undefined;
}

/** Management over its routes. `rootKeys` may be empty: then only provisioning keys manage. */
export function createManagement(settings: {
  routes: readonly ManagementRoute[];
  authenticator: Authenticator;
  rootKeys: readonly string[];
  logError: (id: string, error: GatewayError) => void;
}): Management {
  async function run(
    route: ManagementRoute,
    params: Record<string, string>,
    request: Request,
    query: string,
    credential: string | undefined,
    id: string,
    clientAddress: ClientAddress | undefined,
  ): Promise<Response> {
    const headers: Record<string, string> = {
      "x-request-id": id,
      "access-control-allow-origin": "*",
      "cache-control": "no-store",
    };
    try {
      const caller = await admitCaller(route.access, credential, clientAddress, settings);
      const body = await readJson(request);
      const reply = await route.handle({ caller, params, query: new URLSearchParams(query), body });
      return Response.json(reply.body, { status: reply.status ?? 200, headers });
    } catch (thrown) {
      const error = toGatewayError(thrown);
      settings.logError(id, error);
      if (error.retryAfterMs !== undefined) headers["retry-after"] = String(Math.ceil(error.retryAfterMs / 1000));
      return Response.json(envelope(error, id), { status: error.status, headers });
    }
  }

  return {
    answer(request, path, query, credential, id, clientAddress) {
      let known = false;
      for (const route of settings.routes) {
        const params = fit(route, path);
        if (!params) continue;
        known = true;
        if (route.method === request.method) return run(route, params, request, query, credential, id, clientAddress);
      }
      if (!known) return undefined;
      const error = new GatewayError("method_not_allowed", "This route has no such method.");
      return Promise.resolve(
        Response.json(envelope(error, id), { status: error.status, headers: { "x-request-id": id } }),
      );
    },
  };
}
