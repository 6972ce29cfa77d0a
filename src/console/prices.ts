/**
 * The operator's routes for prices, with the root key: compare with what is published, accept it, take it back.
 * The work is done by functions handed in, so that the console knows nothing of the catalogue.
 */
import { z } from "zod";
import { invalidRequest } from "../core/error.ts";
import { check, type ManagementRoute, text } from "./route.ts";

/** What the routes ask for; results are shown as they are. `only`: globs of endpoint or model ids, absent for all. */
export interface PriceActions {
  diff(wish: { only?: readonly string[]; at?: Date }): Promise<object>;
  apply(wish: { only?: readonly string[]; digest?: string }): Promise<object>;
  reset(wish: { only?: readonly string[] }): Promise<object>;
}

const MAX_GLOBS = 500;
const only = z.array(text(300)).min(1).max(MAX_GLOBS).optional();
const diffSchema = z.strictObject({ only, at: z.iso.date().or(z.iso.datetime()).optional() });
const applySchema = z.strictObject({ only, digest: text(100).optional() });
const resetSchema = z.strictObject({ only });

/** The routes under `/api/admin/prices`. */
export function priceRoutes(actions: PriceActions): ManagementRoute[] {
  const route = (path: string, work: (body: unknown) => Promise<object>): ManagementRoute => ({
    method: "POST",
    path: `admin/prices/${path}`,
    access: "root",
    handle: async ({ body }) => ({ body: { data: JSON.parse(JSON.stringify(await work(body))) } }),
  });
  return [
    route("diff", (body) => {
      const { only, at } = check(diffSchema, body);
      const moment = at === undefined ? undefined : new Date(at);
      if (moment && Number.isNaN(moment.getTime())) throw invalidRequest("at: there is no such day.", "at");
      return actions.diff({ ...(only && { only }), ...(moment && { at: moment }) });
    }),
    route("apply", (body) => {
      const { only, digest } = check(applySchema, body);
      return actions.apply({ ...(only && { only }), ...(digest !== undefined && { digest }) });
    }),
    route("reset", (body) => {
      const { only } = check(resetSchema, body);
      return actions.reset(only ? { only } : {});
    }),
  ];
}
