/**
 * The most tokens that a call can have: what admission holds for, and what an upstream's count is measured against.
 * Counts beyond that are nonsense, and settlement bills them as what can be.
 */
import type { Endpoint } from "../core/endpoint.ts";
import type { Head } from "../core/head.ts";
import { completionTokens, promptTokens, type TokenClass, type Usage } from "../core/usage.ts";
import type { Inquiry } from "./inquiry.ts";

/** What providers add to a prompt that offers tools: 346 tokens were billed for one small tool, 588 for a body of 450 bytes. */
const TOOL_TOKENS = 1000;
/** What pictures that the request only points to may come to. */
const PICTURE_TOKENS = 10_000;

/**
 * The longest prompt that a request can make. A text's token is at least one of its bytes; what stands behind a file's
 * address or id, and what the provider's own tools find, can be as long as the model's context, beyond which nothing is
 * billed.
 */
export function promptBound({ needs, searches }: Head, { contextTokens }: Endpoint, requestBytes: number): number {
  if (searches !== undefined || needs.some((need) => need === "files" || need === "audio" || need === "video")) {
    return Math.max(contextTokens, requestBytes);
  }
  let tokens = requestBytes;
  if (needs.includes("tools")) tokens += TOOL_TOKENS;
  if (needs.includes("images")) tokens += PICTURE_TOKENS;
  return tokens;
}

/** What some models' own templates put before every prompt. */
const TEMPLATE_TOKENS = 1024;
/** More searches in one call than any provider runs. */
const MAX_WEB_SEARCHES = 100;
/** Fields by which a prompt goes on from what the provider keeps. */
const ELSEWHERE = ["previous_response_id", "conversation", "prompt", "cachedContent", "cached_content", "container"];

/** The longest prompt that goes with the request. Tools that the provider runs bring in pages of their own. */
function longest({ head, bytes, body }: Inquiry, endpoint: Endpoint): number {
  const sent = promptBound(head, endpoint, bytes.length);
  const isLonger = head.needs.includes("tools") || ELSEWHERE.some((name) => body[name] !== undefined);
  return isLonger ? Math.max(sent, endpoint.contextTokens) : sent;
}

/** In the order in which they are kept: what costs least goes first, since nobody knows which of the counts is wrong. */
const INPUTS: readonly TokenClass[] = [
  "cacheRead",
  "input",
  "imageInput",
  "audioInput",
  "cacheWrite5m",
  "cacheWrite1h",
];
const OUTPUTS: readonly TokenClass[] = ["output", "thinking", "imageOutput", "audioOutput"];

/**
 * The very usage when it is believable, else a copy of which those counts that are not are cut to what was held for.
 * What providers add to a prompt, or let an answer run over its limit, is believed.
 */
export function withinBounds(usage: Usage, inquiry: Inquiry, endpoint: Endpoint): Usage {
  const prompt = promptTokens(usage);
  const completion = completionTokens(usage);
  const { head, bytes } = inquiry;
  const answers = Math.max(1, head.candidates);
  // Nearly every prompt has less tokens than bytes.
  const isPrompt = prompt <= bytes.length || prompt <= longest(inquiry, endpoint) + TEMPLATE_TOKENS;
  const isAnswer = completion <= endpoint.maxOutputTokens * answers;
  if (isPrompt && isAnswer && usage.webSearches <= MAX_WEB_SEARCHES) return usage;
  const cut = { ...usage, webSearches: Math.min(usage.webSearches, MAX_WEB_SEARCHES) };
  if (!isPrompt) keep(cut, INPUTS, longest(inquiry, endpoint));
  if (!isAnswer)
    keep(cut, OUTPUTS, Math.min(head.maxOutputTokens ?? Number.POSITIVE_INFINITY, endpoint.maxOutputTokens) * answers);
  return cut;
}

function keep(usage: Usage, classes: readonly TokenClass[], most: number): void {
  let left = most;
  for (const tokenClass of classes) {
    usage[tokenClass] = Math.min(usage[tokenClass], left);
    left -= usage[tokenClass];
  }
}
