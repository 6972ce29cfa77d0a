/**
 * Workspaces: who pays. Created by the operator's scripts and at first start; their balance changes only by settled calls and grants.
 * The management API works on them here; calls see them through their key.
 */
import type { SQL } from "bun";
import { type Nano, nano } from "../core/money.ts";

export interface Workspace {
  id: string;
  name: string;
  plan: string;
  /** `internal`: the operator's own, never refused for want of credit. `prepaid`: pays from credit. */
  billing: "internal" | "prepaid";
  balanceNano: Nano;
  grantedNano: Nano;
  usedNano: Nano;
}

/** The id of the workspace that belongs to the operator; it exists from the first start on. */
export const OPERATOR_WORKSPACE = "00000000-0000-7000-8000-000000000001";

type Row = Record<string, unknown>;

function toWorkspace(row: Row): Workspace {
  return {
    id: row.id as string,
    name: row.name as string,
    plan: row.plan as string,
    billing: row.billing as Workspace["billing"],
    balanceNano: nano(BigInt(row.balance_nano as bigint)),
    grantedNano: nano(BigInt(row.granted_nano as bigint)),
    usedNano: nano(BigInt(row.used_nano as bigint)),
  };
}

export interface Workspaces {
  read(id: string): Promise<Workspace | undefined>;
  /** Creates a prepaid workspace with a welcome credit. */
  create(input: { name: string; plan: string; welcomeCreditNano: Nano }): Promise<Workspace>;
  /** Creates the operator's workspace if it isn't there. True when this call created it. */
  ensureOperator(plan: string): Promise<boolean>;
}

/** Workspaces over an open database. */
export function openWorkspaces(sql: SQL): Workspaces {
  return {
    async read(id) {
      const rows = (await sql`select * from workspaces where id = ${id}::uuid`) as Row[];
      return rows[0] && toWorkspace(rows[0]);
    },
    async create({ name, plan, welcomeCreditNano }) {
      const rows = (await sql`
        insert into workspaces (id, name, plan, billing, balance_nano, granted_nano)
        values (${crypto.randomUUID()}, ${name}, ${plan}, 'prepaid', ${welcomeCreditNano}, ${welcomeCreditNano})
        returning *`) as Row[];
      return toWorkspace(rows[0]!);
    },
    async ensureOperator(plan) {
      const rows = (await sql`
        insert into workspaces (id, name, plan, billing) values (${OPERATOR_WORKSPACE}, 'Operator', ${plan}, 'internal')
        on conflict (id) do nothing returning id`) as Row[];
      return rows.length > 0;
    },
  };
}
