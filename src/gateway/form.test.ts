/**
 * Forms of providers: paths, fields and headers that change around the same request.
 * Beside the file that puts calls into them, on their way to the upstream.
 */
import { describe, expect, test } from "bun:test";
import type { Candidate } from "../core/endpoint.ts";
import { PROVIDER_TYPES } from "../providers/index.ts";
import type { Form, Provider } from "../providers/provider.ts";
import { inForm } from "./form.ts";

const provider = { id: "p", credentials: ["key"] } as unknown as Provider;
const candidate = { endpoint: { upstreamModel: "m:1" } } as unknown as Candidate;
const put = (form: Form, body: string | Uint8Array, headers: Record<string, string> = {}) =>
  inForm(form, { path: "/messages", headers, body }, candidate, provider, "key");
const textOf = (body: string | Uint8Array) => (typeof body === "string" ? body : new TextDecoder().decode(body));

describe("a provider's form of a format", () => {
  test("knows the path, the model, and whether a stream is asked for", () => {
    const form: Form = { path: ({ path, model, isStreamed }) => `${path}|${model}|${isStreamed()}` };
    expect(put(form, '{"stream":true}').path).toBe("/messages|m:1|true");
    expect(put(form, new TextEncoder().encode('{"stream":false}')).path).toBe("/messages|m:1|false");
  });

  test("changes fields of the body and leaves every other byte as it came", () => {
    const form: Form = { path: () => "/", sets: { version: "v1" }, removes: ["model", "stream"] };
    const body = '{ "model":"x", "n": 1.00, "stream":true, "s":"\\u00e9" }';
    expect(textOf(put(form, body).body)).toBe('{"version":"v1", "n": 1.00, "s":"\\u00e9" }');
    expect(textOf(put(form, new TextEncoder().encode(body)).body)).toBe('{"version":"v1", "n": 1.00, "s":"\\u00e9" }');
  });

  test("moves a header's list into the body, and drops headers", () => {
    const form: Form = { path: () => "/", headersIntoBody: { "x-beta": "beta", "x-version": null } };
    const { headers, body } = put(form, "{}", { "x-beta": "a, b,", "x-version": "1", other: "2" });
    expect(headers).toEqual({ other: "2" });
    expect(JSON.parse(textOf(body))).toEqual({ beta: ["a", "b"] });
    expect(textOf(put(form, "{}").body)).toBe("{}");
  });

  test("without a path for a route is no route", () => {
    expect(() => put({ path: () => undefined }, "{}")).toThrow("no such route");
  });

  test("may be a path alone: one host with a path for each format", () => {
    const { forms } = PROVIDER_TYPES.minimax ?? {};
    const path = (form: Form | undefined, own: string) =>
      form && inForm(form, { path: own, headers: {}, body: "{}" }, candidate, provider, "key").path;
    expect(path(forms?.["anthropic-messages"], "/messages")).toBe("/anthropic/v1/messages");
    expect(path(forms?.["openai-chat"], "/chat/completions")).toBe("/v1/chat/completions");
  });
});
