/**
 * The `openai` client as the tests of this folder use it: aimed at a Sluice, patient, never repeating a call.
 * The drivers of both its APIs and the tests of its smaller ones ask through it.
 */
import OpenAI from "openai";
import { CLIENT_TIMEOUT_MS, keepHeaders } from "./driver.ts";

/** A client, and the headers of its last answer. */
export function openaiClient({ url, key }: { url: string; key: string }): { client: OpenAI; headers: () => Headers } {
  const { fetch, headers } = keepHeaders();
  const client = new OpenAI({ apiKey: key, baseURL: `${url}/v1`, maxRetries: 0, timeout: CLIENT_TIMEOUT_MS, fetch });
  return { client, headers };
}
