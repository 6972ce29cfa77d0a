/**
 * Puts interleaved parts one after the other, for formats whose parts must not overlap (Anthropic content blocks).
 * Stands between a decoder and a stream encoder; formats that number their parts on every delta do without it.
 */
import type { CanonicalEvent } from "./event.ts";

/** Feed it events of one choice; it returns what may be written now. Events of a later part wait until the open one ends. */
export function createSequencer(): (event: CanonicalEvent) => readonly CanonicalEvent[] {
  let open: number | undefined;
  const waiting = new Map<number, CanonicalEvent[]>();
  const ended = new Set<number>();

  function release(): CanonicalEvent[] {
    const released: CanonicalEvent[] = [];
    while (open === undefined && waiting.size > 0) {
      const [part, events] = waiting.entries().next().value as [number, CanonicalEvent[]];
      waiting.delete(part);
      released.push(...events);
      if (!ended.has(part)) open = part;
    }
    return released;
  }

  function finish(): CanonicalEvent[] {
    const released: CanonicalEvent[] = [];
    for (const events of waiting.values()) released.push(...events);
    waiting.clear();
    open = undefined;
    return released;
  }

  return (event) => {
    if (event.type === "message-end" || event.type === "error") return [...finish(), event];
    if (!("part" in event)) return [event];
    const { part } = event;
    const whole = event.type === "part";
    const last = whole || event.type === "part-end";
    if (last) ended.add(part);
    if (open === part) {
      if (!last) return [event];
      open = undefined;
      return [event, ...release()];
    }
    if (open === undefined && waiting.size === 0) {
      if (!last) open = part;
      return [event];
    }
    const events = waiting.get(part);
    if (events) events.push(event);
    else waiting.set(part, [event]);
    return [];
  };
}
