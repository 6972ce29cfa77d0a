/**
 * Google Cloud's Vertex AI with a service account's key: Gemini models in Gemini's format, Claude models in Messages.
 * Both live under a project's location; Claude's body has the version in the place of the model, which the path names.
 */
import { createTokens, serviceAccount } from "./google-token.ts";
import { bearer, type FormCall, type ProviderType } from "./provider.ts";

const tokens = createTokens();

/** Some locations stand for a continent, and have hosts of another form. */
const CONTINENTS: ReadonlySet<string> = new Set(["us", "eu"]);

function publishers({ provider }: FormCall, publisher: string): string {
  return `/v1/projects/${provider.project}/locations/${provider.location}/publishers/${publisher}`;
}

export const vertex: ProviderType = {
  type: "vertex",
  name: "Google Vertex AI",
  address(location) {
    if (location === "global") return "https://aiplatform.googleapis.com";
    if (CONTINENTS.has(location)) return `https://aiplatform.${location}.rep.googleapis.com`;
    return `https://${location}-aiplatform.googleapis.com`;
  },
  location: { variables: ["GOOGLE_CLOUD_LOCATION"], fallback: "global" },
  projectVariables: ["GOOGLE_CLOUD_PROJECT"],
  projectOf: (key) => serviceAccount(key)?.project,
  keyVariables: ["GOOGLE_APPLICATION_CREDENTIALS"],
  keyFrom(variable, source) {
    const value = source.variable(variable) ?? "";
    const text = value.startsWith("{") ? value : (source.readFile(value) ?? "");
    return serviceAccount(text) ? text.trim() : undefined;
  },
  dialects: ["gemini", "anthropic-messages"],
  dialectsOf: (model) => [model.startsWith("claude") ? "anthropic-messages" : "gemini"],
  notes:
    "Needs an entry in the file. The key is a service account's JSON, in `api_keys` or by the variable as a path or the document itself; `location` is `global` and `project` the key's own unless they are named. The catalogue's prices are those of `global`, so that models of other locations are named in the file.",
  authorize(credential, _dialect, request) {
    const token = tokens.of(credential, request);
    return typeof token === "string" ? bearer(token) : token.then(bearer);
  },
  forms: {
    gemini: { path: (call) => publishers(call, "google") + call.path },
    "anthropic-messages": {
      // Recorded: `…/models/claude-3-7-sonnet@20250219:streamRawPredict`.
      path(call) {
        if (call.path !== "/messages") return undefined;
        const model = encodeURIComponent(call.model).replaceAll("%40", "@");
        const verb = call.isStreamed() ? "streamRawPredict" : "rawPredict";
        return `${publishers(call, "anthropic")}/models/${model}:${verb}`;
      },
      sets: { anthropic_version: "vertex-2023-10-16" },
      removes: ["model"],
      headersIntoBody: { "anthropic-version": null },
    },
  },
  // OpenRouter documents that a closed stream is generated and charged to its end here.
  abort: { streamed: "charges" },
  quirks: { gemini: { serverTools: ["web-search"] }, "anthropic-messages": { serverTools: ["web-search"] } },
};
