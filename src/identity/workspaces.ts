/**
 * Workspaces: who pays. Created by the operator's scripts and at first start; their balance changes only by settled calls and grants.
 * The management API works on them here; calls see them through their key.
 */
import type { SQL } from "bun";
import { and, desc, eq, ilike, inArray, lt } from "drizzle-orm";
import type { JsonObject } from "../core/json.ts";
import { type Nano, nano, nanoToDollars, ZERO } from "../core/money.ts";
import type { Orm } from "../db/database.ts";
import { schema } from "../db/schema.ts";
import { ormOver, type Transaction, transact } from "../db/transaction.ts";
import { audit } from "../ledger/audit.ts";
import { type Books, creditAccount, openBooks } from "../ledger/books.ts";
import { type CreditEnd, type CreditMovement, postCredit } from "../ledger/lots.ts";
import type { Reset } from "../ledger/period.ts";

export interface Workspace {
  id: string;
  name: string;
  plan: string;
  /** `internal`: the operator's own, never refused for want of credit. `prepaid`: pays from credit. */
  billing: "internal" | "prepaid";
  createdAt: Date;
  /** Since when it may call nothing. */
  suspendedAt: Date | null;
  suspendedReason: string | null;
  /** What it may spend, in all or in each period; null means all it has. */
  budgetNano: Nano | null;
  budgetReset: Reset | null;
  /** Of prepaid credit; zero for an internal workspace. */
  balanceNano: Nano;
  /** Of the balance, what is set aside for calls. */
  heldNano: Nano;
  /** All credit it was ever given, less what expired or was paid back. */
  grantedNano: Nano;
  /** What its calls cost. */
  usedNano: Nano;
}

/** What can be changed. Absent fields stay as they are. */
export interface WorkspaceChange {
  readonly name?: string | undefined;
  readonly plan?: string | undefined;
  /** A reason suspends; null ends that. */
  readonly suspended?: { readonly reason: string | null } | null | undefined;
  readonly budgetNano?: Nano | null | undefined;
  readonly budgetReset?: Reset | null | undefined;
}

/** The id of the workspace that belongs to the operator; it exists from the first start on. */
export const OPERATOR_WORKSPACE = "00000000-0000-7000-8000-000000000001";

const { workspaces, ledgerAccounts } = schema;
const ITS_ACCOUNT = and(
  eq(ledgerAccounts.workspaceId, workspaces.id),
  inArray(ledgerAccounts.kind, ["credit", "internal"]),
);

interface Found {
  workspaces: typeof workspaces.$inferSelect;
  ledger_accounts: typeof ledgerAccounts.$inferSelect | null;
}

function toWorkspace({ workspaces: row, ledger_accounts: account }: Found): Workspace {
  const usedNano = nano(account?.spentNano ?? 0n);
  const prepaid = row.billing === "prepaid";
  const balanceNano = prepaid ? nano(account?.balanceNano ?? 0n) : ZERO;
  return {
    ...row,
    budgetNano: row.budgetNano === null ? null : nano(row.budgetNano),
    balanceNano,
    heldNano: nano(account?.heldNano ?? 0n),
    grantedNano: prepaid ? nano(balanceNano + usedNano) : ZERO,
    usedNano,
  };
}

export interface NewWorkspace {
  readonly name: string;
  readonly plan: string;
  readonly welcomeCreditNano: Nano;
  /** How long the welcome credit lasts; absent: for ever. */
  readonly welcomeCreditDays?: number | undefined;
  /** Who creates it; absent: the program itself. */
  readonly actor?: string;
}

export interface WorkspaceQuery {
  /** An id: the page has those made before it. */
  readonly cursor?: string | undefined;
  /** Part of the name, in any case. */
  readonly name?: string | undefined;
  readonly limit: number;
}

export interface Workspaces {
  read(id: string): Promise<Workspace | undefined>;
  /** Newest first. */
  list(query: WorkspaceQuery): Promise<Workspace[]>;
  /** Creates a prepaid workspace with a welcome credit. */
  create(input: NewWorkspace): Promise<Workspace>;
  /** Undefined when there is no such workspace. In force for its keys when they are next read, within seconds. */
  change(id: string, change: WorkspaceChange, actor: string): Promise<Workspace | undefined>;
  /** Creates the operator's workspace if it isn't there. True when this call created it. */
  ensureOperator(plan: string): Promise<boolean>;
}

