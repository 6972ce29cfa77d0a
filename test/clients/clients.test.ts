/**
 * What real clients need of the surfaces, through the whole server: each file of cases is about one habit or one client.
 * They share one server, which starts here.
 */
import { afterAll, beforeAll } from "bun:test";
import "./claude-code.cases.ts";
import { additions as compaction } from "./compaction.cases.ts";
import "./doors.cases.ts";
import { additions as models } from "./models.cases.ts";
import { additions as refusals } from "./refusals.cases.ts";
import { sluice, startWith } from "./server.ts";
import "./shapes.cases.ts";

const ADDITIONS = [compaction, models, refusals];

beforeAll(() => startWith(ADDITIONS), 60_000);
afterAll(async () => {
  await sluice.stop();
  for (const one of ADDITIONS) await one.stop?.();
}, 60_000);
