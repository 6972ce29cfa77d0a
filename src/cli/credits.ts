/**
 * `sluice credits`: gives a workspace credit, or takes some back, through the management API.
 * What may be given is decided by the route; here are only arguments and a line.
 */
import type { Config } from "../config.ts";
import { asObject, type JsonObject } from "../core/json.ts";
import type { Log } from "../telemetry/log.ts";
import { withApi } from "./api.ts";
import { UsageError } from "./usage.ts";

export interface GrantOptions {
  readonly workspace?: string;
  readonly amount?: string;
  readonly reason?: string;
  readonly "idempotency-key"?: string;
  /** A date, or a number of days. */
  readonly expires?: string;
}

/** `credits grant`: prints what was posted and the balance after it. */
export async function grantCredits(
  config: Config,
  log: Log,
  options: GrantOptions,
  print: (text: string) => void,
): Promise<void> {
  const { workspace, amount, reason, expires } = options;
  if (!workspace || !amount || !reason)
    throw new UsageError("credits grant needs --workspace ID, --amount DOLLARS and --reason TEXT");
  const days = expires !== undefined && /^\d{1,4}$/.test(expires) ? Number(expires) : undefined;
  const body: JsonObject = {
    workspace,
    amount_usd: amount,
    reason,
    idempotency_key: options["idempotency-key"] ?? crypto.randomUUID(),
    expires_days: days,
    expires_at: days === undefined ? expires : undefined,
  };
  await withApi(config, log, async (ask) => {
    const { transaction, balance_usd } = await ask("POST", "admin/credits", body);
    const posted = asObject(transaction);
    print(`${posted?.kind} of $${posted?.amount_usd}; the balance is $${balance_usd}`);
  });
}
