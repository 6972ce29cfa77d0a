/**
 * Globs of model names, as keys and plans restrict them.
 * Read before a model is called and when a key is made.
 */

/** Whether a glob (`*` for any run of characters) fits a name. No regular expression is built, so no pattern is slow. */
export function fits(glob: string, name: string): boolean {
  const pieces = glob.split("*");
  const first = pieces[0] ?? "";
  if (pieces.length === 1) return glob === name;
  const last = pieces[pieces.length - 1] ?? "";
  if (!name.startsWith(first) || !name.endsWith(last) || name.length < first.length + last.length) return false;
  let from = first.length;
  const until = name.length - last.length;
  for (const piece of pieces.slice(1, -1)) {
    const found = name.indexOf(piece, from);
    if (found < 0 || found + piece.length > until) return false;
    from = found + piece.length;
  }
  return true;
}

/**
 * Whether everything that `inner` fits is fitted by one of `outer`, so that no right is gained by writing it in another way.
 * A star of `inner` is taken for a letter that only a star of `outer` can cover.
 */
export function within(inner: string, outer: readonly string[]): boolean {
  return outer.some((glob) => fits(glob, inner));
}
