/**
 * Tests of the end of a call: what is billed for each way it can end, and what the record says of it.
 * One test for each row of the billing table that the gateway decides.
 */
import { describe, expect, test } from "bun:test";
import { candidate, inquiryIn, principal } from "../../test/support/calls.ts";
import { listRecorder, type TestWallet, testWallet } from "../../test/support/wallet.ts";
import type { CallRecord } from "../core/call.ts";
import { GatewayError } from "../core/error.ts";
import type { CanonicalEvent } from "../core/event.ts";
import { type Nano, nano, pico } from "../core/money.ts";
import { emptyUsage, type Usage } from "../core/usage.ts";
import { creditAccount } from "../ledger/books.ts";
import type { Hold } from "../ledger/wallet.ts";
import type { Recorder } from "../usage/recorder.ts";
import type { Served } from "./attempt.ts";
import { Meter } from "./meter.ts";
import { type Call, type Outcome, settle } from "./settle.ts";
import type { Translation } from "./translation.ts";

const at = { choice: 0, part: 0 };
const begin: CanonicalEvent = { type: "part-start", ...at, start: { type: "text" } };
const say: CanonicalEvent = { type: "text-delta", ...at, text: "x".repeat(50) };
const stop: CanonicalEvent = { type: "message-end", choice: 0, finish: { reason: "stop" } };
const report = (counts: Partial<Usage>): CanonicalEvent => ({
  type: "usage",
  usage: { ...emptyUsage("measured"), ...counts },
});

/** A token in or out costs a nano-dollar, or ten. */
const place = candidate("openai-chat", { price: { perToken: { input: pico(1000n), output: pico(10_000n) } } });

/** A prompt of about a hundred tokens. */
const inquiry = inquiryIn("openai-chat", {
  body: { model: "m", messages: [{ role: "user", content: "x".repeat(491) }] },
});

function servedWith(...events: CanonicalEvent[]): Served {
  const meter = new Meter();
  meter.observe(events, () => 130);
  const translation = { path: "convert", losses: [{ field: "topK", kind: "dropped" }] } as unknown as Translation;
  return { inquiry, candidate: place, translation, meter, opening: [], secrets: () => [] };
}

/** An upstream that had said yes, and no content yet. */
function accepted(...events: CanonicalEvent[]): Served {
  const served = servedWith(...events);
  served.meter.accepted = true;
  return served;
}

interface Settled {
  billed: Nano;
  records: CallRecord[];
  losses: Nano[];
  /** What health heard of the endpoint. */
  told: string[];
  left: Nano;
}

const BALANCE = 1_000_000n;

function held(wallet: TestWallet, paidBy: Hold["paidBy"], amount: bigint): Hold {
  const money = paidBy === "credit" ? [{ id: creditAccount(principal().workspaceId), limit: null }] : [];
  return wallet.hold({ paidBy, wantedNano: nano(amount), leastNano: nano(amount), money }) as Hold;
}

function settleCall(over: Partial<Call>, outcome: Outcome, holdAmount: bigint | undefined = 1000n): Settled {
  const wallet = testWallet(BALANCE);
  const payer = over.principal ?? principal();
  const hold =
    holdAmount === undefined
      ? undefined
      : held(wallet, payer.billing === "internal" ? "internal" : "credit", holdAmount);
  const records: CallRecord[] = [];
  const call: Call = {
    id: "req_1",
    createdAt: new Date(0),
    startedMs: 100,
    surface: "openai-chat",
    dialect: "openai-chat",
    client: "test/1",
    attempts: [],
    principal: payer,
    modelRequested: "alias",
    modelId: "m",
    streamed: true,
    requestBytes: 400,
    hold,
    ...over,
  };
  const recorder = listRecorder(records);
  const losses: Nano[] = [];
  const told: string[] = [];
  const billed = settle(call, outcome, {
    recorder,
    nowMs: () => 150,
    logLoss: (_, lossNano) => void losses.push(lossNano),
    health: {
      failed: (id, kind) => void told.push(`${id} failed: ${kind}`),
      finished: (id, tokens, ms) => void told.push(`${id} said ${tokens} tokens in ${ms} ms`),
    },
  });
  return { billed, records, losses, told, left: wallet.left() };
}

