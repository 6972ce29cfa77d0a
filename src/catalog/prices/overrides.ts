/**
 * Prices that an operator accepted in place of curated ones, in the database: read at start and now and then, written when a comparison is applied.
 * Nodes that share a database come to the same prices by reading the same rows.
 */
import type { SQL } from "bun";
import { z } from "zod";
import type { PriceDefinition } from "../definition.ts";
import { toPrice } from "../definition.ts";

/** Where accepted prices are kept. */
export interface Overrides {
  /** Those in force, by endpoint id. What cannot be read as a price is in `broken` and counts as absent. */
  load(): Promise<{ prices: ReadonlyMap<string, PriceDefinition>; broken: readonly string[] }>;
  /** Puts all of them in force now, or none. */
  put(prices: ReadonlyMap<string, PriceDefinition>, source: string): Promise<void>;
  /** Takes all of them out of force, or none. */
  remove(endpointIds: readonly string[]): Promise<void>;
}

const amount = z.string().max(40);
const rates = {
  cacheRead: amount.optional(),
  cacheWrite: amount.optional(),
  cacheWrite1h: amount.optional(),
  reasoning: amount.optional(),
  imageInput: amount.optional(),
  imageOutput: amount.optional(),
  audioInput: amount.optional(),
  audioOutput: amount.optional(),
};
const priceSchema = z.strictObject({
  input: amount,
  output: amount,
  ...rates,
  request: amount.optional(),
  webSearch: amount.optional(),
  searchedRequest: amount.optional(),
  tiers: z
    .array(z.strictObject({ above: z.int().min(1), input: amount.optional(), output: amount.optional(), ...rates }))
    .max(10)
    .optional(),
});

/** A stored price as a definition; undefined when it is none, also when an amount is none or a tier is cheaper. */
export function readStored(value: unknown): PriceDefinition | undefined {
  const parsed = priceSchema.safeParse(value);
  if (!parsed.success) return undefined;
  const price = JSON.parse(JSON.stringify(parsed.data)) as PriceDefinition;
  try {
    const { perToken, perRequest = 0n, perWebSearch = 0n, perSearchedRequest = 0n } = toPrice(price);
    const lowest = [...Object.values(perToken), perRequest, perWebSearch, perSearchedRequest];
    return lowest.some((one) => one < 0n) ? undefined : price;
  } catch {
    return undefined;
  }
}

/** The overrides of a database. */
export function openOverrides(sql: SQL): Overrides {
  return {
    async load() {
      const rows = (await sql`
        select endpoint_id, price from price_overrides where effective_at <= now() order by endpoint_id
      `) as { endpoint_id: string; price: unknown }[];
      const prices = new Map<string, PriceDefinition>();
      const broken: string[] = [];
      for (const { endpoint_id: id, price } of rows) {
        const read = readStored(price);
        if (read) prices.set(id, read);
        else broken.push(id);
      }
      return { prices, broken };
    },
    async put(prices, source) {
      const entries = JSON.stringify([...prices].map(([id, price]) => ({ id, price })));
      await sql`
        insert into price_overrides (endpoint_id, price, source, effective_at)
        select entry ->> 'id', entry -> 'price', ${source}, now()
        from jsonb_array_elements((${entries}::text)::jsonb) as entry
        on conflict (endpoint_id) do update
        set price = excluded.price, source = excluded.source, effective_at = excluded.effective_at, applied_at = now()
      `;
    },
    async remove(endpointIds) {
      await sql`
        delete from price_overrides
        where endpoint_id in (select jsonb_array_elements_text((${JSON.stringify(endpointIds)}::text)::jsonb))
      `;
    },
  };
}
