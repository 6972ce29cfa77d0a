/**
 * Anthropic's models on AWS Bedrock, by InvokeModel: a Messages body with the version in the place of the model and the stream,
 * which the path names. Streams come as binary messages, each with an event of Messages inside.
 */
import type { EventMessage } from "../core/frame.ts";
import { asObject, asString, type JsonObject, tryParse } from "../core/json.ts";
import { awsKeys, signAws } from "./aws-signature.ts";
import { bearer, type KeySource, type ProviderType } from "./provider.ts";

const decoder = new TextDecoder();

/** Errors that end a stream, in the words of Messages. What is not here is the upstream's own fault. */
const ERRORS: ReadonlyMap<string | undefined, string> = new Map([
  ["throttlingException", "rate_limit_error"],
  ["validationException", "invalid_request_error"],
  ["modelTimeoutException", "timeout_error"],
  ["serviceUnavailableException", "overloaded_error"],
]);
/** Put on the last event: what the call took there. The usage has said it. */
const METRICS = "amazon-bedrock-invocationMetrics";

/** The server-sent events that a message of a stream stands for; none for what is no event of Messages. */
export function eventOf({ headers, payload }: EventMessage): string {
  const document = asObject(tryParse(decoder.decode(payload)));
  const kind = headers[":message-type"];
  if (kind === "exception" || kind === "error") {
    const type = ERRORS.get(headers[":exception-type"]) ?? "api_error";
    const message = asString(document?.message) ?? headers[":error-message"] ?? "The stream broke off.";
    return written("error", { type: "error", error: { type, message } });
  }
  const bytes = asString(document?.bytes);
  if (bytes === undefined) return "";
  const text = Buffer.from(bytes, "base64").toString("utf8");
  const event = asObject(tryParse(text));
  const type = asString(event?.type);
  if (!event || type === undefined || !/^[\w.-]{1,60}$/.test(type)) return "";
  if (METRICS in event) {
    const { [METRICS]: _taken, ...others } = event;
    return written(type, others);
  }
  return /[\r\n]/.test(text) ? written(type, event) : `event: ${type}\ndata: ${text}\n\n`;
}

function written(type: string, event: JsonObject): string {
  return `event: ${type}\ndata: ${JSON.stringify(event)}\n\n`;
}

function keyFrom(variable: string, source: KeySource): string | undefined {
  const value = source.variable(variable) ?? "";
  if (variable === BEARER) return /^[\x21-\x7e]{1,4096}$/.test(value) ? value : undefined;
  const session = source.variable("AWS_SESSION_TOKEN");
  const pair = [value, source.variable("AWS_SECRET_ACCESS_KEY") ?? "", ...(session ? [session] : [])].join(":");
  return awsKeys(pair) ? pair : undefined;
}

const BEARER = "AWS_BEARER_TOKEN_BEDROCK";

export const bedrock: ProviderType = {
  type: "bedrock",
  name: "AWS Bedrock",
  address(location) {
    const suffix = location.startsWith("cn-") ? "amazonaws.com.cn" : "amazonaws.com";
    return `https://bedrock-runtime.${location}.${suffix}`;
  },
  location: { variables: ["AWS_REGION", "AWS_DEFAULT_REGION"] },
  keyVariables: [BEARER, "AWS_ACCESS_KEY_ID"],
  keyFrom,
  dialects: ["anthropic-messages"],
  notes:
    "Needs an entry in the file, and the region as `location` or `AWS_REGION`. Claude models only; those of the catalogue by their `global.` names. A key is a Bedrock API key, or `ID:SECRET` or `ID:SECRET:SESSION` of AWS; with `AWS_ACCESS_KEY_ID` also `AWS_SECRET_ACCESS_KEY` and `AWS_SESSION_TOKEN` are read.",
  authorize(credential, _dialect, { method, url, body, provider, nowMs }) {
    const keys = awsKeys(credential);
    if (!keys) return bearer(credential);
    return signAws({ method, url, body }, keys, { region: provider.location ?? "", service: "bedrock", nowMs });
  },
  forms: {
    "anthropic-messages": {
      // Recorded: `/model/us.anthropic.claude-sonnet-4-5-20250929-v1%3A0/invoke`.
      path({ path, model, isStreamed }) {
        if (path !== "/messages") return undefined;
        return `/model/${encodeURIComponent(model)}/${isStreamed() ? "invoke-with-response-stream" : "invoke"}`;
      },
      sets: { anthropic_version: "bedrock-2023-05-31" },
      removes: ["model", "stream"],
      headersIntoBody: { "anthropic-version": null, "anthropic-beta": "anthropic_beta" },
    },
  },
  messages: { contentType: "application/vnd.amazon.eventstream", toText: eventOf },
  // OpenRouter documents that a closed stream is generated and charged to its end here.
  abort: { streamed: "charges" },
  // Documented as headers here; fields that it does not know are answered with 400.
  quirks: { "anthropic-messages": { refuses: ["serviceTier"] } },
};