const done: Outcome = { cancelled: false };
const left: Outcome = { cancelled: true };
const broke: Outcome = { cancelled: false, error: new GatewayError("upstream_unavailable", "x") };

describe("what is billed when", () => {
  const ROWS: [name: string, over: Partial<Call>, outcome: Outcome, billed: bigint, source: Usage["source"]][] = [
    ["no upstream ever accepted: nothing", {}, broke, 0n, "none"],
    ["the caller left before the upstream accepted: nothing", {}, left, 0n, "none"],
    ["the caller left before any content: the prompt, flagged", { served: accepted() }, left, 100n, "estimated"],
    [
      "the caller left before any content, but the prompt was reported: that",
      { served: accepted(report({ input: 90 })) },
      left,
      90n,
      "measured",
    ],
    [
      "the answer came with usage: that usage",
      { served: servedWith(begin, say, report({ input: 100, output: 5 }), stop) },
      done,
      150n,
      "measured",
    ],
    [
      "the answer came without usage: a count, flagged",
      { served: servedWith(begin, say, stop) },
      done,
      200n,
      "estimated",
    ],
    [
      "an error came after content, with usage reported: that usage",
      { served: servedWith(begin, say, report({ input: 100, output: 5 })) },
      broke,
      150n,
      "measured",
    ],
    [
      "an error came after content, nothing reported: a count, flagged",
      { served: servedWith(begin, say) },
      broke,
      200n,
      "estimated",
    ],
    ["the caller left after content: a count, flagged", { served: servedWith(begin, say) }, left, 200n, "estimated"],
    [
      "the caller left after content of which only the beginning was reported: that and a count, flagged",
      { served: servedWith(report({ input: 100, output: 1 }), begin, say) },
      left,
      210n,
      "estimated",
    ],
    [
      "usage was reported several times: the last, which is cumulative",
      { served: servedWith(begin, say, report({ input: 100, output: 5 }), report({ input: 100, output: 9 }), stop) },
      done,
      190n,
      "measured",
    ],
    [
      "usage exceeds the hold: no more than the hold",
      { served: servedWith(begin, say, report({ input: 1, output: 100_000_000 }), stop) },
      done,
      1000n,
      "measured",
    ],
  ];
  for (const [name, over, outcome, billed, source] of ROWS) {
    test(name, () => {
      const settled = settleCall(over, outcome);
      expect(settled.billed).toBe(nano(billed));
      expect(settled.left).toBe(nano(BALANCE - billed));
      expect(settled.records.length).toBe(1);
      expect(settled.records[0]).toMatchObject({ costNano: nano(billed), usage: { source } });
    });
  }

  test("usage exceeds the hold: the rest is told as a loss", () => {
    const served = servedWith(begin, say, report({ input: 10, output: 100 }), stop);
    expect(settleCall({ served }, done).losses).toEqual([nano(10n)]);
    expect(settleCall({ served: servedWith(begin, say, report({ input: 1 }), stop) }, done).losses).toEqual([]);
  });

  test("a try that came to nothing was charged for: the customer pays once, the rest is a loss", () => {
    const wasted = [servedWith(report({ input: 40, output: 1 }))];
    const {
      records,
      billed,
      left: rest,
    } = settleCall({ served: servedWith(begin, report({ input: 30 }), stop), wasted }, done);
    expect(billed).toBe(nano(30n));
    expect(rest).toBe(nano(BALANCE - 30n));
    expect(records[0]).toMatchObject({ costNano: nano(30n), lossNano: nano(50n), providerCostNano: nano(80n) });
    const failed = settleCall({ wasted }, broke);
    expect(failed.billed).toBe(nano(0n));
    expect(failed.records[0]).toMatchObject({
      outcome: "voided",
      provider: "p",
      lossNano: nano(50n),
      providerCostNano: nano(50n),
    });
  });

  test("usage is more than can be: as much as can be, flagged", () => {
    const served = servedWith(begin, say, report({ input: 20_000_000, output: 1 }), stop);
    const { records } = settleCall({ served, principal: principal({ billing: "internal" }) }, done, 0n);
    expect(records[0]).toMatchObject({ clamped: true, usage: { input: inquiry.bytes.length, output: 1 } });
  });

  test("the operator calls: the full cost, which no hold limits", () => {
    const over = {
      principal: principal({ billing: "internal" }),
      served: servedWith(begin, report({ input: 1500 }), stop),
    };
    expect(settleCall(over, done, 0n).billed).toBe(nano(1500n));
  });

  test("the call was refused before anything was held: nothing", () => {
    const { billed, records } = settleCall(
      { hold: undefined },
      { cancelled: false, error: new GatewayError("invalid_request", "x") },
    );
    expect(billed).toBe(nano(0n));
    expect(records[0]).toMatchObject({ status: 400, errorCode: "invalid_request", costNano: nano(0n) });
  });
});

