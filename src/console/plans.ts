/**
 * The route that lists the operator's plans, for any key.
 * What a plan means for a call is applied where keys are read; this only shows it.
 */
import type { JsonObject } from "../core/json.ts";
import { type Nano, nanoToDollars } from "../core/money.ts";
import type { ManagementRoute } from "./route.ts";

/** A plan as the configuration has it. */
export interface ShownPlan {
  readonly id: string;
  readonly name?: string | undefined;
  readonly description?: string | undefined;
  readonly rpm?: number | undefined;
  readonly rpd?: number | undefined;
  readonly tpm?: number | undefined;
  readonly includedRequestsPerDay: number;
  readonly freeRequestsPerDay?: number | undefined;
  readonly models: readonly string[];
  readonly priceNano?: Nano | undefined;
  readonly priceAnnualNano?: Nano | undefined;
}

function dollars(amount: Nano | undefined): string | null {
  return amount === undefined ? null : nanoToDollars(amount);
}

/** A plan as the route shows it; null where there is no limit, or no price. */
export function planEntry(plan: ShownPlan): JsonObject {
  return {
    id: plan.id,
    name: plan.name ?? plan.id,
    description: plan.description ?? null,
    price_usd: dollars(plan.priceNano),
    price_annual_usd: dollars(plan.priceAnnualNano),
    rpm: plan.rpm ?? null,
    rpd: plan.rpd ?? null,
    tpm: plan.tpm ?? null,
    included_requests_per_day: plan.includedRequestsPerDay,
    free_requests_per_day: plan.freeRequestsPerDay ?? null,
    models: [...plan.models],
  };
}

/** The route `plans`. */
export function planRoutes(plans: readonly ShownPlan[]): ManagementRoute[] {
  return [
    { method: "GET", path: "plans", access: "key", handle: async () => ({ body: { data: plans.map(planEntry) } }) },
  ];
}
