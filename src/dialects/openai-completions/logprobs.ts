/**
 * Log probabilities as this format tells them: lists side by side, one entry a token, with each token's place in the text.
 * Replies and streams read and write them here.
 */
import type { TokenLogprob } from "../../core/event.ts";
import { asArray, asNumber, asObject, asString, type Json, type JsonObject, setOwn } from "../../core/json.ts";
import { decodeLogprobs as decodeChatLogprobs } from "../openai-chat/finish.ts";

/** Tokens with their log probabilities; empty when there are none. llama.cpp tells them in Chat's form. */
export function decodeLogprobs(value: Json | undefined): TokenLogprob[] {
  const wire = asObject(value);
  if (!wire) return [];
  if (Array.isArray(wire.content)) return decodeChatLogprobs(wire.content);
  const probabilities = asArray(wire.token_logprobs);
  const alternatives = asArray(wire.top_logprobs);
  return asArray(wire.tokens).map((token, index) => {
    const found: TokenLogprob = { token: asString(token) ?? "", logprob: asNumber(probabilities[index]) ?? 0 };
    const others = asObject(alternatives[index]);
    if (others) {
      found.top = Object.entries(others).map(([other, logprob]) => ({ token: other, logprob: asNumber(logprob) ?? 0 }));
    }
    return found;
  });
}

/** How many characters, as this format counts them: an emoji is one. */
export function lengthOf(text: string): number {
  let length = text.length;
  for (let index = 1; index < text.length; index++) {
    const isSecondHalf = (text.charCodeAt(index) & 0xfc00) === 0xdc00;
    if (isSecondHalf && (text.charCodeAt(index - 1) & 0xfc00) === 0xd800) length -= 1;
  }
  return length;
}

/** The wire's form, the first token standing at `offset`; and where the next one will stand. */
export function encodeLogprobs(tokens: readonly TokenLogprob[], offset: number): { wire: JsonObject; next: number } {
  const offsets: number[] = [];
  let next = offset;
  for (const { token } of tokens) {
    offsets.push(next);
    next += lengthOf(token);
  }
  const hasTop = tokens.some(({ top }) => top !== undefined && top.length > 0);
  const wire: JsonObject = {
    tokens: tokens.map(({ token }) => token),
    token_logprobs: tokens.map(({ logprob }) => logprob),
    top_logprobs: hasTop ? tokens.map(({ top }) => encodeTop(top ?? [])) : null,
    text_offset: offsets,
  };
  return { wire, next };
}

function encodeTop(top: NonNullable<TokenLogprob["top"]>): JsonObject {
  const wire: JsonObject = {};
  for (const { token, logprob } of top) setOwn(wire, token, logprob);
  return wire;
}
