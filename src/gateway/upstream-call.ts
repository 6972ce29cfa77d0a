/**
 * One request to the provider of a candidate: its address, its credential, its headers, its waits.
 * Attempts and token counting send through it; retrying is not its business.
 */
import type { Candidate } from "../core/endpoint.ts";
import { GatewayError } from "../core/error.ts";
import { CredentialError, type Outgoing, type Provider } from "../providers/provider.ts";
import type { KeyIndex } from "../upstream/credentials.ts";
import { ofMessages } from "../upstream/event-stream.ts";
import { type CallSignal, send, type UpstreamRequest, type UpstreamResponse } from "../upstream/http.ts";
import { inForm } from "./form.ts";

export interface CallLimits {
  readonly maxReplyBytes: number;
  readonly connectTimeoutMs: number;
  readonly firstByteTimeoutMs: number;
  readonly idleTimeoutMs: number;
}

export interface UpstreamCall {
  /** The gateway's request id; the upstream sees it too. */
  readonly id: string;
  /** Below the provider's base URL. */
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array | string;
  /** Of the whole answer; by default that of a reply that is kept in memory. */
  readonly maxBytes?: number;
  readonly signal: CallSignal;
  /** Which of the provider's keys; by default the first. */
  readonly key?: KeyIndex | undefined;
}

/** Sends a request and waits for the response's headers. Throws UpstreamFault. */
export function callUpstream(
  scope: { readonly providers: ReadonlyMap<string, Provider>; readonly limits: CallLimits },
  candidate: Candidate,
  call: UpstreamCall,
): Promise<UpstreamResponse> {
  const provider = scope.providers.get(candidate.endpoint.provider);
  if (!provider) throw new GatewayError("internal_error", "The endpoint's provider is gone.");
  const { limits } = scope;
  const { type } = provider;
  const credential = provider.credentials[call.key ?? 0];
  const form = type.forms?.[candidate.dialect];
  const { path, headers, body } = form ? inForm(form, call, candidate, provider, credential) : call;
  const request: Omit<UpstreamRequest, "headers"> = {
    method: "POST",
    url: provider.baseUrl + path,
    body,
    connectTimeoutMs: provider.timeouts.connectMs ?? limits.connectTimeoutMs,
    firstByteTimeoutMs: provider.timeouts.firstByteMs ?? limits.firstByteTimeoutMs,
    idleTimeoutMs: provider.timeouts.idleMs ?? limits.idleTimeoutMs,
    maxBytes: call.maxBytes ?? limits.maxReplyBytes,
    signal: call.signal,
  };
  const usual = { "content-type": "application/json", "x-request-id": call.id, ...headers };
  const keys = credential === undefined ? NONE : authorize(provider, candidate, credential, { request, usual, body });
  // Most credentials are headers as they are: nothing is waited for then.
  const response =
    keys instanceof Promise
      ? keys.then((found) => send({ ...request, headers: { ...usual, ...found, ...provider.headers } }), refuse)
      : send({ ...request, headers: { ...usual, ...keys, ...provider.headers } });
  return type.messages ? response.then((answer) => reframed(answer, provider)) : response;
}

const NONE: Readonly<Record<string, string>> = {};

interface Prepared {
  readonly request: Omit<UpstreamRequest, "headers">;
  readonly usual: Readonly<Record<string, string>>;
  readonly body: Uint8Array | string;
}

function authorize(provider: Provider, { dialect }: Candidate, credential: string, prepared: Prepared) {
  const { request, usual, body } = prepared;
  const outgoing: Outgoing = {
    method: "POST",
    url: request.url,
    headers: usual,
    body,
    provider,
    nowMs: Date.now(),
    ask: (url, text) => ask(request, url, text),
  };
  return provider.type.authorize(credential, dialect, outgoing);
}

const MAX_TOKEN_BYTES = 64 * 1024;

/** Asks a token endpoint. The answer serves many calls, so that none of them leaving ends it; its waits do. */
async function ask(
  waits: Omit<UpstreamRequest, "headers">,
  url: string,
  text: string,
): Promise<{ status: number; body: string }> {
  const response = await send({
    ...waits,
    url,
    headers: { "content-type": "application/x-www-form-urlencoded" },
    body: text,
    maxBytes: MAX_TOKEN_BYTES,
    signal: new AbortController().signal,
  });
  return { status: response.status, body: new TextDecoder().decode(await response.readAll()) };
}

/** A call without a credential, as the provider would have refused it: another endpoint may serve it. */
function refuse(thrown: unknown): UpstreamResponse {
  if (!(thrown instanceof CredentialError)) throw thrown;
  const body = new TextEncoder().encode(JSON.stringify({ error: { message: thrown.message } }));
  return {
    status: thrown.status,
    headers: new Headers(),
    next: async () => undefined,
    readAll: async () => body,
    cancel() {},
  };
}

function reframed(response: UpstreamResponse, { type }: Provider): UpstreamResponse {
  const { messages } = type;
  const isBinary = messages && response.headers.get("content-type")?.startsWith(messages.contentType);
  return isBinary ? ofMessages(response, messages.toText) : response;
}
