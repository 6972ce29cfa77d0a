/**
 * From the neutral view of a request to what the simulated model thinks, says, calls, and charges.
 * Every dialect writes the same plan in its own format, streamed or whole.
 */

import { chooseCalls, type PlannedCall } from "./calls.ts";
import { type Directives, numberFrom } from "./directives.ts";
import { promptTokens, type View } from "./reading.ts";
import { sampleOf } from "./sample.ts";
import { fit, tokenise, weighAll } from "./tokens.ts";

/** What is charged. `input` holds all of the prompt, cached or not; `output` holds the thinking. */
export interface Usage {
  input: number;
  cacheRead: number;
  cacheWrite5m: number;
  cacheWrite1h: number;
  output: number;
  thinking: number;
}

/** Why the model stopped. */
export type Stop = "end" | "length" | "stop-sequence" | "calls" | "refusal";

/** What the simulated model does in answer to one request. */
export interface Plan {
  thinking: string[];
  text: string[];
  calls: PlannedCall[];
  refusal: string[];
  stop: Stop;
  stopSequence: string | null;
  usage: Usage;
  /** False when usage is to be left out of the answer. */
  reportsUsage: boolean;
  /** Numbers that replace the reported ones: in, out, cached, write, think. Of some nonsense they are no numbers. */
  reported: ReadonlyMap<string, number>;
}

const MAX_WORDS = 1_000_000;
const MAX_CHUNKS = 1_000_000;
const MAX_SIZE = 64 * 1024 * 1024;
const ECHO_HEAD = 240;
const ECHO_TAIL = 80;
const MAX_NOTED = 200;
const MAX_LISTED = 5;
const FILLER = "The quick brown fox jumps over the lazy dog. ";
const REFUSAL = "I'm sorry, but I can't assist with that request.";

function squeeze(text: string, head: number, tail: number): string {
  const flat = (text.length > 4_000 ? `${text.slice(0, 2_000)} ${text.slice(-2_000)}` : text)
    .replace(/\s+/g, " ")
    .trim();
  return flat.length <= head + tail + 3 ? flat : `${flat.slice(0, head)} … ${flat.slice(-tail)}`;
}

/** What the user said last, without the reminders that tools wrap in tags around it. */
export function spokenText(view: View): string {
  const spoken = view.texts.filter(
    (text) => !/^\s*<[a-zA-Z_-]+>[\s\S]*<\/[a-zA-Z_-]+>\s*$/.test(text.slice(0, 100_000)),
  );
  return (spoken.length > 0 ? spoken : view.texts).join(" ");
}

const listed = (items: string[]): string =>
  items.length > MAX_LISTED ? `${items.slice(0, MAX_LISTED).join(", ")}, …` : items.join(", ");

/** Notes about what arrived besides the words, so that a test can read what reached the provider. */
function notes(view: View): string {
  let out = "";
  if (view.systemChars > 0) out += ` [system: ${view.systemChars} chars]`;
  for (const kind of ["images", "files", "audio", "video"] as const) {
    const items = view.media[kind];
    if (items.length > 0) out += ` [${kind}: ${items.length}: ${listed(items.map((item) => squeeze(item, 80, 20)))}]`;
  }
  if (view.tools.length > 0) out += ` [tools: ${view.tools.length}: ${listed(view.tools.map((tool) => tool.name))}]`;
  if (view.thinkingBlocks > 0) out += ` [thinking: ${view.thinkingBlocks}]`;
  if (view.signedBlocks > 0) out += ` [signatures: ${view.signedBlocks}]`;
  if (view.results.length > 0) {
    const results = view.results.map(
      (result) => `${result.isError ? "error " : ""}"${squeeze(result.text, MAX_NOTED, 40)}"`,
    );
    out += ` [tool results: ${results.length}: ${listed(results)}]`;
  }
  return out;
}

function sizedText(bytes: number): string {
  return FILLER.repeat(Math.ceil(bytes / FILLER.length)).slice(0, bytes);
}

const numbered = (word: string, from: number, to: number): string[] =>
  Array.from(
    { length: Math.max(0, to - from) },
    (_, index) => `${from + index === 0 ? "" : " "}${word}${from + index + 1}`,
  );

function plainText(view: View): string {
  const spoken = squeeze(spokenText(view), ECHO_HEAD, ECHO_TAIL);
  return `${spoken === "" ? "You said nothing." : `You said: ${spoken}`}${notes(view)}`;
}

function answerPieces(view: View, directives: Directives): string[] {
  if (directives.echo) return tokenise(view.raw);
  if (view.format !== undefined) {
    const { schema } = view.format;
    const value = schema === undefined ? { said: squeeze(spokenText(view), ECHO_HEAD, ECHO_TAIL) } : sampleOf(schema);
    return tokenise(JSON.stringify(value));
  }
  const size = numberFrom(directives, "size", MAX_SIZE);
  if (size !== undefined) return tokenise(sizedText(size));
  const words = numberFrom(directives, "words", MAX_WORDS);
  const pieces = words === undefined ? tokenise(plainText(view)) : numbered("word", 0, words);
  const chunks = numberFrom(directives, "chunks", MAX_CHUNKS);
  if (chunks === undefined) return pieces;
  return pieces.length >= chunks ? pieces.slice(0, chunks) : pieces.concat(numbered("chunk", pieces.length, chunks));
}

