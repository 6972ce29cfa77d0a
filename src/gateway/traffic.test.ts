/**
 * Tests of what calls learn from each other, against small upstreams on the loopback: keys take turns and give way,
 * circuits keep calls from endpoints that fail, and retries stay within their budget.
 */
import { describe, expect, test } from "bun:test";
import { good, outcomes, REPLY, refuse, tryAll } from "../../test/support/attempts.ts";
import { httpUpstream, provider } from "../../test/support/calls.ts";
import { expectNothingLeft } from "../../test/support/tcp-upstream.ts";
import type { Provider } from "../providers/provider.ts";
import { createTraffic } from "./traffic.ts";

expectNothingLeft();

/** A provider with three keys, and which of them each call came with. `refused`: the answers to those that fail. */
function keyed(refused: Record<string, () => Response>) {
  const seen: string[] = [];
  const url = httpUpstream((request) => {
    const key = request.headers.get("authorization")?.slice("Bearer ".length) ?? "";
    seen.push(key);
    return refused[key]?.() ?? Response.json(REPLY);
  });
  const one = provider("p0", url, { credentials: ["key-a", "key-b", "key-c"] });
  return { seen, one, traffic: trafficOf([one]) };
}

function trafficOf(providers: Provider[], nowMs = () => performance.now()) {
  return createTraffic(providers, { nowMs });
}

describe("keys of a provider", () => {
  test("take turns", async () => {
    const { seen, one, traffic } = keyed({});
    for (let call = 0; call < 3; call++) await tryAll([], { providers: [one], traffic });
    expect(seen.toSorted()).toEqual(["key-a", "key-b", "key-c"]);
  });

  for (const status of [401, 402, 403, 429]) {
    test(`give way at once to the next one after ${status}, and are left out of later calls`, async () => {
      const { seen, one, traffic } = keyed({ "key-a": () => refuse(status)() });
      const { served, attempts } = await tryAll([], { providers: [one], traffic });
      expect(served).toBeDefined();
      expect(attempts.map((each) => each.status)).toEqual([status, 200]);
      for (let call = 0; call < 4; call++) await tryAll([], { providers: [one], traffic });
      expect(seen.filter((key) => key === "key-a")).toHaveLength(1);
      expect(traffic.health.troubledAtMs("p0/up")).toBeUndefined();
    });
  }

  test("are not blamed for what the endpoint itself cannot", async () => {
    const { seen, one, traffic } = keyed({ "key-a": () => refuse(500)() });
    const { attempts } = await tryAll([], { providers: [one], traffic });
    expect(outcomes(attempts)).toHaveLength(1);
    expect(seen).toEqual(["key-a"]);
    expect(traffic.health.troubledAtMs("p0/up")).toBeDefined();
  });

  test("all refused: the next endpoint is tried, within the same number of tries", async () => {
    const no = () => refuse(401)();
    const { one } = keyed({ "key-a": no, "key-b": no, "key-c": no });
    const second = provider("p1", httpUpstream(good));
    const { served, attempts } = await tryAll([], { providers: [one, second], maxAttempts: 4 });
    expect(served?.candidate.endpoint.provider).toBe("p1");
    expect(attempts).toHaveLength(4);
  });
});

describe("an endpoint that keeps failing", () => {
  test("is passed by once its circuit is open, and tried again after its rest", async () => {
    let calls = 0;
    let broken = true;
    const flaky = provider(
      "p0",
      httpUpstream(() => {
        calls += 1;
        return broken ? refuse(500)() : Response.json(REPLY);
      }),
    );
    const steady = provider("p1", httpUpstream(good));
    const clock = { ms: 1_000_000 };
    const traffic = trafficOf([flaky, steady], () => clock.ms);
    const ask = () => tryAll([], { providers: [flaky, steady], traffic });
    for (let call = 0; call < 10; call++) expect((await ask()).served?.candidate.endpoint.provider).toBe("p1");
    expect(calls).toBe(5);
    clock.ms += 30_000;
    broken = false;
    expect((await ask()).served?.candidate.endpoint.provider).toBe("p0");
    expect((await ask()).served?.candidate.endpoint.provider).toBe("p0");
  });

  test("and is the only one: the caller is told when to come back, and nothing is sent", async () => {
    let calls = 0;
    const only = provider(
      "p0",
      httpUpstream(() => {
        calls += 1;
        return refuse(500)();
      }),
    );
    const traffic = trafficOf([only]);
    for (let call = 0; call < 5; call++) await tryAll([], { providers: [only], traffic });
    const { error, attempts } = await tryAll([], { providers: [only], traffic });
    expect(error).toMatchObject({ code: "upstream_unavailable", status: 503 });
    expect(error?.retryAfterMs).toBeGreaterThan(0);
    expect(error?.retryAfterMs).toBeLessThanOrEqual(30_000);
    expect([calls, attempts.length]).toEqual([5, 0]);
  });

  test("is not rested for what is the caller's own fault", async () => {
    const strict = provider(
      "p0",
      httpUpstream(() => refuse(400)()),
    );
    const traffic = trafficOf([strict]);
    for (let call = 0; call < 20; call++) await tryAll([], { providers: [strict], traffic });
    expect(traffic.health.state("p0/up")).toBe("closed");
  });
});

test("when everything fails, retries add no more than a fifth of the calls and the reserve", async () => {
  let sent = 0;
  const fail = () => {
    sent += 1;
    return refuse(400 + 29)();
  };
  const providers = [0, 1, 2].map((index) => provider(`p${index}`, httpUpstream(fail)));
  const traffic = trafficOf(providers);
  const calls = 200;
  for (let call = 0; call < calls; call++) await tryAll([], { providers, traffic });
  expect(sent).toBeLessThanOrEqual(calls * 1.2 + 20);
});