/** Workspaces over an open database. */
export function openWorkspaces(sql: SQL, books: Books = openBooks(sql)): Workspaces {
  const orm = ormOver(sql);
  return {
    read: (id) => read(orm, id),
    async list({ cursor, name, limit }) {
      const wanted = and(
        cursor === undefined ? undefined : lt(workspaces.id, cursor),
        name === undefined ? undefined : ilike(workspaces.name, `%${name.replace(/[\\%_]/g, "\\$&")}%`),
      );
      const found = await orm
        .select()
        .from(workspaces)
        .leftJoin(ledgerAccounts, ITS_ACCOUNT)
        .where(wanted)
        .orderBy(desc(workspaces.id))
        .limit(limit);
      return found.map(toWorkspace);
    },
    create: (input) => transact(sql, (transaction) => create(transaction, books, input)),
    change: (id, wish, actor) => transact(sql, (transaction) => change(transaction, id, wish, actor)),
    ensureOperator: (plan) =>
      transact(sql, async (transaction) => {
        const made = await transaction.orm
          .insert(workspaces)
          .values({ id: OPERATOR_WORKSPACE, name: "Operator", plan, billing: "internal" })
          .onConflictDoNothing()
          .returning({ id: workspaces.id });
        if (made.length === 0) return false;
        await transaction.orm
          .insert(ledgerAccounts)
          .values({ id: `internal:${OPERATOR_WORKSPACE}`, kind: "internal", workspaceId: OPERATOR_WORKSPACE });
        return true;
      }),
  };
}

async function read(orm: Orm, id: string): Promise<Workspace | undefined> {
  const [found] = await orm
    .select()
    .from(workspaces)
    .leftJoin(ledgerAccounts, ITS_ACCOUNT)
    .where(eq(workspaces.id, id));
  return found && toWorkspace(found);
}

async function create({ orm, sql }: Transaction, books: Books, input: NewWorkspace): Promise<Workspace> {
  const { name, plan, welcomeCreditNano, welcomeCreditDays, actor = "system" } = input;
  // In the order of their making, so that lists are paged by it.
  const id = Bun.randomUUIDv7();
  await orm.insert(workspaces).values({ id, name, plan, billing: "prepaid" });
  await orm.insert(ledgerAccounts).values({ id: creditAccount(id), kind: "credit", workspaceId: id });
  if (welcomeCreditNano > 0n) {
    const end: CreditEnd = welcomeCreditDays === undefined ? null : { days: welcomeCreditDays };
    await postCredit(books, sql, welcome(id, welcomeCreditNano), end);
  }
  const details = { name, plan, welcome_credit_usd: nanoToDollars(welcomeCreditNano) };
  await audit(sql, { actor, action: "workspace.create", workspaceId: id, target: id, details });
  return (await read(orm, id))!;
}

function welcome(workspaceId: string, amountNano: Nano): CreditMovement {
  return {
    kind: "welcome",
    idempotencyKey: `welcome:${workspaceId}`,
    workspaceId,
    actor: "system",
    entries: [
      { account: creditAccount(workspaceId), amountNano },
      { account: "promotions", amountNano: nano(-amountNano) },
    ],
  };
}

async function change(
  { orm, sql }: Transaction,
  id: string,
  { suspended, ...fields }: WorkspaceChange,
  actor: string,
): Promise<Workspace | undefined> {
  const [before] = await orm.select().from(workspaces).where(eq(workspaces.id, id)).for("update");
  if (!before) return undefined;
  const state = suspended && {
    suspendedAt: before.suspendedAt ?? new Date(),
    suspendedReason: suspended.reason,
  };
  const ended = suspended === null ? { suspendedAt: null, suspendedReason: null } : undefined;
  const values = Object.fromEntries(
    Object.entries({ ...fields, ...state, ...ended }).filter(([, value]) => value !== undefined),
  );
  if (Object.keys(values).length > 0) {
    const [after] = await orm.update(workspaces).set(values).where(eq(workspaces.id, id)).returning();
    const details = after ? differences(before, after) : {};
    if (Object.keys(details).length > 0)
      await audit(sql, { actor, action: "workspace.change", workspaceId: id, target: id, details });
  }
  return read(orm, id);
}

type Stored = Found["workspaces"];

/** What a change did, for the audit trail: each field's value before and after. */
function differences(before: Stored, after: Stored): JsonObject {
  const changed: JsonObject = {};
  const note = (field: string, from: string | null, to: string | null) => {
    if (from !== to) changed[field] = { from, to };
  };
  const dollars = (amount: bigint | null) => (amount === null ? null : nanoToDollars(nano(amount)));
  note("name", before.name, after.name);
  note("plan", before.plan, after.plan);
  note("suspended_at", before.suspendedAt?.toISOString() ?? null, after.suspendedAt?.toISOString() ?? null);
  note("suspended_reason", before.suspendedReason, after.suspendedReason);
  note("budget_usd", dollars(before.budgetNano), dollars(after.budgetNano));
  note("budget_reset", before.budgetReset, after.budgetReset);
  return changed;
}
