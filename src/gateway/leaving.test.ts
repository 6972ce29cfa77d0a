/**
 * Tests of callers who leave before the first content: what is closed, what is waited for, what is billed.
 * They drive the attempts alone, against upstreams on the loopback.
 */
import { describe, expect, test } from "bun:test";
import { good, outcomes, REPLY, refuse, tryAll } from "../../test/support/attempts.ts";
import { streamed } from "../../test/support/calls.ts";
import { expectNothingLeft, until } from "../../test/support/tcp-upstream.ts";
import { CallerLeft } from "./attempt.ts";

expectNothingLeft();

describe("a caller who leaves", () => {
  test("ends the attempt, aborts the upstream, and no other is tried", async () => {
    const leaving = new AbortController();
    let aborted = false;
    const slow = (request: Request) => {
      request.signal.addEventListener("abort", () => {
        aborted = true;
      });
      setTimeout(() => leaving.abort(), 20);
      return new Promise<Response>(() => {});
    };
    const { error, attempts } = await tryAll([slow, good], { signal: leaving.signal, stream: true });
    expect(error).toBeInstanceOf(CallerLeft);
    expect((error as unknown as CallerLeft).served).toBeUndefined();
    expect(outcomes(attempts)).toEqual(["p0 cancelled 0"]);
    await until(() => aborted);
  });

  test("after the upstream said yes has used the prompt", async () => {
    const leaving = new AbortController();
    const source = new ReadableStream({
      start: (controller) => controller.enqueue(new TextEncoder().encode(": wait\n\n")),
      pull: () => void setTimeout(() => leaving.abort(), 20),
    });
    const { error, attempts } = await tryAll([() => streamed(source)], { signal: leaving.signal, stream: true });
    const { served } = error as unknown as CallerLeft;
    expect(served?.meter.usage(served)).toMatchObject({ input: 3, output: 0, source: "estimated" });
    expect(outcomes(attempts)).toEqual(["p0 cancelled 200"]);
  });

  /** A plain answer that comes after the caller has left; or never. */
  function late(answer: Response | undefined) {
    const leaving = new AbortController();
    const upstream = async () => {
      leaving.abort();
      await Bun.sleep(20);
      return answer ?? new Promise<Response>(() => {});
    };
    return { upstream, signal: leaving.signal };
  }

  test("is billed what a plain answer costs, which is waited for", async () => {
    const { upstream, signal } = late(good());
    const { served, attempts } = await tryAll([upstream], { signal });
    expect(outcomes(attempts)).toEqual(["p0 served 200"]);
    expect(served?.meter.usage(served)).toMatchObject({ input: 3, output: 1, source: "measured" });
  });

  test("is billed nothing when that answer fails, and no other endpoint is asked", async () => {
    const { upstream, signal } = late(refuse(500)());
    const { error, attempts } = await tryAll([upstream, good], { signal });
    expect((error as unknown as CallerLeft).served).toBeUndefined();
    expect(outcomes(attempts)).toEqual(["p0 failed 500 x"]);
  });

  test("is waited for no longer than allowed, and not when too many are", async () => {
    for (const limit of [{ abandonMs: 40 }, { maxAbandoned: 0 }]) {
      const { upstream, signal } = late(undefined);
      const { error, attempts } = await tryAll([upstream, good], { signal, ...limit });
      expect(error).toBeInstanceOf(CallerLeft);
      expect(outcomes(attempts)).toEqual(["p0 cancelled 0"]);
    }
  });

  test("before the first attempt causes no request", async () => {
    let asked = false;
    const signal = AbortSignal.abort();
    const note = () => {
      asked = true;
      return Response.json(REPLY);
    };
    const { attempts } = await tryAll([note], { signal });
    expect(asked).toBe(false);
    expect(attempts.map((one) => one.outcome)).toEqual(["cancelled"]);
  });
});
