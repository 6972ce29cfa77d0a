/**
 * `sluice prices`: shows how the prices in force differ from published ones, and puts those that the operator accepts in force.
 * Works through the management routes, so a running server changes its prices at once.
 */
import type { PriceApplication, PriceDiff } from "../catalog/prices/book.ts";
import type { PriceRow, RateChange } from "../catalog/prices/compare.ts";
import type { Config } from "../config.ts";
import type { JsonObject } from "../core/json.ts";
import type { Log } from "../telemetry/log.ts";
import { type Ask, withApi } from "./api.ts";
import { UsageError } from "./usage.ts";

type Print = (text: string) => void;

export interface PriceOptions {
  /** Globs of endpoint or model ids. */
  readonly only?: string[];
  readonly json?: boolean;
}

/** `prices diff`: a paragraph an endpoint, then the sums; or JSON. */
export async function diffPrices(
  config: Config,
  log: Log,
  options: PriceOptions & { readonly at?: string },
  print: Print,
): Promise<void> {
  await withApi(config, log, async (ask) => {
    const diff = await compared(ask, { only: options.only, at: options.at });
    if (options.json) print(JSON.stringify(diff, null, 2));
    else printDiff(diff, print);
  });
}

/** `prices apply`: shows the comparison, asks, and puts in force what was shown and accepted. */
export async function applyPrices(
  config: Config,
  log: Log,
  options: PriceOptions & {
    readonly yes?: boolean;
    readonly confirm?: ((question: string) => Promise<boolean>) | undefined;
  },
  print: Print,
): Promise<void> {
  const { only, yes, confirm } = options;
  if (!yes && !confirm) throw new UsageError("prices apply needs --yes where nobody can be asked");
  await withApi(config, log, async (ask) => {
    const diff = await compared(ask, { only });
    printDiff(diff, print);
    const named = only !== undefined;
    const ready = diff.rows.filter((row) => row.changes.length > 0 && (named || !row.suspicious));
    if (ready.length === 0) {
      print("\nThere is nothing to apply.");
      return;
    }
    if (!yes && !(await confirm?.(`\nPut ${count(ready.length, "price")} in force?`))) {
      print("Nothing was changed.");
      return;
    }
    const { data } = await ask("POST", "admin/prices/apply", { only, digest: diff.digest });
    const { applied, skipped } = data as unknown as PriceApplication;
    print(`\nIn force now: ${applied.map((row) => row.endpoint).join(", ")}`);
    if (skipped.length > 0) {
      print(`Left alone, to be named with --only: ${skipped.map((row) => row.endpoint).join(", ")}`);
    }
  });
}

/** `prices reset`: the named endpoints have their curated prices again. */
export async function resetPrices(config: Config, log: Log, options: PriceOptions, print: Print): Promise<void> {
  const { only } = options;
  if (!only) throw new UsageError("prices reset needs --only GLOB ('*' for all)");
  await withApi(config, log, async (ask) => {
    const { data } = await ask("POST", "admin/prices/reset", { only });
    const { reset } = data as unknown as { reset: string[] };
    print(reset.length > 0 ? `Curated prices hold again: ${reset.join(", ")}` : "None of these had an accepted price.");
  });
}

async function compared(ask: Ask, wish: JsonObject): Promise<PriceDiff> {
  const { data } = await ask("POST", "admin/prices/diff", wish);
  return data as unknown as PriceDiff;
}

/** The comparison for people. A `!` marks what they should look at twice. */
export function printDiff(diff: PriceDiff, print: Print): void {
  print(`Published prices of ${diff.at.slice(0, 10)}, in US dollars per million tokens or per piece:`);
  for (const row of diff.rows) printRow(row, print);
  const differing = diff.rows.filter((row) => row.changes.length > 0);
  const suspicious = differing.filter((row) => row.suspicious).length;
  const marked = suspicious > 0 ? ` (${suspicious} to look at twice)` : "";
  print(
    `\n${count(differing.length, "endpoint")} with another price${marked}, ${diff.same.length} with the same, ${diff.unlisted.length} not in the list.`,
  );
}

function printRow(row: PriceRow, print: Print): void {
  print(`\n${row.endpoint}${row.listed_as === row.model ? "" : `  (listed as ${row.listed_as})`}`);
  for (const change of row.changes) print(changeLine(change));
  if (row.problem !== null) print(`  ! cannot be taken: ${row.problem}`);
  if (row.changes.length > 0 && row.kept.length > 0) print(`    not in the list, stays: ${row.kept.join(", ")}`);
  if (row.changes.length > 0 && row.unbilled.length > 0) print(`    not billed here: ${row.unbilled.join(", ")}`);
  if (row.changes_on !== null) print(`    the list has another price from ${row.changes_on}`);
}

function changeLine(change: RateChange): string {
  const name = change.above === undefined ? change.rate : `${change.rate} above ${change.above}`;
  const percent = change.percent === undefined ? "" : `${change.percent}%`;
  const mark = change.suspicious.length > 0 ? "!" : " ";
  const values = `${change.old.padStart(10)} -> ${change.new.padEnd(10)} ${percent.padStart(8)}`;
  return `  ${mark} ${name.padEnd(26)} ${values}  ${change.suspicious.join(", ")}`.trimEnd();
}

function count(number: number, what: string): string {
  return `${number} ${what}${number === 1 ? "" : "s"}`;
}
