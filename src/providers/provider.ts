/**
 * What a provider is: who serves models and where. Almost data: base URL, how a credential is sent, which dialects, which quirks.
 * The gateway reads it when it sends an attempt; a new provider is a new file of this shape, and nothing else changes.
 */
import type { DataPolicy, Quirks } from "../core/endpoint.ts";
import type { WireFormatId } from "../core/operation.ts";

/** Whether a provider goes on charging for a call whose connection is closed before the answer is complete. */
export type OnAbort = "ends-charge" | "charges";

/** What closing the connection does to a streamed answer, and to a plain one. */
export interface Aborting {
  readonly streamed?: OnAbort;
  readonly plain?: OnAbort;
}

/** A kind of provider, written once in a file of this folder. */
export interface ProviderType {
  /** The name used in the configuration file's `type`. */
  readonly type: string;
  /** The name people read. */
  readonly name: string;
  /** Absent: the configuration must name one. Dialects' paths are appended to it. */
  readonly baseUrl?: string;
  /** Environment variables that hold its key, in order of preference; the first that is set switches the provider on. */
  readonly keyVariables: readonly string[];
  /** The formats it speaks, those of one operation preferred first. */
  readonly dialects: readonly WireFormatId[];
  /** What an operator should know before configuring it; a sentence or two for the documentation. */
  readonly notes?: string;
  /** The headers that carry a credential. */
  authorize(credential: string, dialect: WireFormatId): Record<string, string>;
  readonly quirks?: { readonly [F in WireFormatId]?: Quirks };
  /** Where it is known. By default a stream that is closed ends with its charge, and a plain answer is charged whole. */
  readonly abort?: Aborting;
  /** What its terms promise of the content of calls, where that holds for all of its customers. */
  readonly data?: DataPolicy;
}

/** A provider as configured: a type with its address and credentials. */
export interface Provider {
  readonly id: string;
  readonly type: ProviderType;
  /** Without a slash at the end. */
  readonly baseUrl: string;
  /** Empty for a provider that needs none (a local server). */
  readonly credentials: readonly string[];
  readonly dialects: readonly WireFormatId[];
  /** Sent with every request, over everything else. */
  readonly headers: Readonly<Record<string, string>>;
  /** Waits that differ from the general ones. */
  readonly timeouts: { readonly connectMs?: number; readonly firstByteMs?: number; readonly idleMs?: number };
  /** Before what is known of the type. */
  readonly abort?: Aborting | undefined;
  /** Where its calls are answered. */
  readonly region?: string | undefined;
  /** Before what is known of the type. */
  readonly data?: DataPolicy | undefined;
}

/** Whether the provider stops charging when the connection of a call is closed: if not, the answer is paid for anyhow. */
export function endsChargeOnAbort({ abort, type }: Provider, isStreamed: boolean): boolean {
  if (isStreamed) return (abort?.streamed ?? type.abort?.streamed ?? "ends-charge") === "ends-charge";
  return (abort?.plain ?? type.abort?.plain ?? "charges") === "ends-charge";
}

/** `Authorization: Bearer`, as most providers want it. */
export function bearer(credential: string): Record<string, string> {
  return { authorization: `Bearer ${credential}` };
}

/** Each dialect's own way to carry a key, for providers that speak several. */
export function byDialect(credential: string, dialect: WireFormatId): Record<string, string> {
  switch (dialect) {
    case "anthropic-messages":
      return { "x-api-key": credential };
    case "gemini":
    case "gemini-embeddings":
      return { "x-goog-api-key": credential };
    default:
      return bearer(credential);
  }
}
