/**
 * Published prices in our form: units, tiers, dates and hours; and the curated list held against the package's data.
 * A change of either shows here: the deviations that are meant are listed, each with its reason.
 */
import { describe, expect, test } from "bun:test";
import { PROVIDER_TYPES } from "../../providers/index.ts";
import type { Provider, ProviderType } from "../../providers/provider.ts";
import { listedEndpoints } from "../catalog.ts";
import { CURATED } from "../curated/index.ts";
import { compare } from "./compare.ts";
import { type ListedModel, type ListedRates, loadPublished, publishedOver } from "./published.ts";

const DAY = new Date("2026-11-20T12:00:00Z");

function of(prices: ListedModel["prices"], at = DAY) {
  return publishedOver(() => ({ id: "listed", prices }))("p", "m", at);
}

describe("a published price", () => {
  test("is in US dollars per million tokens, per request and per search", () => {
    const rates: ListedRates = {
      input_mtok: 0.075,
      output_mtok: 0.6,
      cache_read_mtok: 0.003625,
      cache_write_mtok: 1.25,
      cache_write_1h_mtok: 2,
      output_reasoning_mtok: 3,
      input_image_mtok: 0.45,
      output_image_mtok: 30,
      input_audio_mtok: 1,
      output_audio_mtok: 20,
      requests_kcount: 12,
      web_searches_kcount: 2.5,
      cache_audio_read_mtok: 0.1,
      audio_hours: 0.18,
    };
    expect(of(rates)).toEqual({
      listedAs: "listed",
      rates: {
        input: "0.075",
        output: "0.6",
        cacheRead: "0.003625",
        cacheWrite: "1.25",
        cacheWrite1h: "2",
        reasoning: "3",
        imageInput: "0.45",
        imageOutput: "30",
        audioInput: "1",
        audioOutput: "20",
        request: "0.012",
        webSearch: "0.0025",
      },
      unbilled: ["cache_audio_read_mtok", "audio_hours"],
      changesOn: undefined,
    });
  });

  test("has a tier for each step of any rate, in which every stepped rate is at its highest step reached", () => {
    const rates: ListedRates = {
      input_mtok: {
        base: 1,
        tiers: [
          { start: 400, price: 3 },
          { start: 200, price: 2 },
        ],
      },
      cache_read_mtok: { base: 0.1, tiers: [{ start: 200, price: 0.2 }] },
      output_mtok: 5,
    };
    expect(of(rates)?.rates).toEqual({
      input: "1",
      cacheRead: "0.1",
      output: "5",
      tiers: [
        { above: 200, input: "2", cacheRead: "0.2" },
        { above: 400, input: "3", cacheRead: "0.2" },
      ],
    });
  });

  test("is that of the date, with the next change named", () => {
    const dated: ListedModel["prices"] = [
      { prices: { input_mtok: 1 } },
      { constraint: { type: "start_date", start_date: "2026-11-20" }, prices: { input_mtok: 2 } },
      { constraint: { type: "start_date", start_date: "2027-01-01" }, prices: { input_mtok: 3 } },
    ];
    const inputAt = (day: string) => of(dated, new Date(day))?.rates.input;
    expect([inputAt("2026-11-19T23:59:59Z"), inputAt("2026-11-20"), inputAt("2027-05-05")]).toEqual(["1", "2", "3"]);
    expect(of(dated)?.changesOn).toBe("2027-01-01");
    expect(of(dated, new Date("2027-05-05"))?.changesOn).toBeUndefined();
  });

  test("is the dearest of a day's hours, whatever the hour", () => {
    const hour = (start_time: string, end_time: string, output_mtok: number) =>
      ({ constraint: { type: "time_of_date", start_time, end_time }, prices: { input_mtok: 1, output_mtok } }) as const;
    const prices = [
      { prices: { input_mtok: 1, output_mtok: 4 } },
      hour("01:00:00Z", "04:00:00Z", 8),
      hour("06:00:00Z", "10:00:00Z", 2),
    ];
    expect(of(prices)?.rates.output).toBe("8");
  });

  test("that is not exact in our units is refused, not rounded", () => {
    expect(() => of({ input_mtok: 0.0000001 })).toThrow(RangeError);
    expect(() => of({ input_mtok: 1, requests_kcount: 1e-11 })).toThrow(RangeError);
  });
});

/** At these endpoints the curated price is meant to differ. */
const DEVIATIONS: Readonly<Record<string, string>> = {
  "anthropic/claude-sonnet-4-5": "the list keeps the tiers of a long context that is no longer offered",
  "deepseek/deepseek-v4-flash": "retired; served and billed as its successor, which the list does not have",
  "mistral/mistral-large-latest": "the name means a newer model than the list's",
  "mistral/mistral-small-latest": "the name means a newer model than the list's",
  "xai/grok-4": "the list leaves out what prompts above 128,000 tokens cost",
  "xai/grok-4-fast-reasoning": "the list leaves out what prompts above 128,000 tokens cost",
  "xai/grok-4-fast-non-reasoning": "the list leaves out what prompts above 128,000 tokens cost",
  "zai/glm-5.3-flash": "the list has the half price of a launch that is over",
};

describe("the curated prices", () => {
  const toProvider = (type: ProviderType): Provider => ({
    id: type.type,
    type,
    baseUrl: type.baseUrl ?? "https://example.com",
    credentials: ["key"],
    dialects: type.dialects,
    headers: {},
    timeouts: {},
    location: type.location?.fallback,
  });
  const endpoints = listedEndpoints({
    definitions: [],
    curated: CURATED,
    providers: Object.values(PROVIDER_TYPES).map(toProvider),
  });

  test("are the published ones, but for deviations that are meant", async () => {
    const { rows, same, unlisted } = compare(endpoints, await loadPublished(), DAY);
    expect(rows.filter((row) => row.problem !== null)).toEqual([]);
    const differing = rows.filter((row) => row.changes.length > 0);
    expect(differing.map((row) => row.endpoint).sort()).toEqual(Object.keys(DEVIATIONS).sort());
    expect(same.length).toBeGreaterThan(80);
    expect(unlisted.length).toBeLessThan(40);
  });

  test("that will change are told with the day", async () => {
    const { rows } = compare(endpoints, await loadPublished(), DAY);
    const changing = rows.filter((row) => row.changes_on !== null).map((row) => [row.endpoint, row.changes_on]);
    expect(changing).toEqual([
      ["google/gemini-3.6-flash", "2027-01-01"],
      ["google/gemini-3.8-flash", "2027-01-01"],
    ]);
  });

  test("of another provider's list are no match", async () => {
    const published = await loadPublished();
    expect(published("google", "gpt-4o", DAY)).toBeUndefined();
    expect(published("no-such-provider", "gpt-4o", DAY)).toBeUndefined();
    expect(published("openai", "no-such-model", DAY)).toBeUndefined();
  });
});
