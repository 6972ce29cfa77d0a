/**
 * Makes legal sequences of canonical events for property tests: parts that interleave, several choices, all kinds of deltas.
 * `checkOrder` accepts everything made here; tests of what folds, sequences or encodes events draw from it.
 */
import fc from "fast-check";
import type { CanonicalEvent, PartStart } from "../../src/core/event.ts";

/** One step of a choice: begin a part, say something in an open one, end one. The numbers choose among what is open. */
type Step = { begin: PartStart } | { whole: string } | { say: string; pick: number } | { end: true; pick: number };

const texts = fc.string({ unit: "grapheme", maxLength: 8 });
const starts: fc.Arbitrary<PartStart> = fc.oneof(
  fc.constantFrom<PartStart>({ type: "text" }, { type: "refusal" }, { type: "thinking" }),
  fc.record({
    type: fc.constant("tool-call" as const),
    id: fc.uuid(),
    name: fc.constantFrom("get_weather", "run"),
    kind: fc.constantFrom("function" as const, "custom" as const),
  }),
);
const steps: fc.Arbitrary<Step> = fc.oneof(
  { weight: 3, arbitrary: fc.record({ begin: starts }) },
  { weight: 1, arbitrary: fc.record({ whole: texts }) },
  { weight: 6, arbitrary: fc.record({ say: texts, pick: fc.nat(5) }) },
  { weight: 2, arbitrary: fc.record({ end: fc.constant(true as const), pick: fc.nat(5) }) },
);

function say(type: PartStart["type"], place: { choice: number; part: number }, text: string): CanonicalEvent {
  if (type === "thinking") return { type: "thinking-delta", ...place, text };
  if (type === "tool-call") return { type: "tool-call-delta", ...place, arguments: text };
  return { type: "text-delta", ...place, text };
}

/** The events of one choice without its end, every part closed. */
function play(choice: number, script: readonly Step[]): CanonicalEvent[] {
  const events: CanonicalEvent[] = [];
  const open: { part: number; type: PartStart["type"] }[] = [];
  let next = 0;
  for (const step of script) {
    if ("begin" in step) {
      const part = next++;
      open.push({ part, type: step.begin.type });
      events.push({ type: "part-start", choice, part, start: { ...step.begin } });
    } else if ("whole" in step) {
      const value = { type: "thinking", text: step.whole, redacted: true } as const;
      events.push({ type: "part", choice, part: next++, value: { ...value } });
    } else {
      const at = open.length === 0 ? -1 : step.pick % open.length;
      const target = open[at];
      if (!target) continue;
      const place = { choice, part: target.part };
      if ("say" in step) events.push(say(target.type, place, step.say));
      else {
        events.push({ type: "part-end", ...place });
        open.splice(at, 1);
      }
    }
  }
  for (const { part } of open) events.push({ type: "part-end", choice, part });
  return events;
}

/** Deals the events of several choices together, each in its own order. */
function deal(hands: CanonicalEvent[][], picks: readonly number[]): CanonicalEvent[] {
  const dealt: CanonicalEvent[] = [];
  for (let turn = 0; hands.some((hand) => hand.length > 0); turn++) {
    const full = hands.filter((hand) => hand.length > 0);
    const hand = full[(picks[turn % picks.length] ?? 0) % full.length];
    dealt.push(hand?.shift() as CanonicalEvent);
  }
  return dealt;
}

/** Whole messages of one choice, or of up to `choices`. */
export function messages(choices = 1): fc.Arbitrary<CanonicalEvent[]> {
  const scripts = fc.array(fc.array(steps, { maxLength: 24 }), { minLength: 1, maxLength: choices });
  return fc.tuple(scripts, fc.array(fc.nat(7), { minLength: 1, maxLength: 16 })).map(([all, picks]) => [
    { type: "message-start", id: "m", model: "x", createdAt: 1 },
    ...deal(
      all.map((script, choice) => play(choice, script)),
      picks,
    ),
    ...all.map((_, choice): CanonicalEvent => ({ type: "message-end", choice, finish: { reason: "stop" } })),
  ]);
}
