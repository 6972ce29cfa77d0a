/**
 * Tokens of a service account: the statement that its key signs, and when an endpoint is asked.
 * The endpoint is a function here; calls through a server are in `test/clouds.test.ts`.
 */
import { describe, expect, test } from "bun:test";
import { generateKeyPairSync, verify } from "node:crypto";
import { createTokens, serviceAccount, statement, TOKEN_URL } from "./google-token.ts";
import { CredentialError, type Outgoing, type Provider } from "./provider.ts";

const { privateKey, publicKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
const ACCOUNT = {
  type: "service_account",
  project_id: "my-project",
  private_key_id: "k1",
  private_key: privateKey.export({ type: "pkcs8", format: "pem" }) as string,
  client_email: "gateway@my-project.example",
  token_uri: "https://elsewhere.example/token",
};
const KEY = JSON.stringify(ACCOUNT);
const NOW = Date.UTC(2026, 10, 20);

interface Asked {
  url: string;
  form: URLSearchParams;
}

function endpoint(answers: (nth: number) => { status: number; body: string } | Error, tokenUrl?: string) {
  const asked: Asked[] = [];
  const at = (nowMs: number): Outgoing => ({
    method: "POST",
    url: "https://upstream.example",
    headers: {},
    body: "",
    provider: { id: "v", tokenUrl } as unknown as Provider,
    nowMs,
    async ask(url, form) {
      asked.push({ url, form: new URLSearchParams(form) });
      const answer = answers(asked.length);
      if (answer instanceof Error) throw answer;
      return answer;
    },
  });
  return { asked, at };
}

const granted = (token: string, expires_in = 3600) => ({
  status: 200,
  body: JSON.stringify({ access_token: token, expires_in, token_type: "Bearer" }),
});

describe("a service account's statement", () => {
  test("names account, scope, audience and an hour, signed with the account's key", () => {
    const account = serviceAccount(KEY);
    if (!account) throw new Error("not read");
    const [head, claims, signature] = statement(account, NOW).split(".");
    const parse = (part = "") => JSON.parse(Buffer.from(part, "base64url").toString());
    expect(parse(head)).toEqual({ alg: "RS256", typ: "JWT", kid: "k1" });
    expect(parse(claims)).toEqual({
      iss: ACCOUNT.client_email,
      scope: "https://www.googleapis.com/auth/cloud-platform",
      aud: TOKEN_URL,
      iat: NOW / 1000,
      exp: NOW / 1000 + 3600,
    });
    const signed = Buffer.from(`${head}.${claims}`);
    expect(verify("sha256", signed, publicKey, Buffer.from(signature ?? "", "base64url"))).toBe(true);
  });

  test("is not made with a key that cannot sign, and the error does not quote it", () => {
    const broken = { email: "a@b.example", privateKey: "-----BEGIN canary-----", keyId: undefined, project: undefined };
    expect(() => statement(broken, NOW)).toThrow(
      new CredentialError("the service account's private key cannot sign", 401),
    );
    const other = generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey.export({
      type: "pkcs8",
      format: "pem",
    });
    expect(() => statement({ ...broken, privateKey: other as string }, NOW)).toThrow(CredentialError);
  });

  test("is only made of a service account's file", () => {
    for (const text of ["", "[]", "{}", "{broken", '{"type":"authorized_user","client_id":"x"}']) {
      expect(serviceAccount(text)).toBeUndefined();
    }
  });
});

describe("a token", () => {
  test("is asked for once by calls at the same time, and kept until five minutes before its end", async () => {
    const { asked, at } = endpoint((nth) => granted(`t${nth}`));
    const tokens = createTokens();
    const first = await Promise.all([tokens.of(KEY, at(NOW)), tokens.of(KEY, at(NOW + 5))]);
    expect(first).toEqual(["t1", "t1"]);
    expect(tokens.of(KEY, at(NOW + 3_299_999))).toBe("t1");
    expect(asked).toHaveLength(1);
    expect(await tokens.of(KEY, at(NOW + 3_300_000))).toBe("t2");
    expect(asked).toHaveLength(2);
  });

  test("comes from Google's endpoint whatever the key says, unless the operator names another", async () => {
    const usual = endpoint(() => granted("t"));
    await createTokens().of(KEY, usual.at(NOW));
    expect(usual.asked.map(({ url }) => url)).toEqual([TOKEN_URL]);
    expect(usual.asked[0]?.form.get("grant_type")).toBe("urn:ietf:params:oauth:grant-type:jwt-bearer");
    expect(usual.asked[0]?.form.get("assertion")?.split(".")).toHaveLength(3);
    const named = endpoint(() => granted("t"), "http://127.0.0.1:1/token");
    await createTokens().of(KEY, named.at(NOW));
    expect(named.asked.map(({ url }) => url)).toEqual(["http://127.0.0.1:1/token"]);
  });

  test("belongs to its key", async () => {
    const { asked, at } = endpoint((nth) => granted(`t${nth}`));
    const tokens = createTokens();
    const other = JSON.stringify({ ...ACCOUNT, client_email: "other@my-project.example" });
    expect([await tokens.of(KEY, at(NOW)), await tokens.of(other, at(NOW))]).toEqual(["t1", "t2"]);
    expect([tokens.of(KEY, at(NOW)), tokens.of(other, at(NOW))]).toEqual(["t1", "t2"]);
    expect(asked).toHaveLength(2);
  });

  test("that was refused or broke is asked for again by the next call", async () => {
    const answers = [
      { status: 400, body: '{"error":"invalid_grant","error_description":"account gateway@my-project.example"}' },
      { status: 500, body: "<html>" },
      { status: 200, body: "{}" },
      new Error("connection"),
      granted("t"),
    ];
    const { at } = endpoint((nth) => answers[nth - 1] ?? granted("t"));
    const tokens = createTokens();
    const failed = async () => {
      const error = await Promise.resolve(tokens.of(KEY, at(NOW))).catch((thrown) => thrown);
      return [error.status, error.message];
    };
    expect(await failed()).toEqual([
      401,
      "the token endpoint answered 400 (invalid_grant) to the service account's key",
    ]);
    expect(await failed()).toEqual([503, "the token endpoint answered 500 to the service account's key"]);
    expect(await failed()).toEqual([503, "the token endpoint answered 200 to the service account's key"]);
    expect(await failed()).toEqual([undefined, "connection"]);
    expect(await tokens.of(KEY, at(NOW))).toBe("t");
  });

  test("with signs that no header may have is refused", async () => {
    const { at } = endpoint(() => granted("a\r\nx: y"));
    expect(Promise.resolve(createTokens().of(KEY, at(NOW)))).rejects.toThrow(CredentialError);
  });
});
