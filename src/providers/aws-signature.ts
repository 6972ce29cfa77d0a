/**
 * Signs requests for AWS (Signature Version 4) with a library that does only that.
 * `bedrock.ts` authorizes calls with it where the credential is a pair of keys.
 */
import { AwsV4Signer } from "aws4fetch";

/** A pair of keys; temporary ones have a session token besides. */
export interface AwsKeys {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken: string | undefined;
}

const PAIR = /^([A-Z0-9]{4,128}):([^:]{8,512})(?::(.+))?$/;

/** Reads `ID:SECRET` or `ID:SECRET:SESSION`; undefined for anything else, such as an API key. */
export function awsKeys(credential: string): AwsKeys | undefined {
  const [, accessKeyId, secretAccessKey, sessionToken] = PAIR.exec(credential) ?? [];
  return accessKeyId && secretAccessKey ? { accessKeyId, secretAccessKey, sessionToken } : undefined;
}

/** Keys derived for a day, a region and a service: four of five digests of a signature. */
const derived = new Map<string, ArrayBuffer>();
const MAX_DERIVED = 1000;

/** What is signed. No other headers are: an operator's own may be added to the request. */
export interface Signable {
  readonly method: string;
  readonly url: string;
  readonly body?: Uint8Array | string;
}

/** The headers that carry the signature. */
export async function signAws(
  request: Signable,
  { accessKeyId, secretAccessKey, sessionToken }: AwsKeys,
  { region, service, nowMs }: { region: string; service: string; nowMs: number },
): Promise<Record<string, string>> {
  if (derived.size > MAX_DERIVED) derived.clear();
  const signer = new AwsV4Signer({
    method: request.method,
    url: request.url,
    body: request.body as string | undefined,
    accessKeyId,
    secretAccessKey,
    sessionToken,
    region,
    service,
    datetime: new Date(nowMs).toISOString().replace(/[:-]|\.\d{3}/g, ""),
    cache: derived,
  });
  const { headers } = await signer.sign();
  return Object.fromEntries(headers);
}
