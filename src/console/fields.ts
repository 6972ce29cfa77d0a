/**
 * What several management routes read alike: amounts of money, pages of lists, and who calls.
 * Beside `route.ts`, which runs the routes.
 */
import { z } from "zod";
import { invalidRequest } from "../core/error.ts";
import { dollarsToNano, type Nano } from "../core/money.ts";
import { type Caller, check } from "./route.ts";

/** An amount of US dollars, a number or a decimal string, from `min` to `max`; it becomes nano-dollars. */
export function amount({ min, max }: { readonly min: Nano; readonly max: Nano }) {
  return z.union([z.number(), z.string().max(40)]).transform((value, context): Nano => {
    const parsed = parse(value);
    if (parsed === undefined || parsed < min || parsed > max) {
      context.addIssue(
        `Invalid input: expected US dollars from ${Number(min) / 1e9} to ${Number(max) / 1e9}, at most nine decimals`,
      );
      return z.NEVER;
    }
    return parsed;
  });
}

function parse(value: number | string): Nano | undefined {
  try {
    return dollarsToNano(value);
  } catch {
    return undefined;
  }
}

/** A moment, with its offset from UTC. */
export const moment = z.iso.datetime({ offset: true }).transform((text) => new Date(text));

const DEFAULT_PAGE = 50;
const MAX_PAGE = 100;

/** How many lines of a list are wanted: `limit`, 1 to 100. */
export function pageSize(query: URLSearchParams): number {
  const text = query.get("limit") ?? String(DEFAULT_PAGE);
  const size = /^\d{1,3}$/.test(text) ? Number(text) : 0;
  if (size < 1 || size > MAX_PAGE) throw invalidRequest(`limit: a whole number from 1 to ${MAX_PAGE}.`, "limit");
  return size;
}

const idSchema = z.uuid();

/** The page that a query asks for, of a list that is read by ids. */
export function idPage(query: URLSearchParams): { cursor: string | undefined; limit: number } {
  const cursor = query.get("cursor");
  if (cursor && !idSchema.safeParse(cursor).success)
    throw invalidRequest("cursor: not one that this list gave.", "cursor");
  return { cursor: cursor || undefined, limit: pageSize(query) };
}

/** A page of a list as it is shown. `found` has up to one more than `limit`: then there is a next page. */
export function pageOf<T extends { readonly id: string }>(
  found: readonly T[],
  limit: number,
): { shown: readonly T[]; cursor: string | null } {
  const shown = found.slice(0, limit);
  return { shown, cursor: found.length > limit ? (shown.at(-1)?.id ?? null) : null };
}

/** A workspace's id of a query, which must be one. */
export function workspaceField(query: URLSearchParams): string | undefined {
  const given = query.get("workspace");
  return given ? check(z.object({ workspace: idSchema }), { workspace: given }).workspace : undefined;
}

/** Who calls, as movements and the audit trail name it. */
export function actorOf(caller: Caller): string {
  return caller.principal ? `key:${caller.principal.keyHash}` : "root";
}
