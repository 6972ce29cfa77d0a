/**
 * `sluice keys`: creates, lists, changes, rotates and revokes keys, through the running server where there is one, else in the database itself.
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
  readonly providers?: string;
  readonly ip?: string;
  readonly cap?: readonly string[];
  readonly limit?: string;
  readonly "limit-reset"?: string;
  readonly rpm?: string;
  readonly rpd?: string;
  readonly tpm?: string;
  readonly expires?: string;
  readonly provisioning?: boolean;
  readonly disable?: boolean;
  readonly enable?: boolean;
  readonly grace?: string;
}

/** Takes a restriction away. */
const NONE = "none";

function given<T>(text: string | undefined, read: (text: string) => T): T | null | undefined {
  if (text === undefined) return undefined;
  return text === NONE ? null : read(text);
}

function list(text: string): string[] {
  return text.split(",").map((one) => one.trim());
}

function number(option: string): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (text.trim() === "" || !Number.isFinite(value)) throw new UsageError(`--${option} needs a number or ${NONE}`);
    return value;
  };
}

/** `GLOB=DOLLARS`, several times; the last sign of equality divides, since names of models may have one. */
function caps(options: readonly string[] | undefined): JsonObject | null | undefined {
  if (options === undefined) return undefined;
  if (options.length === 1 && options[0] === NONE) return null;
  return Object.fromEntries(
    options.map((option) => {
      const at = option.lastIndexOf("=");
      if (at < 1) throw new UsageError("--cap needs GLOB=DOLLARS");
      return [option.slice(0, at), number("cap")(option.slice(at + 1))];
    }),
  );
}

function restrictions(options: KeyOptions): JsonObject {
  return {
    name: options.name,
    models: given(options.models, list),
    providers: given(options.providers, list),
    ip_allow: given(options.ip, list),
    model_caps: caps(options.cap),
    limit: given(options.limit, number("limit")),
    limit_reset: given(options["limit-reset"], String),
    rpm: given(options.rpm, number("rpm")),
    rpd: given(options.rpd, number("rpd")),
    tpm: given(options.tpm, number("tpm")),
    expires_at: given(options.expires, String),
  };
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
    ...restrictions(options),
    workspace: options.workspace,
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

/** The key whose hash begins so. Throws UsageError when it is not one. */
async function named(ask: Ask, start: string): Promise<JsonObject> {
  const found = (await allKeys(ask)).filter((entry) => asString(entry.hash)?.startsWith(start));
  if (found.length !== 1 || !found[0])
    throw new UsageError(`${found.length} keys have a hash that begins with ${start}`);
  return found[0];
}

/** Works on one key, named by its hash or by as much of its beginning as is unique. */
async function withKey(
  config: Config,
  log: Log,
  hash: string | undefined,
  work: (ask: Ask, path: string, key: JsonObject) => Promise<void>,
): Promise<void> {
  if (!hash || hash.length < 8)
    throw new UsageError("this needs at least 8 characters of a key's hash (see keys list)");
  await withApi(config, log, async (ask) => {
    const key = await named(ask, hash);
    await work(ask, `keys/${key.hash}`, key);
  });
}

function short(key: JsonObject): string {
  return String(key.hash).slice(0, 12);
}

/** `keys show`: everything about a key but its secret, as JSON. */
export async function showKey(
  config: Config,
  log: Log,
  hash: string | undefined,
  print: (text: string) => void,
): Promise<void> {
  await withKey(config, log, hash, async (_, __, key) => print(JSON.stringify(key, null, 2)));
}

/** `keys change`: sets what the options name. */
export async function changeKey(
  config: Config,
  log: Log,
  hash: string | undefined,
  options: KeyOptions,
  print: (text: string) => void,
): Promise<void> {
  if (options.disable && options.enable) throw new UsageError("--disable and --enable exclude each other");
  const disabled = options.disable ? true : options.enable ? false : undefined;
  const body: JsonObject = { ...restrictions(options), disabled };
  if (Object.values(body).every((value) => value === undefined))
    throw new UsageError("keys change needs at least one option that says what to change");
  await withKey(config, log, hash, async (ask, path, key) => {
    await ask("PATCH", path, body);
    print(`changed ${short(key)}`);
  });
}

/** `keys rotate`: prints the key's new secret. */
export async function rotateKey(
  config: Config,
  log: Log,
  hash: string | undefined,
  options: KeyOptions,
  print: (text: string) => void,
): Promise<void> {
  const body = options.grace === undefined ? {} : { grace_seconds: number("grace")(options.grace) };
  await withKey(config, log, hash, async (ask, path) => {
    const { key } = await ask("POST", `${path}/rotate`, body);
    print(String(key));
  });
}

/** `keys revoke`: ends a key for good. */
export async function revokeKey(
  config: Config,
  log: Log,
  hash: string | undefined,
  print: (text: string) => void,
): Promise<void> {
  await withKey(config, log, hash, async (ask, path, key) => {
    await ask("DELETE", path);
    print(`revoked ${short(key)}`);
  });
}
