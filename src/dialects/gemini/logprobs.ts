/**
 * Log probabilities in both directions: `logprobsResult` of the wire, one list of tokens in the canon.
 * The reply decoder and encoder use it.
 */
import type { TokenLogprob } from "../../core/event.ts";
import { asArray, asNumber, asObject, asString, type Json, type JsonObject } from "../../core/json.ts";

function token(value: Json | undefined): { token: string; logprob: number } | undefined {
  const object = asObject(value);
  const text = asString(object?.token);
  if (text === undefined) return undefined;
  return { token: text, logprob: asNumber(object?.logProbability) ?? 0 };
}

/** The chosen tokens with their alternatives. */
export function readLogprobs(result: JsonObject): TokenLogprob[] {
  const alternatives = asArray(result.topCandidates);
  const tokens: TokenLogprob[] = [];
  for (const [index, chosen] of asArray(result.chosenCandidates).entries()) {
    const read = token(chosen);
    if (!read) continue;
    const list = asArray(asObject(alternatives[index])?.candidates);
    const top = list.map(token).filter((one) => one !== undefined);
    tokens.push(list.length > 0 ? { ...read, top } : read);
  }
  return tokens;
}

/** The wire's form of such tokens. */
export function writeLogprobs(tokens: readonly TokenLogprob[]): JsonObject {
  const wire = ({ token: text, logprob }: { token: string; logprob: number }) => ({
    token: text,
    logProbability: logprob,
  });
  const hasTop = tokens.some((one) => one.top !== undefined);
  return {
    chosenCandidates: tokens.map(wire),
    ...(hasTop && { topCandidates: tokens.map((one) => ({ candidates: (one.top ?? []).map(wire) })) }),
  };
}
