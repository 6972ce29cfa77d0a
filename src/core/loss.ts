/**
 * Losses: what a request says that the target's format cannot.
 * Encoders report them; the caller sees them in `x-sluice-losses` and in the usage record, and may refuse them with `x-sluice-strict: true`.
 */

export interface Loss {
  /** The canonical field or the origin's own name for it, without indexes: `topK`, `messages.name`, `tools.strict`. */
  readonly field: string;
  /** `dropped`: not sent at all. `altered`: sent in another form that may behave differently. */
  readonly kind: "dropped" | "altered";
}

/** Collects losses, each field once. */
export interface Losses {
  add(field: string, kind?: Loss["kind"]): void;
  list(): Loss[];
}

/** An empty collection. It holds at most 64 entries: a header has to carry them. */
export function collectLosses(): Losses {
  const found = new Map<string, Loss>();
  return {
    add(field, kind = "dropped") {
      if (found.size < 64 && !found.has(field)) found.set(field, { field: field.slice(0, 80), kind });
    },
    list: () => [...found.values()],
  };
}
