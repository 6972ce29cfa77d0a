/**
 * What a provider is: who serves models and where. Almost data: base URL, how a credential is sent, which dialects, which quirks.
 * The gateway reads it when it sends an attempt; a new provider is a new file of this shape, and nothing else changes.
 */
import type { DataPolicy, Quirks } from "../core/endpoint.ts";
import type { EventMessage } from "../core/frame.ts";
import type { Json } from "../core/json.ts";
import type { WireFormatId } from "../core/operation.ts";

/** Whether a provider goes on charging for a call whose connection is closed before the answer is complete. */
export type OnAbort = "ends-charge" | "charges";

/** What closing the connection does to a streamed answer, and to a plain one. */
export interface Aborting {
  readonly streamed?: OnAbort;
  readonly plain?: OnAbort;
}

type KeyHeaders = Readonly<Record<string, string>>;

/** A call as a form sees it. */
export interface FormCall {
  /** The format's own path below a base URL. */
  readonly path: string;
  /** The upstream's name of the model. */
  readonly model: string;
  readonly provider: Provider;
  readonly credential: string | undefined;
  /** Whether the body asks for a stream. Reads all of it. */
  isStreamed(): boolean;
}

/** How a provider takes a format where it is not the format's own way: another path, other fields around the same request. */
export interface Form {
  /** The path below the base URL; undefined where the provider has no such route (one that counts tokens). */
  path(call: FormCall): string | undefined;
  /** Fields of the body that are put there. */
  readonly sets?: Readonly<Record<string, Json>>;
  /** Fields of the body that are taken out. */
  readonly removes?: readonly string[];
  /** Headers that are not sent; the parts of a list go into the field that is named. */
  readonly headersIntoBody?: Readonly<Record<string, string | null>>;
}

/** A request that lacks only its credential, and what may be needed to make one of. */
export interface Outgoing {
  readonly method: "POST";
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array | string;
  readonly provider: Provider;
  readonly nowMs: number;
  /** Posts a form to a token endpoint. Raises the faults of `upstream/http.ts`. */
  ask(url: string, form: string): Promise<{ status: number; body: string }>;
}

/** No credential could be made for a call. The message is for the log, and holds nothing of the secret. */
export class CredentialError extends Error {
  override readonly name = "CredentialError";
  /** 401: it is refused; 503: it could not be asked for now. */
  readonly status: 401 | 503;

  constructor(message: string, status: 401 | 503) {
    super(message);
    this.status = status;
  }
}

/** Where a key comes from that is more than one variable's text. */
export interface KeySource {
  /** A variable, undefined when it is not set. */
  variable(name: string): string | undefined;
  /** A file's text, undefined when there is none. */
  readFile(path: string): string | undefined;
}

/** A kind of provider, written once in a file of this folder. */
export interface ProviderType {
  /** The name used in the configuration file's `type`. */
  readonly type: string;
  /** The name people read. */
  readonly name: string;
  /** Absent: the configuration must name one. Dialects' paths are appended to it. */
  readonly baseUrl?: string;
  /** In its place: the base URL of a location (`[a-z0-9-]{1,63}`). Such a type is never switched on by a variable alone. */
  address?(location: string): string;
  /** Where the configuration names no location: the variables that do, and what holds without them. */
  readonly location?: { readonly variables: readonly string[]; readonly fallback?: string };
  /** Variables that name the project that is billed, where calls need one. */
  readonly projectVariables?: readonly string[];
  /** The project that a key belongs to. */
  projectOf?(key: string): string | undefined;
  /** Environment variables that hold its key, in order of preference; the first that is set switches the provider on. */
  readonly keyVariables: readonly string[];
  /** Makes a key of one of these variables, where that is more than its text. Undefined: something is missing or wrong. */
  keyFrom?(variable: string, source: KeySource): string | undefined;
  /** The formats it speaks, those of one operation preferred first. */
  readonly dialects: readonly WireFormatId[];
  /** The formats of one model, where not every model is served in all of them. */
  dialectsOf?(model: string): readonly WireFormatId[];
  /** Formats that it takes in another form than their own. */
  readonly forms?: { readonly [F in WireFormatId]?: Form };
  /** Streams that come as binary messages: their content type, and the server-sent events that a message stands for. */
  readonly messages?: { readonly contentType: string; toText(message: EventMessage): string };
  /** What an operator should know before configuring it; a sentence or two for the documentation. */
  readonly notes?: string;
  /** The headers that carry a credential; a promise where it has to be signed or exchanged first. May raise CredentialError. */
  authorize(credential: string, dialect: WireFormatId, request: Outgoing): KeyHeaders | Promise<KeyHeaders>;
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
  /** Of a cloud: `[a-z0-9-]{1,63}`, both. */
  readonly location?: string | undefined;
  readonly project?: string | undefined;
  /** Where credentials are exchanged for tokens, if not at the type's usual address. */
  readonly tokenUrl?: string | undefined;
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
