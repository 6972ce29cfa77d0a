/**
 * What a Messages request reads from and writes to the simulated prompt cache.
 * The reader asks it when a body holds `cache_control` marks.
 */
import type { Memory } from "./api.ts";
import { arrayOf, isObject, type Json, objectOf, remember } from "./json.ts";
import { invalid } from "./problem.ts";
import { promptTokens, type View } from "./reading.ts";

const MAX_PREFIXES = 50_000;
const MAX_MARKS = 4;

interface Mark {
  key: string;
  chars: number;
  isHour: boolean;
}

function* markable(body: Json): Generator<unknown> {
  yield* arrayOf(body.tools);
  yield* typeof body.system === "string" ? [{ type: "text", text: body.system }] : arrayOf(body.system);
  for (const message of arrayOf(body.messages)) {
    const { content, role } = objectOf(message);
    yield { role };
    yield* typeof content === "string" ? [{ type: "text", text: content }] : arrayOf(content);
  }
}

function marksOf(body: Json, model: string): { marks: Mark[]; chars: number } {
  const marks: Mark[] = [];
  let hash = Bun.hash.wyhash(model);
  let chars = 0;
  let lastKey = "";
  for (const block of markable(body)) {
    const { cache_control: control, ...rest } = objectOf(block);
    const text = JSON.stringify(rest);
    hash = Bun.hash.wyhash(text, hash);
    chars += text.length;
    lastKey = hash.toString(36);
    if (isObject(control)) marks.push({ key: lastKey, chars, isHour: control.ttl === "1h" });
  }
  if (marks.length > MAX_MARKS) {
    throw invalid(`A maximum of ${MAX_MARKS} blocks with cache_control may be provided. Found ${marks.length}.`);
  }
  if (isObject(body.cache_control)) marks.push({ key: lastKey, chars, isHour: body.cache_control.ttl === "1h" });
  return { marks, chars };
}

/** Fills the view's cache counts: the longest prefix seen before is read, what is marked beyond it is written. */
export function useCache(view: View, body: Json, memory: Memory): void {
  const { marks, chars } = marksOf(body, view.model);
  if (marks.length === 0) return;
  const total = promptTokens(view);
  const tokensAt = (at: number): number => Math.min(total - 1, Math.floor((total * at) / Math.max(1, chars)));
  let done = 0;
  for (const mark of marks) {
    if (memory.prefixes.has(mark.key)) done = tokensAt(mark.chars);
  }
  view.cacheRead = done;
  for (const mark of marks) {
    const tokens = tokensAt(mark.chars);
    if (tokens > done) {
      if (mark.isHour) view.cacheWrite1h += tokens - done;
      else view.cacheWrite5m += tokens - done;
      done = tokens;
    }
    remember(memory.prefixes, mark.key, true, MAX_PREFIXES);
  }
}
