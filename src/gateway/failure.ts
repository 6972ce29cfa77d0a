/**
 * What an upstream's failure means for the call: whether the next endpoint may be tried, and what the caller is told in the end.
 * Upstream texts pass through `clean` here, the only place where they can reach a caller.
 */
import { GatewayError, type PromptTokens, type UpstreamFailure } from "../core/error.ts";
import { UpstreamFault } from "../upstream/http.ts";

/** Failures that are the caller's own: another endpoint would say the same. */
const CALLERS: ReadonlySet<UpstreamFailure["kind"]> = new Set([
  "invalid-request",
  "context-length",
  "content-filter",
  "too-large",
  "not-found",
]);

/** Whether another endpoint may do better. */
export function retryElsewhere(failure: UpstreamFailure): boolean {
  return !CALLERS.has(failure.kind);
}

/** Ids of a caller's own things, which look like keys but help to find a mistake. */
const OWN_IDS = "file|chatcmpl";

/** What may not be told, most telling form first. Every repetition that could be searched again and again has a limit. */
const SECRETS: readonly [RegExp, string][] = [
  [/\b[a-z][a-z0-9+.-]{1,15}:\/\/(?:\[[^\]\s]{0,60}\])?[^\s"'<>)\]]*/gi, "[url]"],
  [/\barn:[^\s"'<>)]+/gi, "[id]"],
  [/\beyJ[\w-]{6,}(?:\.[\w-]+){0,2}/g, "[key]"],
  [/\b(?:Bearer|Basic)\s+[^\s"',;)]{6,}/gi, "[key]"],
  [
    /(?:api[-_ ]?key|access[-_ ]?key|authorization|credential|password|secret|token)["']?\s{0,4}[:=]\s{0,4}["']?[^\s"',;<)]{6,}/gi,
    "[key]",
  ],
  [
    /\b(?:[a-z]{0,3}sk|pk|rk|gsk|xai|hf|r8|nvapi|key|pplx|fw|tgp|gh[opsu]|sess|glpat|xox[a-z])[-_][A-Za-z0-9_*.-]{6,}/g,
    "[key]",
  ],
  [/\b(?:AIza|AKIA|ASIA|ya29\.)[A-Za-z0-9_*-]{10,}/g, "[key]"],
  [/\b(?:org|proj|user|acct|req|request)[-_][A-Za-z0-9]{8,}\b/g, "[id]"],
  [/\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b/gi, "[id]"],
  [new RegExp(`(?<!\\b(?:${OWN_IDS})-)\\b(?=[A-Za-z]*\\d)[A-Za-z0-9]{24,}\\b`, "g"), "[key]"],
  [/\b(projects|accounts|subscriptions|organizations|tenants)\/[^\s"'/<>)]+/gi, "$1/[id]"],
  [/\b(project|account)(?:_number)?[:\s]{1,3}\d{6,}\b/gi, "$1 [id]"],
  [/[^\s@]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63})+/g, "[email]"],
  [
    /\b(?:[a-z0-9-]+\.)+(?:com|net|org|io|ai|dev|cloud|internal|local|localdomain|lan|svc|corp|co|app|eu|us|uk|de|fr|ch|nl|cn|jp|in|sg|gov|edu)\b(?::\d+)?/gi,
    "[host]",
  ],
  [/\b(?:[a-z0-9-]+\.)+[a-z]{2,20}:\d{2,5}\b/gi, "[host]"],
  [/\blocalhost\b(?::\d+)?/gi, "[host]"],
  [/\[[0-9a-f]{0,4}:[0-9a-f:.]{1,45}\](?::\d+)?/gi, "[host]"],
  [/(?<![\w:])[0-9a-f]{0,4}(?::[0-9a-f]{0,4}){3,7}(?![\w:])/gi, "[host]"],
  [/\b\d{1,3}(?:\.\d{1,3}){3}(?::\d+)?\b/g, "[host]"],
];

const MAX_MESSAGE = 1000;

/** An upstream's sentence without hosts, keys, ids of its accounts; at most 1,000 characters. */
export function clean(message: string): string {
  let text = message;
  // What the cut leaves of a key would no longer look like one.
  if (text.length > MAX_MESSAGE * 2) text = text.slice(0, MAX_MESSAGE * 2).replace(/(?<!\S)\S+$/, "");
  for (const [pattern, replacement] of SECRETS) text = text.replace(pattern, replacement);
  return text.slice(0, MAX_MESSAGE);
}

/** A failure in a word for the usage record: the upstream's code where it is plainly one, else our own word. */
export function reasonOf(failure: UpstreamFailure): string {
  const { code, kind } = failure;
  return code !== undefined && /^[A-Za-z][\w.-]{0,63}$/.test(code) && clean(code) === code ? code : kind;
}

/** The failure with these very strings taken out, whatever they look like: the keys that were sent, and where to. */
export function conceal(failure: UpstreamFailure, secrets: readonly string[]): UpstreamFailure {
  const without = (text: string) => secrets.reduce((left, secret) => left.replaceAll(secret, "[key]"), text);
  const { code, param } = failure;
  return {
    ...failure,
    message: without(failure.message),
    ...(code === undefined ? {} : { code: without(code) }),
    ...(param === undefined ? {} : { param: without(param) }),
  };
}

/** The request that failed and the context it did not fit into. */
export interface Prompt {
  readonly bytes: number;
  readonly contextTokens: number;
}

/** A text with its JSON around it has about so many bytes to a token. */
const BYTES_PER_TOKEN = 4;
/** Media weigh more in bytes than in tokens; clients that drop turns until the prompt fits must not drop them all. */
const MOST_TIMES_TOO_LONG = 2;

/** A guess at the length of a prompt of which the upstream says only that it is too long. */
function tokensOf({ bytes, contextTokens: limit }: Prompt): PromptTokens {
  const used = Math.ceil(bytes / BYTES_PER_TOKEN);
  return { used: Math.max(limit + 1, Math.min(used, limit * MOST_TIMES_TOO_LONG)), limit };
}

/** What the caller is told when this failure is the last word. `prompt`: for an overflow of which the upstream told no numbers. */
export function toError(failure: UpstreamFailure, prompt?: Prompt): GatewayError {
  const detail = clean(`upstream ${failure.status} ${failure.code ?? ""}: ${failure.message}`);
  const message = clean(failure.message) || "The provider refused the request.";
  const param = failure.param && clean(failure.param);
  switch (failure.kind) {
    case "invalid-request":
      return new GatewayError("invalid_request", message, { param, detail, status: callersStatus(failure.status) });
    case "context-length": {
      const tokens = prompt && tokensOf(prompt);
      return new GatewayError("invalid_request", message, { param, detail, reason: "context-length", tokens });
    }
    case "content-filter":
      return new GatewayError("invalid_request", message, { param, detail, reason: "content-filter" });
    case "too-large":
      return new GatewayError("request_too_large", message, { detail });
    case "not-found":
      return new GatewayError("model_not_available", message, { detail });
    case "timeout":
      return new GatewayError("upstream_timeout", "The provider did not answer in time.", { detail });
    default:
      return new GatewayError("upstream_unavailable", unavailable(failure.kind), {
        detail,
        retryAfterMs: Math.min(failure.retryAfterMs ?? DEFAULT_RETRY_MS, MAX_RETRY_MS),
      });
  }
}

const DEFAULT_RETRY_MS = 5000;
/** SDKs wait as long as they are told, whatever that is; by then another endpoint, or the same one, may long be well. */
const MAX_RETRY_MS = 60_000;

/** 400 and 422 are the statuses that clients know for a request at fault; others would mean something else coming from here. */
function callersStatus(status: number): number {
  return status === 422 ? 422 : 400;
}

function unavailable(kind: UpstreamFailure["kind"]): string {
  if (kind === "rate-limit" || kind === "overloaded") return "The model's provider is overloaded. Try again shortly.";
  return "The model's provider could not serve the request.";
}

/** A transport fault in the terms of an upstream's failure. Anything else thrown is not one and is thrown on. */
export function fromFault(thrown: unknown): UpstreamFailure {
  if (!(thrown instanceof UpstreamFault)) throw thrown;
  const timeout = thrown.kind.endsWith("timeout");
  return { kind: timeout ? "timeout" : "server", status: 0, message: thrown.message, code: thrown.kind };
}
