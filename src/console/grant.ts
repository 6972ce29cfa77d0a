/**
 * What a restricted key may give to others: never more than it has itself, in any of its restrictions.
 * The key routes ask here before a provisioning key creates, changes or rotates a key, itself included.
 */
import type { ModelCap } from "../core/call.ts";
import { GatewayError } from "../core/error.ts";
import { within } from "../core/glob.ts";
import { type Nano, nanoToDollars } from "../core/money.ts";
import { rangeWithin } from "../identity/address.ts";
import type { Restrictions, StoredKey } from "../identity/keys.ts";

/** The restrictions of a whole key: nothing is left out. */
type Own = Pick<StoredKey, keyof Restrictions>;

const FIELDS: Record<keyof Restrictions, string> = {
  expiresAt: "expires_at",
  models: "models",
  providers: "providers",
  ipAllow: "ip_allow",
  modelCaps: "model_caps",
  limitNano: "limit",
  limitReset: "limit_reset",
  rpm: "rpm",
  rpd: "rpd",
  tpm: "tpm",
};

function beyond(field: keyof Restrictions, value: unknown): GatewayError {
  const name = FIELDS[field];
  return new GatewayError("forbidden", `This key may not grant ${name} ${JSON.stringify(value)}.`, { param: name });
}

/** A list within the own one. Without a wish it is the own one. */
function list(
  field: "models" | "providers" | "ipAllow",
  own: string[] | null,
  wanted: string[] | null | undefined,
  isWithin: (one: string, own: readonly string[]) => boolean,
): string[] | null | undefined {
  if (!own) return wanted;
  const outside = wanted?.find((one) => !isWithin(one, own));
  if (outside !== undefined) throw beyond(field, outside);
  return wanted ?? own;
}

/** A number, or a moment, that is at most the own one. */
function atMost<T extends number | Date>(
  field: "rpm" | "rpd" | "tpm" | "expiresAt",
  own: T | null,
  wanted: T | null | undefined,
): T | null | undefined {
  if (own === null) return wanted;
  if (wanted === null || wanted === undefined) return own;
  if (wanted > own) throw beyond(field, wanted);
  return wanted;
}

/** The own caps hold beside the wanted ones: of all that fit a model the smallest counts. */
function caps(own: ModelCap[] | null, wanted: ModelCap[] | null | undefined): ModelCap[] | null | undefined {
  if (!own) return wanted;
  const asked = wanted ?? [];
  for (const { glob, capNano } of asked) {
    const isOver = own.some((cap) => within(glob, [cap.glob]) && capNano > cap.capNano);
    if (isOver) throw beyond("modelCaps", { [glob]: Number(nanoToDollars(capNano)) });
  }
  return [...asked, ...own.filter((cap) => !asked.some(({ glob }) => glob === cap.glob))];
}

/** How soon a limit begins anew: what never does is the strictest. */
const SOONNESS = { never: 0, monthly: 1, weekly: 2, daily: 3 } as const;

type Limit = { limitNano?: Nano | null | undefined; limitReset?: StoredKey["limitReset"] | undefined };

/** Amount and period are one promise: so much, so often. */
function limit(own: Own, wanted: Limit): Limit {
  if (own.limitNano === null) return wanted;
  const limitNano = wanted.limitNano ?? own.limitNano;
  // Without a wish for either, the own limit with its own period; an amount alone is meant in all, as it is for everybody.
  const limitReset = wanted.limitNano == null ? (wanted.limitReset ?? own.limitReset) : (wanted.limitReset ?? null);
  if (limitNano > own.limitNano) throw beyond("limitNano", Number(nanoToDollars(limitNano)));
  if (SOONNESS[limitReset ?? "never"] > SOONNESS[own.limitReset ?? "never"]) throw beyond("limitReset", limitReset);
  return { limitNano, limitReset };
}

/**
 * What a key made by one with these restrictions gets: what is wanted, and the maker's own where nothing is.
 * Throws `forbidden`, naming the field, for what is beyond them.
 */
export function grantNew(own: Own, wanted: Restrictions): Restrictions {
  return {
    ...limit(own, wanted),
    expiresAt: atMost("expiresAt", own.expiresAt, wanted.expiresAt),
    models: list("models", own.models, wanted.models, within),
    providers: list("providers", own.providers, wanted.providers, within),
    ipAllow: list("ipAllow", own.ipAllow, wanted.ipAllow, rangeWithin),
    modelCaps: caps(own.modelCaps, wanted.modelCaps),
    rpm: atMost("rpm", own.rpm, wanted.rpm),
    rpd: atMost("rpd", own.rpd, wanted.rpd),
    tpm: atMost("tpm", own.tpm, wanted.tpm),
  };
}

/**
 * What a change by a key with these restrictions sets: only what it names, within them. Taking a restriction away leaves
 * the changer's own. Throws `forbidden`, naming the field, for what is beyond them.
 */
export function grantChange(own: Own, target: Own, wanted: Restrictions): Restrictions {
  const named = (field: keyof Restrictions) => wanted[field] !== undefined;
  const granted = grantNew(own, {
    ...wanted,
    ...(named("limitNano") || named("limitReset") ? changedLimit(target, wanted) : {}),
  });
  const fields = (Object.keys(FIELDS) as (keyof Restrictions)[]).filter(named);
  // The two are checked together, so they are written together: another change between must not mix with this one.
  if (named("limitNano") || named("limitReset")) fields.push("limitNano", "limitReset");
  return Object.fromEntries(fields.map((field) => [field, granted[field]])) as Restrictions;
}

function changedLimit(target: Own, wanted: Restrictions): Limit {
  if (wanted.limitNano === null) return wanted;
  return {
    limitNano: wanted.limitNano === undefined ? target.limitNano : wanted.limitNano,
    limitReset: wanted.limitReset === undefined ? target.limitReset : wanted.limitReset,
  };
}

/** Whether a key has no right that one with these restrictions lacks, so that its secret may be given to that one. */
export function isWithin(own: Own, target: Own): boolean {
  const isBound = (field: keyof Restrictions) => own[field] === null || target[field] !== null;
  const fields = Object.keys(FIELDS) as (keyof Restrictions)[];
  // How often a limit begins anew says something only beside the limit.
  if (!fields.every((field) => field === "limitReset" || isBound(field))) return false;
  const covered = own.modelCaps?.every((cap) => capsWithin(cap, target.modelCaps ?? []));
  if (covered === false) return false;
  try {
    grantNew(own, target);
    return true;
  } catch (error) {
    if (error instanceof GatewayError) return false;
    throw error;
  }
}

/** Whether one of the caps holds for all that this one holds for, and is no higher. */
function capsWithin(cap: ModelCap, caps: readonly ModelCap[]): boolean {
  return caps.some(({ glob, capNano }) => within(cap.glob, [glob]) && capNano <= cap.capNano);
}
