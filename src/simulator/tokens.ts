/**
 * The simulated provider's idea of a token: a word with the white space before it; of a word longer than 16
 * characters, every 4 characters; of a tool call's arguments, every 6; of a prompt, every 4. Plans and usage blocks count with these.
 */

const LONGEST_WORD = 16;
const SPLIT_WORD = 4;
const FRAGMENT = 6;
const LARGE_TEXT = 65_536;
const LARGE_PIECE = 1_024;
const HEAVY_PIECE = 64;

function slices(text: string, size: number, out: string[]): void {
  let start = 0;
  while (start < text.length) {
    let end = Math.min(text.length, start + size);
    const last = text.charCodeAt(end - 1);
    // a surrogate pair cut in two would not survive UTF-8
    if (last >= 0xd800 && last <= 0xdbff && end < text.length) end += 1;
    out.push(text.slice(start, end));
    start = end;
  }
}

/** Cuts a text into the pieces in which it is streamed; joined they are the text again. */
export function tokenise(text: string): string[] {
  const out: string[] = [];
  if (text.length > LARGE_TEXT) {
    slices(text, LARGE_PIECE, out);
    return out;
  }
  let end = 0;
  for (const match of text.matchAll(/\s*\S+/g)) {
    const word = match[0];
    if (word.length > LONGEST_WORD) slices(word, SPLIT_WORD, out);
    else out.push(word);
    end = match.index + word.length;
  }
  if (end < text.length) out.push(text.slice(end));
  return out;
}

/** Cuts a tool call's arguments into the fragments in which they are streamed: every 6 characters. */
export function fragment(text: string): string[] {
  const out: string[] = [];
  slices(text, text.length > LARGE_TEXT ? LARGE_PIECE : FRAGMENT, out);
  return out;
}

/** How many output tokens a piece counts for. */
export const weigh = (piece: string): number => (piece.length > HEAVY_PIECE ? Math.ceil(piece.length / 4) : 1);

/** How many output tokens the pieces count for together. */
export function weighAll(pieces: readonly string[]): number {
  let sum = 0;
  for (const piece of pieces) sum += weigh(piece);
  return sum;
}

/** The first pieces that fit into `room` tokens. */
export function fit(pieces: string[], room: number): string[] {
  let used = 0;
  for (let index = 0; index < pieces.length; index++) {
    used += weigh(pieces[index] ?? "");
    if (used > room) return pieces.slice(0, index);
  }
  return pieces;
}
