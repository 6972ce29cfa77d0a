/**
 * What can happen to a workspace's money, as steps drawn from a seed, and the search for the fewest steps that still fail.
 * The simulation plays them; a step names calls and nodes by number, so any part of a sequence is a sequence too.
 */

/** How a request to the database ends: as it should, without effect, or with its effect and an error all the same. */
export type Fault = "none" | "before" | "after";

/** One thing that happens. Amounts are nano-dollars; `call` is reduced to one of the calls there are. */
export type Step =
  | {
      readonly do: "hold";
      readonly node: number;
      readonly wanted: number;
      readonly least: number;
      readonly from: readonly ("key" | "budget")[];
      readonly paidBy: "credit" | "free";
      readonly fault: Fault;
      /** So many questions to the books go well before. */
      readonly after: number;
    }
  | { readonly do: "post"; readonly call: number; readonly permille: number; readonly cancelled: boolean }
  | { readonly do: "foresee"; readonly call: number; readonly permille: number }
  | { readonly do: "void" | "end again"; readonly call: number }
  | { readonly do: "grant" | "take back" | "refund" | "limit"; readonly amount: number }
  | { readonly do: "write"; readonly node: number; readonly fault: Fault }
  | { readonly do: "beat" | "idle"; readonly node: number; readonly fault: Fault; readonly after: number }
  | { readonly do: "crash" | "give up" | "silence"; readonly node: number }
  | { readonly do: "start"; readonly node: number; readonly cut: boolean }
  | { readonly do: "next day" }
  | { readonly do: "race"; readonly first: Step; readonly second: Step };

/** Numbers from a seed, the same ones each time. */
export function randomFrom(seed: number): (below: number) => number {
  let state = seed >>> 0;
  return (below) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
  };
}

type Random = (below: number) => number;

function fault(random: Random): Fault {
  const roll = random(10);
  return roll === 0 ? "before" : roll === 1 ? "after" : "none";
}

function hold(random: Random): Step {
  const wanted = 1 + random(random(4) === 0 ? 2000 : 300);
  const from = (["key", "budget"] as const).filter(() => random(3) === 0);
  return {
    do: "hold",
    node: random(2),
    wanted,
    least: random(3) === 0 ? 1 + random(wanted) : wanted,
    from,
    paidBy: random(8) === 0 ? "free" : "credit",
    fault: random(4) === 0 ? fault(random) : "none",
    after: random(2),
  };
}

function post(random: Random): Step {
  return { do: "post", call: random(8), permille: random(1300), cancelled: random(4) === 0 };
}

/** What happens on a node, or to it. */
const ON_NODE: readonly ((random: Random, node: number) => Step)[] = [
  (random, node) => ({ ...hold(random), node }) as Step,
  (random, node) => ({ ...hold(random), node }) as Step,
  (_, node) => ({ do: "write", node, fault: "none" }),
  (random, node) => ({ do: "write", node, fault: fault(random) }),
  (random, node) => ({ do: "beat", node, fault: fault(random), after: random(3) }),
  (_, node) => ({ do: "idle", node, fault: "none", after: 0 }),
  (_, node) => ({ do: "give up", node }),
  (_, node) => ({ do: "crash", node }),
];

/** What may be under way at the same moment as something on any node. */
const BESIDE: readonly ((random: Random) => Step)[] = [
  hold,
  hold,
  post,
  (random) => ({ do: "take back", amount: 1 + random(800) }),
  (random) => ({ do: "refund", amount: 1 + random(800) }),
  (random) => ({ do: "start", node: random(2), cut: false }),
];

/** Two things at once: on one node, or on both, or one beside the nodes. */
function race(random: Random): Step {
  const node = random(2);
  const first = pick(ON_NODE, random)(random, node);
  const roll = random(3);
  if (roll === 0) return { do: "race", first, second: pick(BESIDE, random)(random) };
  return { do: "race", first, second: pick(ON_NODE, random)(random, roll === 1 ? node : 1 - node) };
}

