/**
 * The moment at which a caller has everything and the gateway dies: whoever read the last event pays for the call.
 * The upstream leaves its connection open, so that nothing but that event says that the answer is over.
 */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { type Cluster, makeAccount, makeCluster, type Upstream } from "../support/cluster.ts";
import { RAW_SURFACES } from "../support/surfaces.ts";
import { configText, METERED } from "./config.ts";
import { auditBooks, joinJournal, joinSeen, readCalls } from "./join.ts";
import { call, type Seen } from "./load.ts";
import { EMBEDDED, openStore } from "./store.ts";

const TIMEOUT_MS = 120_000;
let cluster: Cluster;
let upstream: Upstream;

beforeAll(async () => {
  cluster = makeCluster();
  upstream = await cluster.startUpstream();
}, 60_000);
afterAll(() => cluster?.stop());

test(
  "a caller that read the last event of a stream pays for it, though the gateway is killed before the upstream closes",
  async () => {
    const config = cluster.file(configText(upstream.url, "defaults: { welcome_credit_usd: 10 }"));
    const dataDir = await EMBEDDED.makeDataDirectory(cluster);
    const options = { config, dataDir, env: EMBEDDED.env };
    const node = await cluster.startNode(options);
    const { key } = await makeAccount(node);
    const running: Promise<Seen>[] = [];
    for (const surface of RAW_SURFACES) {
      for (const model of METERED) {
        running.push(call(node.url, key, { surface, streamed: true, model, text: "Say words=8 gap=5ms stays-open" }));
      }
    }
    await Bun.sleep(1500);
    await node.kill();
    const seen = await Promise.all(running);
    expect(seen.filter(({ complete }) => complete).length).toBeGreaterThan(0);
    const next = await cluster.startNode(options);
    next.signal("SIGTERM");
    expect(await next.exited).toBe(0);
    const { sql, close } = await openStore(EMBEDDED, dataDir);
    const calls = await readCalls(sql);
    const journal = await upstream.journal();
    const problems = [...joinJournal(calls, journal, seen), ...joinSeen(calls, seen), ...(await auditBooks(sql))];
    await close();
    expect(problems).toEqual([]);
  },
  TIMEOUT_MS,
);
