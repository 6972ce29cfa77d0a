/**
 * One request to the provider of a candidate: its address, its credential, its headers, its waits.
 * Attempts and token counting send through it; retrying is not its business.
 */
import type { Candidate } from "../core/endpoint.ts";
import { GatewayError } from "../core/error.ts";
import type { Provider } from "../providers/provider.ts";
import { type CallSignal, send, type UpstreamResponse } from "../upstream/http.ts";

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
  return send({
    method: "POST",
    url: provider.baseUrl + call.path,
    headers: {
      "content-type": "application/json",
      "x-request-id": call.id,
      ...call.headers,
      ...credentialHeaders(provider, candidate),
      ...provider.headers,
    },
    body: call.body,
    connectTimeoutMs: provider.timeouts.connectMs ?? limits.connectTimeoutMs,
    firstByteTimeoutMs: provider.timeouts.firstByteMs ?? limits.firstByteTimeoutMs,
    idleTimeoutMs: provider.timeouts.idleMs ?? limits.idleTimeoutMs,
    maxBytes: call.maxBytes ?? limits.maxReplyBytes,
    signal: call.signal,
  });
}

function credentialHeaders(provider: Provider, candidate: Candidate): Record<string, string> {
  const credential = provider.credentials[0];
  return credential === undefined ? {} : provider.type.authorize(credential, candidate.dialect);
}