/** Cuts the text before the first stop sequence in it. */
function cutAtStop(pieces: string[], stops: readonly string[]): { pieces: string[]; stop: string | null } {
  if (stops.length === 0) return { pieces, stop: null };
  const text = pieces.join("");
  let at = -1;
  let stop: string | null = null;
  for (const candidate of stops) {
    const found = candidate === "" ? -1 : text.indexOf(candidate);
    if (found >= 0 && (at < 0 || found < at)) {
      at = found;
      stop = candidate;
    }
  }
  return stop === null ? { pieces, stop } : { pieces: tokenise(text.slice(0, at)), stop };
}

function thinkingPieces(view: View): string[] {
  const spoken = squeeze(spokenText(view), 60, 20);
  const last = view.results.length > 0 ? `I have ${view.results.length} tool results now.` : "I will answer plainly.";
  return tokenise(`The user said "${spoken}". ${last}`);
}

const FIELDS = ["in", "out", "cached", "write", "think"];
const HUGE = 1e15;
/** More cached tokens than any of these prompts has. */
const OVER = 90_000;

/** Every number of a usage block as something that no provider can mean. */
const NONSENSE: Record<string, (name: string) => unknown> = {
  negative: () => -5,
  nan: () => Number.NaN,
  text: () => "12",
  huge: () => HUGE,
};

function reportedNumbers(directives: Directives): ReadonlyMap<string, number> {
  const reported = new Map<string, number>();
  const usage = directives.values.get("usage") ?? "";
  if (usage === "cached-over") return reported.set("cached", OVER);
  const nonsense = NONSENSE[usage];
  if (nonsense) return new Map(FIELDS.map((name) => [name, nonsense(name) as number]));
  for (const pair of usage.split(",")) {
    const [name, value] = pair.split(":");
    if (name !== undefined && value !== undefined && value !== "") reported.set(name, Number(value));
  }
  return reported;
}

/** Fits thinking, text and calls, in this order, into the limit of output tokens. */
function limit(plan: Plan, maxTokens: number): void {
  let room = maxTokens;
  const keep = (pieces: string[]): string[] => {
    const kept = fit(pieces, room);
    room = kept.length === pieces.length ? room - weighAll(kept) : 0;
    if (kept.length < pieces.length) plan.stop = "length";
    return kept;
  };
  plan.thinking = keep(plan.thinking);
  plan.text = keep(plan.text);
  plan.refusal = keep(plan.refusal);
  const calls: PlannedCall[] = [];
  for (const call of plan.calls) {
    const pieces = keep(call.pieces);
    const isWhole = pieces.length === call.pieces.length;
    if (isWhole || pieces.length > 0) calls.push({ ...call, pieces, isWhole });
  }
  plan.calls = calls;
  if (plan.stop === "length") plan.stopSequence = null;
}

/** Decides the whole answer. The same view and orders always give the same plan. */
export function planAnswer(view: View, directives: Directives): Plan {
  const refuses = directives.flags.has("refuse");
  const calls = refuses ? [] : chooseCalls(view, directives);
  const says = calls.length === 0 || directives.flags.has("preamble");
  const cut = cutAtStop(says && !refuses ? answerPieces(view, directives) : [], view.stops);
  const big = numberFrom(directives, "big-event", MAX_SIZE);
  if (big !== undefined && calls.length === 0) cut.pieces.splice(1, 0, sizedText(big));
  const plan: Plan = {
    thinking: view.thinks ? thinkingPieces(view) : [],
    text: cut.pieces,
    calls,
    refusal: refuses ? tokenise(REFUSAL) : [],
    stop: refuses ? "refusal" : calls.length > 0 ? "calls" : cut.stop === null ? "end" : "stop-sequence",
    stopSequence: cut.stop,
    usage: { input: 0, cacheRead: 0, cacheWrite5m: 0, cacheWrite1h: 0, output: 0, thinking: 0 },
    reportsUsage: !directives.flags.has("no-usage"),
    reported: reportedNumbers(directives),
  };
  if (view.maxTokens !== undefined) limit(plan, view.maxTokens);
  const thinking = weighAll(plan.thinking);
  let output = thinking + weighAll(plan.text) + weighAll(plan.refusal);
  for (const call of plan.calls) output += weighAll(call.pieces);
  plan.usage = {
    input: promptTokens(view),
    cacheRead: view.cacheRead,
    cacheWrite5m: view.cacheWrite5m,
    cacheWrite1h: view.cacheWrite1h,
    output,
    thinking,
  };
  return plan;
}

/** Several answers to one request: the second and later ones say which choice they are. */
export function planChoices(view: View, directives: Directives): Plan[] {
  const first = planAnswer(view, directives);
  const plans = [first];
  for (let index = 1; index < view.choices; index++) {
    const text = first.stop === "end" ? first.text.concat(" [choice", ` ${index + 1}]`) : first.text;
    plans.push({
      ...first,
      text,
      usage: { ...first.usage, output: first.usage.output + text.length - first.text.length },
    });
  }
  return plans;
}

/** The usage of all choices together: the prompt once, every output. */
export function totalUsage(plans: readonly Plan[]): Usage {
  const [first] = plans;
  if (first === undefined || plans.length === 1) return first?.usage as Usage;
  let output = 0;
  let thinking = 0;
  for (const plan of plans) {
    output += plan.usage.output;
    thinking += plan.usage.thinking;
  }
  return { ...first.usage, output, thinking };
}

/** A number of the usage block: the ordered one when there is one, else the true one. */
export const reportedOr = (plan: Plan, name: string, value: number): number => plan.reported.get(name) ?? value;
