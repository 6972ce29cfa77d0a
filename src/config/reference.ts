/**
 * Writes the configuration reference, `docs/config.md`, from the schema.
 * A test compares the committed file with this text, so the reference never says what the program does not do.
 */
import { fileSchema, IN_PROCESS_TYPE, priceFields } from "./schema.ts";
import { DEFAULT_FILE } from "./source.ts";
import type { ProviderTypeFacts } from "./types.ts";
import { type Setting, settingsOf } from "./walk.ts";

const INTRODUCTION = `# Configuration

<!-- Generated from the schema in src/config/schema.ts by \`npm run generate\`. Do not edit. -->

Settings come from environment variables, then from one YAML file, then from defaults. The file is \`SLUICE_CONFIG\`,
or \`${DEFAULT_FILE}\` if there is one. Everything is optional: without any setting the service starts on an embedded database with
a simulated provider. A setting that is unknown or wrong stops the start, and all mistakes are listed at once.

In the file's texts, \`\${NAME}\` is replaced by that environment variable (\`$\${\` stands for \`\${\` itself). An empty
variable counts as one that is not set. Money is a decimal of US dollars; prices of tokens are per million tokens.
`;

/** The whole reference as Markdown. */
export function configReference(providerTypes: Readonly<Record<string, ProviderTypeFacts>>): string {
  const groups = new Map<string, Setting[]>();
  for (const setting of settingsOf(fileSchema)) {
    const group = setting.path.length === 1 ? "" : (setting.path[0] ?? "");
    groups.set(group, [...(groups.get(group) ?? []), setting]);
  }
  const sections = [...groups].map(([group, settings]) => section(group === "" ? "General" : `\`${group}\``, settings));
  const price = settingsOf(priceFields(), ["price"]).map((setting) => ({ ...setting, variable: undefined }));
  return [INTRODUCTION, ...sections, section("The fields of a price", price), providerTable(providerTypes)].join("\n");
}

function section(title: string, settings: readonly Setting[]): string {
  const inList = settings.every((setting) => setting.variable === undefined);
  const head = inList
    ? ["| Key | Type | Default | Meaning |", "|---|---|---|---|"]
    : ["| Key | Variable | Type | Default | Meaning |", "|---|---|---|---|---|"];
  return `${[`## ${title}`, "", ...head, ...settings.map((setting) => row(setting, inList))].join("\n")}\n`;
}

function row(setting: Setting, inList: boolean): string {
  const key = setting.path.join(".").replaceAll(".[]", "[]");
  const variable = setting.variable === undefined ? "" : `\`${setting.variable}\``;
  const cells = [`\`${key}\``, variable, setting.allowed, fallbackText(setting), setting.note.about];
  if (inList) cells.splice(1, 1);
  return `| ${cells.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`;
}

function fallbackText(setting: Setting): string {
  if (setting.required) return "required";
  const { fallback } = setting;
  if (fallback === undefined) return "";
  if (Array.isArray(fallback) && fallback.length === 0) return "none";
  if (typeof fallback !== "object") return `\`${String(fallback)}\``;
  return Object.keys(fallback as object).length === 0 ? "none" : `\`${JSON.stringify(fallback)}\``;
}

function providerTable(providerTypes: Readonly<Record<string, ProviderTypeFacts>>): string {
  const rows = Object.entries(providerTypes).map(([type, facts]) => {
    const variables = facts.keyVariables.map((name) => `\`${name}\``).join(" or ");
    const required = type === IN_PROCESS_TYPE ? "in this process" : "required";
    const address = facts.baseUrl ?? facts.address?.("LOCATION");
    return `| \`${type}\` | ${variables} | ${address === undefined ? required : `\`${address}\``} |`;
  });
  return `${[
    "## Provider types",
    "",
    "The variable alone switches a provider on, with the type as its id, unless the file configures one of that type.",
    "Several keys are separated by commas. A key from a variable is only ever sent to the type's own address.",
    "Clouds, whose addresses have a location in them, are never switched on by a variable alone.",
    "",
    "| `type` | Key variable | `base_url` |",
    "|---|---|---|",
    ...rows,
  ].join("\n")}\n`;
}
