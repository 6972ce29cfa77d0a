/**
 * Failures through the whole server: what the official clients throw when the provider refuses, breaks off or falls silent,
 * and what the provider sees when a client leaves.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { type Family, type Sluice, startSluice } from "../support/server.ts";
import type { Driver, Failure, Question } from "./drivers/driver.ts";
import { WAYS, type Way } from "./drivers/index.ts";

const START_TIMEOUT_MS = 60_000;
const WAIT_MS = 20_000;
const POLL_MS = 5;

let sluice: Sluice;
beforeAll(async () => {
  // A whole answer is waited for though its caller has left; not for long here, since this provider never gives it.
  sluice = await startSluice({ env: { SLUICE_TIMEOUTS_ABANDONED_MS: "300" } });
}, START_TIMEOUT_MS);
afterAll(() => sluice.stop(), START_TIMEOUT_MS);

function ask(way: Way, user: string, more: Partial<Question> = {}) {
  return way.driver.ask(sluice, { model: way.family, streamed: way.streamed, turns: [{ user }], ...more });
}

/** What the client threw, which has to be an error of its own. */
async function failureOf(way: Way, call: Promise<unknown>): Promise<Failure> {
  let thrown: unknown = "nothing";
  try {
    await call;
  } catch (error) {
    thrown = error;
  }
  const failure = way.driver.failure(thrown);
  if (!failure) throw new Error(`The client threw no error of its own: ${String(thrown)}`);
  return failure;
}

/** The client's class for a status; Google's has one for all. */
function classOf({ surface }: Driver, status: number): string {
  if (surface === "gemini") return "ApiError";
  if (status === 503) return surface === "anthropic-messages" ? "ServiceUnavailableError" : "InternalServerError";
  return { 400: "BadRequestError", 401: "AuthenticationError", 404: "NotFoundError" }[status] ?? "";
}

/** The provider's answer, by an order in the text, and the status that the client has to see. */
const REFUSALS: { order: string; seen: number; words: string }[] = [
  { order: "status=400", seen: 400, words: "The request is invalid (simulated)." },
  { order: "status=404", seen: 404, words: "does not exist" },
  { order: "status=503", seen: 503, words: "provider" },
  { order: "status=500", seen: 503, words: "provider" },
  { order: "status=429", seen: 503, words: "overloaded" },
  // The gateway's own key was refused, which is not the caller's fault.
  { order: "status=401", seen: 503, words: "provider" },
  { order: "first-error", seen: 503, words: "provider" },
  { order: "empty", seen: 503, words: "provider" },
];

describe.each([...WAYS])("$name", (way) => {
  const { driver, family, streamed } = way;

  for (const { order, seen, words } of REFUSALS) {
    test(`${order} is told as ${seen}`, async () => {
      const failure = await failureOf(way, ask(way, order));
      expect(failure).toMatchObject({ status: seen, kind: classOf(driver, seen) });
      expect(failure.message).toContain(words);
      expect(failure.message).not.toContain("127.0.0.1");
    });
  }

  test("a wrong key and an unknown model are refused before anything is sent", async () => {
    const before = sluice.simulator.journal().length;
    const question = { model: family, streamed, turns: [{ user: "hi" }] };
    const stranger = await failureOf(way, driver.ask({ url: sluice.url, key: "sk-sluice-nobody" }, question));
    expect(stranger).toMatchObject({ status: 401, kind: classOf(driver, 401) });
    const unknown = await failureOf(way, driver.ask(sluice, { ...question, model: "no-such-model" }));
    expect(unknown).toMatchObject({ status: 404, kind: classOf(driver, 404) });
    expect(unknown.message).toContain("no-such-model");
    expect(sluice.simulator.journal()).toHaveLength(before);
  });

  if (streamed) {
    for (const order of ["error-after=3", "cut-after=3", "no-done error-after=3"]) {
      test(`${order} in mid-stream is raised after the text that came`, async () => {
        let pieces = 0;
        const failure = await failureOf(way, ask(way, `words=50 ${order}`, { onText: () => pieces++ }));
        expect(pieces).toBeGreaterThan(0);
        expect(failure.message).not.toContain("127.0.0.1");
      });
    }
  }

  test("a client that leaves is felt at the provider", async () => {
    const leaving = new AbortController();
    const since = sluice.simulator.journal().length;
    const order = streamed ? "words=2000 gap=20ms" : "hang";
    const call = ask(way, order, { signal: leaving.signal, onText: () => leaving.abort() });
    const settled = call.then(
      () => "answered",
      () => "thrown",
    );
    const entry = await until(() => sluice.simulator.journal()[since]);
    if (!streamed) leaving.abort();
    expect(await settled).toBe("thrown");
    await until(() => entry.aborted);
    expect(entry).toMatchObject({ aborted: true, finished: false });
    await until(() => sluice.app.gateway.running === 0);
  });
});

/** Waits until something is there, within a bound that is far from what it takes. */
async function until<T>(look: () => T | undefined | false): Promise<T> {
  const deadline = Date.now() + WAIT_MS;
  for (;;) {
    const found = look();
    if (found) return found;
    if (Date.now() > deadline) throw new Error("It did not happen in time.");
    await Bun.sleep(POLL_MS);
  }
}

test.each(["sim-chat", "sim-responses", "sim-messages", "sim-gemini"] as Family[])(
  "%s: a retry's time is passed on",
  async (family) => {
    const headers = { authorization: `Bearer ${sluice.key}`, "content-type": "application/json" };
    const body = JSON.stringify({ model: family, messages: [{ role: "user", content: "status=429 retry-after=7" }] });
    const response = await fetch(`${sluice.url}/v1/chat/completions`, { method: "POST", headers, body });
    expect(response.status).toBe(503);
    expect(response.headers.get("retry-after")).toBe("7");
  },
);
