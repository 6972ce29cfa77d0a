/**
 * `sluice models`: what this configuration offers, without starting anything.
 * Reads the same catalogue as the server.
 */
import type { Catalog } from "../catalog/catalog.ts";
import { type Pico, picoToDollars } from "../core/money.ts";
import { modelEntry } from "../surfaces/models.ts";

const MILLION = 1_000_000n;

function perMillion(price: Pico): string {
  return `$${picoToDollars((price * MILLION) as Pico)}`;
}

/** A line a model: id, context, price per million input and output tokens, endpoints; or JSON. */
export function listModels(catalog: Catalog, json: boolean, print: (text: string) => void): void {
  if (json) {
    print(JSON.stringify(catalog.models.map(modelEntry), null, 2));
    return;
  }
  const width = Math.max(...catalog.models.map((model) => model.id.length), 5);
  print(`${"model".padEnd(width)}  ${"context".padStart(9)}  ${"in/M".padStart(9)}  ${"out/M".padStart(9)}  served by`);
  for (const model of catalog.models) {
    const { input, output } = model.price.perToken;
    const places = model.endpoints.map((endpoint) => endpoint.id).join(", ");
    const prices = `${perMillion(input).padStart(9)}  ${perMillion(output).padStart(9)}`;
    print(`${model.id.padEnd(width)}  ${String(model.contextTokens).padStart(9)}  ${prices}  ${places}`);
  }
}
