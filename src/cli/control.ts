/**
 * How the CLI reaches a running server of the same data directory: through a file with its address and a token of its own.
 * The embedded database belongs to the server while it runs, so commands go through its API then.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { asObject, asString, tryParse } from "../core/json.ts";

export interface Control {
  readonly url: string;
  readonly token: string;
}

/** Where the file is. Readable by its owner only, and gone when the server has stopped in order. */
export function controlFile(dataDir: string): string {
  return join(dataDir, "control.json");
}

/** The running server of this data directory, if one answers. */
export async function findServer(dataDir: string): Promise<Control | undefined> {
  let text: string;
  try {
    text = readFileSync(controlFile(dataDir), "utf8");
  } catch {
    return undefined;
  }
  const found = asObject(tryParse(text));
  const url = asString(found?.url);
  const token = asString(found?.token);
  if (!url || !token) return undefined;
  try {
    const answer = await fetch(`${url}/healthz`, { signal: AbortSignal.timeout(2000) });
    return answer.ok ? { url, token } : undefined;
  } catch {
    return undefined;
  }
}
