/**
 * Counts the tokens of texts where no provider can be asked.
 * A worker does it; when it is busy or broken, four characters count as a token, so an answer always comes.
 */

const IDLE_MS = 60_000;
const ANSWER_MS = 5000;
/** More questions at once are answered by the rule of thumb. */
const MAX_WAITING = 64;
const CHARACTERS_PER_TOKEN = 4;

interface Waiting {
  resolve(tokens: number): void;
  readonly fallback: number;
  readonly timer: ReturnType<typeof setTimeout>;
}

let worker: Worker | undefined;
let nextId = 0;
let idle: ReturnType<typeof setTimeout> | undefined;
const waiting = new Map<number, Waiting>();

/** The rule of thumb: four characters are a token. */
export function roughTokens(texts: readonly string[]): number {
  let characters = 0;
  for (const text of texts) characters += text.length;
  return Math.ceil(characters / CHARACTERS_PER_TOKEN);
}

/** The number of tokens in these texts by the vocabulary of current OpenAI models, near enough for others. Never rejects. */
export function countTokens(texts: readonly string[]): Promise<number> {
  const fallback = roughTokens(texts);
  if (waiting.size >= MAX_WAITING) return Promise.resolve(fallback);
  return new Promise((resolve) => {
    const id = nextId++;
    const timer = setTimeout(() => answer(id, undefined), ANSWER_MS);
    waiting.set(id, { resolve, fallback, timer });
    start().postMessage({ id, texts });
  });
}

function answer(id: number, tokens: number | undefined): void {
  const asked = waiting.get(id);
  if (!asked) return;
  waiting.delete(id);
  clearTimeout(asked.timer);
  asked.resolve(tokens ?? asked.fallback);
  if (waiting.size === 0) rest();
}

function start(): Worker {
  clearTimeout(idle);
  if (worker) return worker;
  const started = new Worker(new URL("./tokenizer-worker.ts", import.meta.url).href);
  started.unref();
  started.onmessage = ({ data }: MessageEvent<{ id: number; tokens: number }>) => answer(data.id, data.tokens);
  started.onerror = stop;
  worker = started;
  return started;
}

/** Gives the memory back when nobody has asked for a while. */
function rest(): void {
  clearTimeout(idle);
  idle = setTimeout(stop, IDLE_MS);
  idle.unref();
}

function stop(): void {
  worker?.terminate();
  worker = undefined;
  for (const id of [...waiting.keys()]) answer(id, undefined);
}