/** A node is taken for dead while it settles, or while it takes. */
function cutOff(random: Random): Step {
  const node = random(2);
  const first: Step = random(2) === 0 ? { do: "write", node, fault: "none" } : ({ ...hold(random), node } as Step);
  return { do: "race", first, second: { do: "give up", node } };
}

/** Calls of one key on both nodes at one moment, for more than there may be. */
function rush(random: Random): Step {
  const one = (): Step => {
    const wanted = 300 + random(600);
    return {
      do: "hold",
      node: random(2),
      wanted,
      least: wanted,
      from: ["key"],
      paidBy: "credit",
      fault: "none",
      after: 0,
    };
  };
  const two = (): Step => ({ do: "race", first: one(), second: one() });
  return { do: "race", first: two(), second: two() };
}

/** Weight and step. */
const STEPS: readonly (readonly [number, (random: Random) => Step])[] = [
  [30, hold],
  [22, post],
  [5, (random) => ({ do: "foresee", call: random(8), permille: random(1000) })],
  [6, (random) => ({ do: "void", call: random(8) })],
  [3, (random) => ({ do: "end again", call: random(8) })],
  [5, (random) => ({ do: "grant", amount: 1 + random(2000) })],
  [4, (random) => ({ do: "take back", amount: 1 + random(1500) })],
  [4, (random) => ({ do: "refund", amount: 1 + random(1500) })],
  [5, (random) => ({ do: "limit", amount: random(1500) })],
  [10, (random) => ({ do: "write", node: random(2), fault: fault(random) })],
  [6, (random) => ({ do: "beat", node: random(2), fault: fault(random), after: random(3) })],
  [5, (random) => ({ do: "idle", node: random(2), fault: fault(random), after: random(3) })],
  // The answer to a return is lost.
  [3, (random) => ({ do: "idle", node: random(2), fault: "after", after: 1 })],
  [2, (random) => ({ do: "silence", node: random(2) })],
  [4, (random) => ({ do: "crash", node: random(2) })],
  [5, (random) => ({ do: "start", node: random(2), cut: random(4) === 0 })],
  [3, (random) => ({ do: "give up", node: random(2) })],
  [2, () => ({ do: "next day" })],
  [14, race],
  [5, rush],
  [4, cutOff],
];

const WEIGHTS = STEPS.reduce((sum, [weight]) => sum + weight, 0);

function pick<T>(list: readonly T[], random: Random): T {
  return list[random(list.length)] as T;
}

function draw(random: Random): Step {
  let roll = random(WEIGHTS);
  for (const [weight, make] of STEPS) {
    if (roll < weight) return make(random);
    roll -= weight;
  }
  return hold(random);
}

const MIN_STEPS = 4;
const MAX_STEPS = 13;

/** The sequence of a seed. It begins with a grant, else little would happen. */
export function sequenceOf(seed: number): Step[] {
  const random = randomFrom(seed);
  const count = MIN_STEPS + random(MAX_STEPS - MIN_STEPS + 1);
  return [{ do: "grant", amount: 200 + random(3000) }, ...Array.from({ length: count }, () => draw(random))];
}

const MAX_TRIES = 300;

/** Leaves steps out for as long as `fails` says that the rest still fails. */
export async function shrink(steps: readonly Step[], fails: (steps: readonly Step[]) => Promise<boolean>) {
  let least = [...steps];
  let tries = 0;
  for (let size = least.length >> 1; size >= 1; ) {
    let changed = false;
    for (let at = 0; at < least.length && tries < MAX_TRIES; ) {
      const rest = least.toSpliced(at, size);
      tries++;
      if (rest.length < least.length && (await fails(rest))) {
        least = rest;
        changed = true;
      } else at += size;
    }
    if (!changed || size > 1) size >>= 1;
  }
  return least;
}
