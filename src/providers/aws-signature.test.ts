/**
 * Signatures against the published examples of AWS's Signature Version 4 test suite.
 * Those are the ones without headers of their own, since none but the necessary headers are signed here.
 */
import { describe, expect, test } from "bun:test";
import { awsKeys, signAws } from "./aws-signature.ts";

/** The suite's keys, region, service and moment. */
const KEYS = {
  accessKeyId: "AKIDEXAMPLE",
  secretAccessKey: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
  sessionToken: undefined,
};
const AT = { region: "us-east-1", service: "service", nowMs: Date.UTC(2015, 7, 30, 12, 36, 0) };

const SUITE = [
  ["get-vanilla", "GET", "/", "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"],
  ["get-vanilla-query", "GET", "/", "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"],
  [
    "get-vanilla-query-order-key-case",
    "GET",
    "/?Param2=value2&Param1=value1",
    "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500",
  ],
  [
    "get-vanilla-empty-query-key",
    "GET",
    "/?Param1=value1",
    "a67d582fa61cc504c4bae71f336f98b97f1ea3c7a6bfe1b6e45aec72011b9aeb",
  ],
  [
    "get-unreserved",
    "GET",
    "/-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz",
    "07ef7494c76fa4850883e2b006601f940f8a34d404d0cfa977f52a65bbf5f24f",
  ],
  ["post-vanilla", "POST", "/", "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"],
  ["post-vanilla-query", "POST", "/?Param1=value1", "28038455d6de14eafc1f9222cf5aa6f1a96197d7deb8263271d420d138af7f11"],
] as const;

describe("a signature", () => {
  for (const [name, method, path, signature] of SUITE) {
    test(`is the published one: ${name}`, async () => {
      const headers = await signAws({ method, url: `https://example.amazonaws.com${path}` }, KEYS, AT);
      expect(headers).toEqual({
        "x-amz-date": "20150830T123600Z",
        authorization: `AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, SignedHeaders=host;x-amz-date, Signature=${signature}`,
      });
    });
  }

  test("covers the body, the same as text or as bytes", async () => {
    const sign = async (body: string | Uint8Array) =>
      (await signAws({ method: "POST", url: "https://example.amazonaws.com/", body }, KEYS, AT)).authorization;
    expect(await sign("Param1=value1")).toBe(await sign(new TextEncoder().encode("Param1=value1")));
    expect(await sign("Param1=value2")).not.toBe(await sign("Param1=value1"));
  });

  test("covers the session token, which is sent", async () => {
    const url = "https://example.amazonaws.com/";
    const headers = await signAws({ method: "GET", url }, { ...KEYS, sessionToken: "session" }, AT);
    expect(headers["x-amz-security-token"]).toBe("session");
    expect(headers.authorization).toContain("SignedHeaders=host;x-amz-date;x-amz-security-token,");
  });
});

describe("a credential of AWS", () => {
  test("is a pair of keys, perhaps with a session token", () => {
    expect(awsKeys("AKIDEXAMPLE:wJalr/K7+XUtn=")).toEqual({
      accessKeyId: "AKIDEXAMPLE",
      secretAccessKey: "wJalr/K7+XUtn=",
      sessionToken: undefined,
    });
    expect(awsKeys("ASIAEXAMPLE:wJalr/K7+XUtn=:Fwo:GZX//")?.sessionToken).toBe("Fwo:GZX//");
  });

  test("is anything else an API key", () => {
    for (const key of [
      "bedrock-api-key-YmVkcm9jay5h",
      "ABSKQmVkcm9ja0FQSUtleS0",
      "AKIDEXAMPLE",
      "AKIDEXAMPLE:",
      ":x",
    ]) {
      expect(awsKeys(key)).toBeUndefined();
    }
  });
});
