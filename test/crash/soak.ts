/**
 * `npm run soak:kill`: as many rounds of kills as it is told, on both stores side by side, and a summary.
 * It is not part of the tests, because a thousand rounds take half an hour.
 */
import { makeCluster } from "../support/cluster.ts";
import { startPostgres } from "../support/postgres.ts";
import { median, type RoundsReport, runRounds } from "./rounds.ts";
import { EMBEDDED, postgresStore, type Store } from "./store.ts";

const DEFAULT_ROUNDS = 1000;
const print = (line: string) => void process.stdout.write(`${line}\n`);

function summary(kind: string, report: RoundsReport): string {
  const { rounds, accepted, complete, outcomes, readyMs, problems } = report;
  const ended = Object.entries(outcomes).map(([outcome, count]) => `${count} ${outcome}`);
  const ready = `ready after ${median(readyMs)} ms (median of ${readyMs.length} starts, longest ${Math.max(...readyMs)} ms)`;
  return [
    `${kind}: ${rounds} kills; ${accepted} calls reached the upstream, ${complete} were answered to the end.`,
    `  rows: ${ended.join(", ")}; ${ready}`,
    ...(problems.length === 0 ? ["  nothing is unexplained"] : problems.map((problem) => `  UNEXPLAINED: ${problem}`)),
  ].join("\n");
}

async function main(): Promise<number> {
  const count = Number(process.argv[2] ?? DEFAULT_ROUNDS);
  const wanted = process.argv[3];
  if (!Number.isInteger(count) || count < 1) {
    print("usage: npm run soak:kill -- [rounds] [embedded|postgres]");
    return 2;
  }
  const cluster = makeCluster();
  const server = await startPostgres();
  const stores: Store[] = [EMBEDDED];
  if ("missing" in server) print(`Not on PostgreSQL: ${server.missing}`);
  else stores.push(await postgresStore(server));
  try {
    const chosen = stores.filter(({ kind }) => wanted === undefined || kind === wanted);
    const reports = await Promise.all(chosen.map((store) => runRounds(cluster, store, count, print)));
    for (const [index, report] of reports.entries()) print(summary(chosen[index]?.kind ?? "", report));
    return reports.some(({ problems }) => problems.length > 0) ? 1 : 0;
  } finally {
    await cluster.stop();
    if ("stop" in server) await server.stop();
  }
}

// So that what was started is ended with it.
for (const signal of ["SIGINT", "SIGTERM"]) process.once(signal, () => process.exit(1));
process.exit(await main());
