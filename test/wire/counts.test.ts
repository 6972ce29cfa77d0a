/**
 * Recorded exchanges of the counting routes and of compaction: what a caller asks is understood, what an upstream is asked
 * means the same, and what it answered is read. `src/gateway/count.ts` and the surface that compacts stand on this.
 */
import { describe, expect, test } from "bun:test";
import { asArray, asNumber, asObject, type Json, type JsonObject } from "../../src/core/json.ts";
import { collect } from "../../src/core/reply.ts";
import type { CanonicalRequest } from "../../src/core/request.ts";
import { completionTokens, promptTokens } from "../../src/core/usage.ts";
import type { TokenCounting } from "../../src/dialects/dialect.ts";
import { DIALECTS } from "../../src/dialects/index.ts";
import { openaiResponsesCompact } from "../../src/dialects/openai-responses/compact-route.ts";
import { haveRecordings, type Recording, recordings, SKIP_REASON } from "../support/wire.ts";
import { type MainDialect, REQUEST_ID, targetFor } from "./exchanges.ts";

const present = haveRecordings();
const title = (name: string) => (present ? name : `${name} (${SKIP_REASON})`);

const ROUTES = [
  { api: "anthropic.countTokens", id: "anthropic-messages", field: "input_tokens" },
  { api: "gemini.countTokens", id: "gemini", field: "totalTokens" },
  { api: "openai.responses.input_tokens", id: "openai-responses", field: "input_tokens" },
] as const satisfies { api: string; id: MainDialect; field: string }[];

/** Formats whose upstreams are asked to count what a caller of another asked. */
const IDS = ROUTES.map(({ id }) => id);

function countingOf(id: MainDialect): TokenCounting {
  const { tokenCounting } = DIALECTS[id];
  if (!tokenCounting) throw new Error(`${id} counts nothing`);
  return tokenCounting;
}

function modelOf({ request, model }: Recording): string {
  return /models\/([^:]+):/.exec(request?.path ?? "")?.[1] ?? model ?? "m";
}

/** A caller's counting request in the canon. */
function ask(id: MainDialect, body: JsonObject, model: string): CanonicalRequest {
  return DIALECTS[id].decodeRequest(countingOf(id).request(body), { model, stream: false });
}

/** What an upstream is asked for it. */
function question(id: MainDialect, request: CanonicalRequest, model: string, altered: string[] = []): JsonObject {
  const encoded = DIALECTS[id].encodeRequest(request, { ...targetFor(request), model });
  expect(encoded.losses.filter(({ field }) => !altered.includes(field))).toEqual([]);
  return countingOf(id).upstream.body(encoded.body, model);
}

/** What of a request has tokens; the rest is about the answer, which is not asked for here. */
function input({ system, messages, tools, toolChoice, reasoning }: CanonicalRequest) {
  return { system, messages, tools, toolChoice, reasoning };
}

/** Texts, names and descriptions, whatever their form. */
function words({ system, messages, tools }: CanonicalRequest): Json {
  const said = messages.flatMap(({ content }) => content.map((part) => ("text" in part ? part.text : part.type)));
  const offered = (tools ?? []).map((tool) => (tool.type === "server" ? [tool.kind] : [tool.name, tool.description]));
  return [(system ?? []).map(({ text }) => text), said, offered.map((tool) => tool.map((one) => one || ""))];
}

for (const { api, id, field } of ROUTES) {
  describe.skipIf(!present)(title(`recorded ${api}`), () => {
    const all = recordings(api);

    test("there are recordings", () => expect(all.length).toBeGreaterThan(1));

    for (const recording of all) {
      const { request, response, file } = recording;
      const model = modelOf(recording);

      test(`${file}: the upstream is asked what the caller asked`, () => {
        if (!request) throw new Error("a counting request is always recorded");
        const asked = ask(id, request.body, model);
        const sent = question(id, asked, model);
        expect(input(ask(id, sent, model))).toEqual(input(asked));
        // The same question again asks the same.
        expect(question(id, ask(id, sent, model), model)).toEqual(sent);
      });

      test(`${file}: upstreams of the other formats are asked the same`, () => {
        if (!request) throw new Error("a counting request is always recorded");
        const asked = ask(id, request.body, model);
        for (const to of IDS) {
          // A turn that says nothing is refused elsewhere, so something stands for it there.
          const isEmpty = to !== id && JSON.stringify(request.body).includes('"content":""');
          const sent = ask(to, question(to, asked, "m", isEmpty ? ["messages"] : []), "m");
          if (!isEmpty) expect(words(sent)).toEqual(words(asked));
          else expect(sent.messages).toHaveLength(asked.messages.length);
        }
      });

      if (response.status === 200) {
        test(`${file}: the answer is read, and told again in every format`, () => {
          const body = response.body ?? null;
          const tokens = countingOf(id).upstream.read(body);
          expect(tokens).toBe(asNumber(asObject(body)?.[field]));
          expect(tokens).toBeGreaterThan(0);
          for (const to of IDS) {
            expect(countingOf(to).upstream.read(countingOf(to).encode(tokens as number))).toBe(tokens);
          }
          // Every field of ours is one of theirs; what they have besides is of their billing.
          expect(body).toMatchObject(countingOf(id).encode(tokens as number));
        });
      } else {
        test(`${file}: an error has no count, and is understood as an error`, () => {
          expect(countingOf(id).upstream.read(response.body ?? null)).toBeUndefined();
          const failure = DIALECTS[id].decodeError(response.status, new Headers(), JSON.stringify(response.body));
          expect(failure).toMatchObject({ kind: "not-found", status: response.status });
          expect(failure.message).toBe(asObject(asObject(response.body)?.error)?.message as string);
        });
      }
    }
  });
}

describe.skipIf(!present)(title("recorded openai.responses.compact"), () => {
  const dialect = openaiResponsesCompact;
  const all = recordings("openai.responses.compact");

  test("there are recordings", () => expect(all.length).toBeGreaterThan(1));

  for (const { file, request, response } of all) {
    const body = asObject(request?.body) ?? {};
    const answer = asObject(response.body) ?? {};

    test(`${file}: the wish is seen, and refused here only where the conversation is with the provider`, () => {
      expect(dialect.peek(body, {})).toMatchObject({ model: body.model, stream: false, compacts: true });
      const decode = () => dialect.decodeRequest(body, {});
      if (body.previous_response_id !== undefined) expect(decode).toThrow("Only a conversation that is sent whole");
      else expect(decode().messages).toHaveLength(asArray(body.input).length + 1);
    });

    test(`${file}: the answer's tokens are billed, and its items go into the next request as they are`, () => {
      const reply = collect(dialect.decodeReply(answer, { id: REQUEST_ID }));
      const usage = asObject(answer.usage) ?? {};
      expect(reply.failure).toBeUndefined();
      expect(reply.usage && promptTokens(reply.usage)).toBe(usage.input_tokens as number);
      expect(reply.usage && completionTokens(reply.usage)).toBe(usage.output_tokens as number);
      const next = [...asArray(answer.output), { type: "message", role: "user", content: "Go on." }];
      const responses = DIALECTS["openai-responses"];
      const again = responses.decodeRequest({ model: "m", input: next }, {});
      const { body: sent, losses } = responses.encodeRequest(again, targetFor(again));
      expect(losses).toEqual([]);
      const kept = (items: readonly Json[]) => items.filter((item) => asObject(item)?.type === "compaction");
      expect(kept(asArray(answer.output))).toHaveLength(1);
      expect(kept(asArray(sent.input))).toEqual(kept(asArray(answer.output)));
    });
  }
});
