/**
 * The end of a simulated sequence: everything that crashed starts again, every call ends, every node closes in good order.
 * On the way it tells of money that stayed with a node which has no use for it.
 */
import { rmSync } from "node:fs";
import type { Process } from "./node.ts";
import { beat, IDLE_MS, openCall, post, start, voidCall, type World } from "./world.ts";

/** Ends everything in good order. What is wrong on the way, in words. */
export async function closeWorld(world: World): Promise<string[]> {
  for (const slot of [0, 1]) await start(world, slot, false);
  const broken = await leasesOf(
    world,
    "that crashed, after its journal was taken up",
    world.processes.filter(({ isDead }) => isDead).flatMap(({ ids: [first = ""] }) => [first]),
  );
  for (const process of world.processes) if (!process.isDead) await beat(process);
  for (let number = 0; openCall(world, 0); number++) {
    if (number % 3 === 0) voidCall(world, number);
    else post(world, number, number * 170, false);
  }
  const running = world.nodes.filter((process) => process !== undefined);
  for (const process of running) await settleDown(process);
  broken.push(
    ...(await leasesOf(
      world,
      "that is idle",
      running.map(({ wallet }) => wallet.nodeId),
    )),
  );
  for (const process of running) await process.close();
  // So much later that whoever crashed and left no note has been given up.
  await world.books.giveUp(
    2 ** 30,
    world.processes.flatMap(({ ids, wallet }) => [...ids, wallet.nodeId]),
  );
  rmSync(world.dataDir, { recursive: true, force: true });
  return broken;
}

/** Everything is written; what it has leased lies idle, and what it does not know to have leased is found and lies idle too. */
async function settleDown(process: Process): Promise<void> {
  while (await process.write("none"));
  for (let beats = process.isFaulty ? 2 : 1; beats > 0; beats--) {
    process.wait(IDLE_MS);
    await beat(process);
  }
}

async function leasesOf({ sql, account, purses }: World, which: string, ids: readonly string[]): Promise<string[]> {
  const rows = (await sql`
    select purse, amount from leases where amount > 0
      and node_id::text in (select json_array_elements_text(${JSON.stringify(ids)}::text::json))
      and purse in (select json_array_elements_text(${JSON.stringify([account, ...purses.keys()])}::text::json))`) as {
    purse: string;
    amount: bigint;
  }[];
  return rows.map(({ purse, amount }) => `a node ${which} has leased ${amount} of ${purse}`);
}
