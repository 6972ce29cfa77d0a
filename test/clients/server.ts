/**
 * The one Sluice that all cases of this folder share: starting one takes longer than most of them.
 * Cases bring the providers and models that they need as lines of the configuration.
 */
import { FOUR_FORMATS, type Sluice, startSluice } from "../support/server.ts";

/** What cases need besides the default configuration. */
export interface Additions {
  /** Lines of `providers:`. */
  readonly providers?: readonly string[];
  /** Entries of `models:`. */
  readonly models?: readonly string[];
  /** Called when the server is there. */
  prepare?(): Promise<void>;
  stop?(): Promise<void>;
}

/** Set before the first case runs. */
export let sluice: Sluice;

/** Starts it with everything that the cases need. */
export async function startWith(additions: readonly Additions[]): Promise<void> {
  const providers = additions.flatMap((one) => one.providers ?? []);
  const models = additions.flatMap((one) => one.models ?? []);
  const file = FOUR_FORMATS.replace("models:\n", `${[...providers, "models:", ...models].join("\n")}\n`);
  sluice = await startSluice({ file });
  for (const one of additions) await one.prepare?.();
}

/** An entry of `models:`. */
export function modelLines(id: string, provider: string, model: string, more: readonly string[] = []): string {
  return [
    `  - id: ${id}`,
    `    endpoints: [{ provider: ${provider}, model: ${model} }]`,
    "    price: { input: 1, output: 4 }",
    "    context: 200000",
    "    max_output: 32000",
    ...more.map((line) => `    ${line}`),
  ].join("\n");
}
