/**
 * Counts tokens in a thread of its own: loading the vocabulary takes most of a second and a hundred megabytes.
 * Started by `tokenizer.ts` when somebody asks, ended when nobody has asked for a while.
 */
import { countTokens } from "gpt-tokenizer/encoding/o200k_base";

/** The encoder's time grows with the square of a run without word breaks, so long texts are counted in slices. */
const SLICE = 1024;

function count(text: string): number {
  let total = 0;
  for (let begin = 0; begin < text.length; ) {
    let end = Math.min(begin + SLICE, text.length);
    const space = end < text.length ? text.lastIndexOf(" ", end) : -1;
    if (space > begin) end = space;
    total += countTokens(text.slice(begin, end));
    begin = end;
  }
  return total;
}

declare const self: Worker;

self.onmessage = ({ data }: MessageEvent<{ id: number; texts: string[] }>) => {
  const tokens = data.texts.reduce((sum, text) => sum + count(text), 0);
  self.postMessage({ id: data.id, tokens });
};
