/**
 * Access tokens for a Google service account: its key signs a statement, which a token endpoint exchanges for a token.
 * `vertex.ts` puts the tokens into calls; they are kept until shortly before they end, and asked for once at a time.
 */
import { createPrivateKey, type KeyObject, sign } from "node:crypto";
import { asNumber, asObject, asString, tryParse } from "../core/json.ts";
import { CredentialError, type Outgoing } from "./provider.ts";

/** What a service account's key file says. */
export interface ServiceAccount {
  readonly email: string;
  readonly privateKey: string;
  readonly keyId: string | undefined;
  readonly project: string | undefined;
}

/** Google's own endpoint, and whom a statement is addressed to. The key file's `token_uri` is not believed: keys name no hosts. */
export const TOKEN_URL = "https://oauth2.googleapis.com/token";
const SCOPE = "https://www.googleapis.com/auth/cloud-platform";
const GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer";
const STATEMENT_SECONDS = 3600;
/** A token is not used in its last five minutes: a call may be under way that long before it is looked at. */
const MARGIN_MS = 300_000;
/** Whatever an endpoint says, a token is asked for anew after this. */
const LONGEST_MS = 12 * 3_600_000;
const MAX_TOKENS = 1000;
const MAX_TOKEN = 8192;

/** Reads a key file's JSON; undefined when it is no service account's. */
export function serviceAccount(text: string): ServiceAccount | undefined {
  const document = asObject(tryParse(text));
  const email = asString(document?.client_email);
  const privateKey = asString(document?.private_key);
  if (!email || !privateKey) return undefined;
  return { email, privateKey, keyId: asString(document?.private_key_id), project: asString(document?.project_id) };
}

/** The signed statement (RFC 7523) that is exchanged for a token. Throws CredentialError for a key that cannot sign. */
export function statement(account: ServiceAccount, nowMs: number): string {
  const issuedAt = Math.floor(nowMs / 1000);
  const head = { alg: "RS256", typ: "JWT", ...(account.keyId && { kid: account.keyId }) };
  const claims = { iss: account.email, scope: SCOPE, aud: TOKEN_URL, iat: issuedAt, exp: issuedAt + STATEMENT_SECONDS };
  const signed = `${encoded(head)}.${encoded(claims)}`;
  return `${signed}.${sign("sha256", Buffer.from(signed), signingKey(account)).toString("base64url")}`;
}

function signingKey({ privateKey }: ServiceAccount): KeyObject {
  try {
    const key = createPrivateKey(privateKey);
    if (key.asymmetricKeyType === "rsa") return key;
  } catch {
    // The reason would quote the key.
  }
  throw new CredentialError("the service account's private key cannot sign", 401);
}

function encoded(value: object): string {
  return Buffer.from(JSON.stringify(value)).toString("base64url");
}

interface Kept {
  token?: string;
  untilMs: number;
  /** The exchange under way, which all calls wait for. */
  pending?: Promise<string> | undefined;
}

/** The tokens of this process. */
export interface Tokens {
  /** A token that holds at least five minutes more, at once where one is kept. The promise rejects with CredentialError, or a fault of the connection. */
  of(credential: string, request: Outgoing): string | Promise<string>;
}

export function createTokens(): Tokens {
  const kept = new Map<string, Kept>();
  return {
    of(credential, request) {
      const url = request.provider.tokenUrl ?? TOKEN_URL;
      const name = `${url} ${credential}`;
      const entry = kept.get(name) ?? { untilMs: 0 };
      if (entry.token !== undefined && request.nowMs < entry.untilMs) return entry.token;
      if (!kept.has(name)) {
        const oldest = kept.size >= MAX_TOKENS ? kept.keys().next().value : undefined;
        if (oldest !== undefined) kept.delete(oldest);
        kept.set(name, entry);
      }
      entry.pending ??= exchange(credential, url, request)
        .then(({ token, lifeMs }) => {
          entry.token = token;
          entry.untilMs = request.nowMs + Math.min(lifeMs, LONGEST_MS) - MARGIN_MS;
          return token;
        })
        .finally(() => {
          entry.pending = undefined;
        });
      return entry.pending;
    },
  };
}

async function exchange(
  credential: string,
  url: string,
  request: Outgoing,
): Promise<{ token: string; lifeMs: number }> {
  const account = serviceAccount(credential);
  if (!account) throw new CredentialError("the key is no service account's JSON", 401);
  const form = new URLSearchParams({ grant_type: GRANT, assertion: statement(account, request.nowMs) });
  const { status, body } = await request.ask(url, form.toString());
  const answer = asObject(tryParse(body));
  const token = asString(answer?.access_token);
  if (status === 200 && token && /^[\x21-\x7e]+$/.test(token) && token.length <= MAX_TOKEN) {
    return { token, lifeMs: (asNumber(answer?.expires_in) ?? STATEMENT_SECONDS) * 1000 };
  }
  const reason = asString(answer?.error) ?? "";
  const told = /^[a-z_]{1,40}$/.test(reason) ? ` (${reason})` : "";
  const isRefused = status >= 400 && status < 500 && status !== 408 && status !== 429;
  throw new CredentialError(
    `the token endpoint answered ${status}${told} to the service account's key`,
    isRefused ? 401 : 503,
  );
}