describe("the health of the endpoint hears", () => {
  const answer = () => servedWith(begin, say, report({ input: 100, output: 5 }), stop);

  test("how fast it was: from the first content of a stream, else from the call's beginning", () => {
    expect(settleCall({ served: answer() }, done).told).toEqual(["p/up said 5 tokens in 20 ms"]);
    expect(settleCall({ served: answer(), streamed: false }, done).told).toEqual(["p/up said 5 tokens in 50 ms"]);
  });

  test("that it broke off in the middle, and nothing bad when the caller left", () => {
    expect(settleCall({ served: servedWith(begin, say) }, broke).told[0]).toBe("p/up failed: server");
    expect(settleCall({ served: answer() }, left).told).toEqual(["p/up said 5 tokens in 20 ms"]);
  });

  test("nothing of a call that it did not serve: attempts have told that", () => {
    expect(settleCall({}, broke).told).toEqual([]);
  });
});

describe("the record", () => {
  test("says who served, when, and how it ended", () => {
    const { records } = settleCall({ served: servedWith({ type: "message-start", id: "up_9" }, begin, stop) }, done);
    expect(records[0]).toMatchObject({
      modelRequested: "alias",
      model: "m",
      provider: "p",
      endpoint: "p/up",
      upstreamModel: "up",
      upstreamId: "up_9",
      path: "convert",
      status: 200,
      finishReason: "stop",
      firstTokenMs: 30,
      durationMs: 50,
      losses: [{ field: "topK", kind: "dropped" }],
      cancelled: false,
    });
  });

  test("of a call whose caller left has the status 499", () => {
    expect(settleCall({ served: servedWith(begin) }, left).records[0]).toMatchObject({ status: 499, cancelled: true });
  });

  test("is not written for a call without a known key", () => {
    const call = { id: "req_1", attempts: [], requestBytes: 0 } as unknown as Call;
    const pushed: CallRecord[] = [];
    const recorder = { push: (record: CallRecord) => void pushed.push(record) } as unknown as Recorder;
    expect(settle(call, broke, { recorder, nowMs: () => 0, logLoss() {} })).toBe(nano(0n));
    expect(pushed).toEqual([]);
  });
});

test("settling twice bills once", () => {
  const wallet = testWallet(BALANCE);
  const payer = principal();
  const hold = held(wallet, "credit", 1000n);
  const call = {
    principal: payer,
    hold,
    attempts: [],
    requestBytes: 0,
    served: servedWith(begin, report({ input: 7 }), stop),
  };
  const recorder = { push() {} } as unknown as Recorder;
  const settleOnce = () => settle(call as unknown as Call, done, { recorder, nowMs: () => 0, logLoss() {} });
  expect([settleOnce(), settleOnce()]).toEqual([nano(7n), nano(0n)]);
  expect(wallet.left()).toBe(nano(BALANCE - 7n));
});
