/**
 * Reads a request's body once, within limits of size, total memory, depth and encoding, and parses it.
 * Everything after it works on the bytes and the parsed form made here.
 */
import { GatewayError, invalidRequest } from "../core/error.ts";
import { asObject, type JsonObject } from "../core/json.ts";
import { exceedsDepth } from "../core/patch.ts";

export interface BodyLimits {
  readonly maxBodyBytes: number;
  /** All bodies of running calls together. */
  readonly maxBodyBytesInFlight: number;
  readonly maxJsonDepth: number;
}

/** Counts the bytes of bodies in memory. */
export interface BodyMemory {
  bytes: number;
}

function tooLarge(limits: BodyLimits): GatewayError {
  return new GatewayError("request_too_large", `The request body is larger than ${limits.maxBodyBytes} bytes.`);
}

/**
 * The raw body. The caller of this function gives the bytes back with `memory.bytes -= body.length` when the call is over;
 * while a body comes in, and when it fails to, they are counted here.
 * Throws `request_too_large`, `invalid_request` for an encoded body, `service_unavailable` when too much is in flight.
 */
export async function readBody(request: Request, limits: BodyLimits, memory: BodyMemory): Promise<Uint8Array> {
  const encoding = request.headers.get("content-encoding");
  if (encoding && encoding.toLowerCase() !== "identity") {
    throw invalidRequest("Send the body without a content encoding.");
  }
  const declared = Number(request.headers.get("content-length") ?? "0");
  const reserved = reserve(limits, memory);
  try {
    if (declared > 0) reserved.grow(declared);
    const bytes = declared > 0 ? await request.bytes() : await readUndeclared(request, reserved.grow);
    reserved.grow(bytes.length - reserved.bytes());
    return bytes;
  } catch (error) {
    reserved.release();
    throw error;
  }
}

interface Reservation {
  /** Throws `request_too_large`, `service_unavailable`. */
  grow(bytes: number): void;
  bytes(): number;
  release(): void;
}

function reserve(limits: BodyLimits, memory: BodyMemory): Reservation {
  let held = 0;
  return {
    grow(bytes) {
      if (held + bytes > limits.maxBodyBytes) throw tooLarge(limits);
      if (bytes > 0 && memory.bytes + bytes > limits.maxBodyBytesInFlight) throw crowded();
      held += bytes;
      memory.bytes += bytes;
    },
    bytes: () => held,
    release() {
      memory.bytes -= held;
      held = 0;
    },
  };
}

function crowded(): GatewayError {
  return new GatewayError("service_unavailable", "The gateway is busy with other large requests. Try again shortly.", {
    retryAfterMs: 1000,
  });
}

/** A chunked body says nothing of its length, so it is counted while it comes. */
async function readUndeclared(request: Request, grow: (bytes: number) => void): Promise<Uint8Array> {
  if (!request.body) return new Uint8Array(0);
  const chunks: Uint8Array[] = [];
  for await (const chunk of request.body) {
    grow(chunk.length);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

const strictUtf8 = new TextDecoder("utf-8", { fatal: true });

/** The body as a JSON object. Throws `invalid_request` for invalid UTF-8 or JSON, another kind of value, or too deep nesting. */
export function parseBody(bytes: Uint8Array, limits: BodyLimits): JsonObject {
  let text: string;
  try {
    text = strictUtf8.decode(bytes);
  } catch {
    throw invalidRequest("The request body is not valid UTF-8.");
  }
  if (exceedsDepth(bytes, limits.maxJsonDepth)) {
    throw invalidRequest(`The request body is nested deeper than ${limits.maxJsonDepth} levels.`);
  }
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    const why = error instanceof Error ? error.message.replace(/^JSON Parse error: /, "").slice(0, 120) : "";
    throw invalidRequest(`The request body is not valid JSON: ${why}`);
  }
  const object = asObject(value);
  if (!object) throw invalidRequest("The request body must be a JSON object.");
  return object;
}
