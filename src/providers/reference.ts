/**
 * Writes the reference of provider types, `docs/providers.md`, from their files.
 * A test compares the committed file with this text; nothing on the path of a call reads it.
 */
import type { Quirks } from "../core/endpoint.ts";
import type { WireFormatId } from "../core/operation.ts";
import type { ProviderType } from "./provider.ts";

const INTRODUCTION = `# Providers

<!-- Generated from src/providers by \`npm run generate\`. Do not edit. -->

A provider is switched on by its key variable alone (clouds, whose addresses have a location in them, are not), or by an
entry in the file:

    providers:
      - { id: groq, type: groq }                          # the key from GROQ_API_KEY
      - { id: here, type: ollama }                        # no key, at its usual address
      - id: my-azure
        type: azure
        base_url: https://RESOURCE.openai.azure.com/openai/v1
        api_keys: ["\${AZURE_OPENAI_API_KEY}"]
      - { id: vertex, type: vertex, location: europe-west1 }  # the key from GOOGLE_APPLICATION_CREDENTIALS

Curated models appear for the providers that are on. Where several of them serve the same open-weight model it is one
model with several endpoints, each at its own price, and a call moves on to the next when one fails.
Other models are named under \`models\` in the file; see [config.md](config.md).

## Types
`;

const FORMATS: { readonly [F in WireFormatId]?: string } = {
  "openai-chat": "Chat Completions",
  "openai-responses": "Responses",
  "anthropic-messages": "Messages",
  gemini: "Gemini",
  "openai-completions": "Completions",
  "openai-embeddings": "Embeddings",
  "gemini-embeddings": "Gemini embeddings",
};

/** What each deviation means to someone who sends requests. Those about efforts, roles and names of fields change nothing for callers. */
const DEVIATIONS: { readonly [Q in keyof Quirks]?: (value: NonNullable<Quirks[Q]>) => string | undefined } = {
  reasoningField: (field) => (field === "none" ? undefined : "reasoning of earlier turns is sent back"),
  reasoningDetails: () => "`reasoning_details` are kept",
  cacheControl: (takes) => (takes ? "`cache_control` is passed on" : undefined),
  extendedSampling: (takes) => (takes ? "`top_k`, `min_p` and `repetition_penalty` are passed on" : undefined),
  callIds: () => "tool call ids are rewritten",
  refuses: (fields) => `left out: ${fields.map((field) => `\`${snakeCase(field)}\``).join(", ")}`,
};

/** The whole reference as Markdown. */
export function providerReference(types: Readonly<Record<string, ProviderType>>): string {
  return [
    INTRODUCTION,
    "| `type` | Provider | Key variable | Base URL | Formats | Notes |",
    "|---|---|---|---|---|---|",
    ...Object.values(types).map(row),
    "",
  ].join("\n");
}

function row(type: ProviderType): string {
  const address = type.baseUrl ?? type.address?.("LOCATION");
  const cells = [
    `\`${type.type}\``,
    type.name,
    type.keyVariables.map((name) => `\`${name}\``).join(" or "),
    address === undefined ? "" : `\`${address}\``,
    type.dialects.map((dialect) => FORMATS[dialect] ?? dialect).join(", "),
    [type.notes, ...deviations(type)].filter((note) => note !== undefined).join(" "),
  ];
  return `| ${cells.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`;
}

function deviations({ quirks = {} }: ProviderType): string[] {
  return Object.entries(quirks).flatMap(([dialect, own]) => {
    const said = Object.entries(DEVIATIONS).flatMap(([name, say]) => {
      const value = own[name as keyof Quirks];
      return (value === undefined ? undefined : (say as (value: unknown) => string | undefined)(value)) ?? [];
    });
    return said.length === 0 ? [] : [`${FORMATS[dialect as WireFormatId] ?? dialect}: ${said.join("; ")}.`];
  });
}

function snakeCase(field: string): string {
  return field.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}
