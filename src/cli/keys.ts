/**
 * `sluice keys`: creates, lists and revokes keys, through the running server where there is one, else in the database itself.
 * What a key may be is decided by the management routes; here are only arguments and lines.
 */
import type { Config } from "../config.ts";
import { asArray, asObject, asString, type JsonObject } from "../core/json.ts";
import type { Log } from "../telemetry/log.ts";
import { type Ask, withApi } from "./api.ts";
import { UsageError } from "./usage.ts";

export interface KeyOptions {
  readonly name?: string;
  readonly workspace?: string;
  readonly models?: string;
  readonly expires?: string;
  readonly provisioning?: boolean;
}

/** `keys create`: prints the new key. */
export async function createKeys(
  config: Config,
  log: Log,
  options: KeyOptions,
  print: (text: string) => void,
): Promise<void> {
  if (!options.name) throw new UsageError("keys create needs --name NAME");
  const body: JsonObject = {
    name: options.name,
    workspace: options.workspace,
    models: options.models?.split(",").map((glob) => glob.trim()),
    expires_at: options.expires,
    kind: options.provisioning ? "provisioning" : undefined,
  };
  await withApi(config, log, async (ask) => {
    const { key } = await ask("POST", "keys", body);
    print(String(key));
  });
}

/** Every key, page by page. */
async function allKeys(ask: Ask): Promise<JsonObject[]> {
  const found: JsonObject[] = [];
  for (;;) {
    const { data } = await ask("GET", `keys?offset=${found.length}`);
    const page = asArray(data)
      .map(asObject)
      .filter((entry) => entry !== undefined);
    if (page.length === 0) return found;
    found.push(...page);
  }
}

/** `keys list`: a line a key. */
export async function listKeys(config: Config, log: Log, print: (text: string) => void): Promise<void> {
  await withApi(config, log, async (ask) => {
    for (const key of await allKeys(ask)) {
      const state = key.disabled ? "disabled" : "enabled";
      const name = String(key.name).replace(/\p{Cc}/gu, "?");
      print(
        `${String(key.hash).slice(0, 12)}  ${String(key.label).padEnd(20)}  ${state.padEnd(8)}  $${key.usage}  ${name}`,
      );
    }
  });
}

/** `keys revoke`: by the hash, or by as much of its beginning as is unique. */
export async function revokeKey(
  config: Config,
  log: Log,
  hash: string | undefined,
  print: (text: string) => void,
): Promise<void> {
  if (!hash || hash.length < 8)
    throw new UsageError("keys revoke needs at least 8 characters of a key's hash (see keys list)");
  await withApi(config, log, async (ask) => {
    const found = (await allKeys(ask))
      .map((entry) => asString(entry.hash) ?? "")
      .filter((candidate) => candidate.startsWith(hash));
    if (found.length !== 1) throw new UsageError(`${found.length} keys have a hash that begins with ${hash}`);
    await ask("DELETE", `keys/${found[0]}`);
    print(`revoked ${found[0]?.slice(0, 12)}`);
  });
}
