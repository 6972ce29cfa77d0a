/**
 * Tests on real traffic that what is known of a provider's refusals agrees with what it was recorded to accept: every
 * request that it answered is relayed to it, and nothing in it changes but what relay is there to change.
 */
import { describe, expect, test } from "bun:test";
import { CURATED } from "../../src/catalog/curated/index.ts";
import type { Quirks } from "../../src/core/endpoint.ts";
import type { JsonObject } from "../../src/core/json.ts";
import { patchJson } from "../../src/core/patch.ts";
import type { RelayTarget } from "../../src/dialects/dialect.ts";
import { DIALECTS } from "../../src/dialects/index.ts";
import { PROVIDER_TYPES } from "../../src/providers/index.ts";
import { haveRecordings, type Recording, SKIP_REASON } from "../support/wire.ts";
import { MAIN, type MainDialect, recordingsOf } from "./exchanges.ts";

/** Names of the recordings that are not those of the provider types. */
const TYPES: Readonly<Record<string, string>> = { moonshotai: "moonshot", z: "zai", vertex: "google" };

/** The provider that was recorded and the model that was asked, as the catalogue knows them. */
function targetOf(dialect: MainDialect, { provider, request, model }: Recording): RelayTarget | undefined {
  const type = PROVIDER_TYPES[TYPES[provider] ?? provider];
  if (!type) return undefined;
  const name = String(request?.body.model ?? model ?? "");
  const endpoints = CURATED.flatMap((definition) =>
    definition.endpoints.filter(
      (endpoint) =>
        endpoint.provider === type.type && (endpoint.model === name || definition.aliases?.includes(name) === true),
    ),
  );
  const quirks: Quirks = { ...type.quirks?.[dialect], ...endpoints[0]?.quirks };
  return { model: name, quirks };
}

/** What a request says but for what relay may write: usage in streams, the limit's other name, fields that are always wanted. */
function said(body: JsonObject, { quirks }: RelayTarget): JsonObject {
  const { model: _, stream_options: __, max_tokens: older, max_completion_tokens: limit = older, ...others } = body;
  for (const name in quirks.adds) delete others[name];
  return { ...others, limit };
}

for (const dialect of MAIN) {
  describe.skipIf(!haveRecordings())(`requests that were answered in ${dialect} (${SKIP_REASON})`, () => {
    const answered = recordingsOf(dialect).filter(({ request, response }) => request?.body && response.status < 300);

    test("are relayed to their own providers as they are", () => {
      let checked = 0;
      for (const recording of answered) {
        const target = targetOf(dialect, recording);
        const body = recording.request?.body;
        if (!target || !body) continue;
        const fits = DIALECTS[dialect].fitsUpstream?.(body, target) ?? true;
        expect({ file: recording.file, fits }).toEqual({ file: recording.file, fits: true });
        const head = DIALECTS[dialect].peek({ model: target.model, ...body }, { model: target.model });
        const edits = DIALECTS[dialect].relayEdits(head, target, body);
        const patched = patchJson(new TextEncoder().encode(JSON.stringify(body)), edits);
        expect(said(JSON.parse(new TextDecoder().decode(patched)), target)).toEqual(said(body, target));
        checked += 1;
      }
      expect(checked).toBeGreaterThan(100);
    });
  });
}
