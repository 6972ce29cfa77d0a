/**
 * The limiter of several nodes: windows live in Redis (or Valkey), and each node keeps its own part of them warm.
 * While Redis is away every node goes on with its share of each limit; no call is refused or fails because of that.
 */
import type { RateDecision, RateLimiter, RateSubject } from "./limiter.ts";
import { Link, type LinkLog } from "./link.ts";
import { amountOf, decide, type Echo, Grant, monotonic, Refusal, UNLIMITED, wholeTokens } from "./memory.ts";
import { ADJUST, TAKE } from "./scripts.ts";
import { Subjects } from "./subjects.ts";
import type { SlidingWindow } from "./window.ts";

export interface RedisLimiterSettings {
  /** `redis://`, `rediss://` or `valkey://`, with password and database as usual. Never logged. */
  readonly url: string;
  /** Milliseconds of any beginning, for the local windows. Those in Redis go by Redis's time. */
  readonly nowMs: () => number;
  /** At least so many nodes are counted when a limit is shared out, also before Redis has told. Default 1. */
  readonly nodes?: number;
  /** How often a node says that it is there; after three silent ones it is not counted. Default 5000. */
  readonly heartbeatMs?: number;
  /** The longest that a call waits before it is decided without Redis. Default 250. */
  readonly timeoutMs?: number;
  /** Begins every key, so that several installations can share a Redis. Default `sluice:rate:`. */
  readonly prefix?: string;
  readonly log: LinkLog;
}

export interface RedisLimiter extends RateLimiter {
  /** Resolves when the first try to reach Redis is over, at most two timeouts later. Never rejects. */
  ready(): Promise<void>;
  /** For readiness and metrics: whether Redis decides now, and how many nodes share it as last known. */
  status(): { readonly shared: boolean; readonly nodes: number };
}

const DEFAULT_TIMEOUT_MS = 250;
const DEFAULT_HEARTBEAT_MS = 5000;

/**
 * A limiter whose windows live in Redis: one script on Redis's own time takes from all windows or from none, so that over
 * any number of nodes no interval ever sees more than the limit N.
 *
 * While Redis is away (killed, frozen, loading, read-only) each of n nodes takes at most its share s = max(1, N / n) from
 * its own window, in which its grants through Redis stand too. What can be too much then, in one window's length:
 * - an outage adds at most n · s = max(N, n), however often Redis comes and goes: the local windows remember.
 *   Evenly loaded nodes that have used up N through Redis add nothing.
 * - each loss of Redis's data (a flush, a restart without persistence) adds at most N.
 * So at most 2 N for an outage or a flush, 3 N for a kill with an empty restart (n > N: max(N, n) for the outage's part).
 * n is the number of nodes that each one last knew; a node that came within the last heartbeat (5 s) may not be
 * counted, unless `nodes` says so.
 * Of tokens a call larger than the share may have an empty local window to itself, so the outage's part is at most n · N.
 *
 * The first calls of an outage wait at most `timeoutMs` (and 10 ms), later ones not at all. A call that timed out and was
 * then taken by Redis after all is given back there if it was refused here.
 */
export function createRedisLimiter(settings: RedisLimiterSettings): RedisLimiter {
  const { prefix = "sluice:rate:", nodes = 1, url, log } = settings;
  const { timeoutMs = DEFAULT_TIMEOUT_MS, heartbeatMs = DEFAULT_HEARTBEAT_MS } = settings;
  const clock = monotonic(settings.nowMs);
  const known = new Subjects();
  const link = new Link({ url, prefix, timeoutMs, nodes, heartbeatMs, log });
  const alone = (windows: readonly SlidingWindow[], tokens: number) => {
    const nowMs = clock();
    // Some time may have gone by since they were looked up.
    for (const window of windows) window.expire(nowMs);
    return decide(windows, tokens, nowMs, link.nodes);
  };
  return {
    take(subjects: readonly RateSubject[], tokens: number): RateDecision | Promise<RateDecision> {
      const nowMs = clock();
      const windows = known.windows(subjects, nowMs);
      if (windows.length === 0) return UNLIMITED;
      const amount = wholeTokens(tokens);
      if (!link.up) return decide(windows, amount, nowMs, link.nodes);
      return ask(link, prefix, windows, amount, nowMs, alone);
    },
    ready: () => link.tried,
    status: () => ({ shared: link.up, nodes: link.nodes }),
    close: () => link.close(),
  };
}

/** Redis's decision, or this node's alone when there is none in time. */
function ask(
  link: Link,
  prefix: string,
  windows: readonly SlidingWindow[],
  tokens: number,
  nowMs: number,
  alone: (windows: readonly SlidingWindow[], tokens: number) => Grant | Refusal,
): Promise<RateDecision> {
  const names = windows.map(({ id, kind }) => prefix + id + kind.suffix);
  const values = [String(names.length), ...names];
  for (const window of windows) {
    const { lengthMs, bucketMs } = window.kind;
    values.push(String(lengthMs), String(bucketMs), String(window.limit), String(amountOf(window, tokens)));
  }
  return new Promise((resolve) => {
    let decided: Grant | Refusal | undefined;
    link.run(TAKE, values, {
      onAway() {
        decided = alone(windows, tokens);
        resolve(decided);
      },
      onReply([granted, momentMs = 0, which = 1, remaining = 0, resetMs = 0, waitMs = 0]) {
        if (granted !== 1) {
          if (!decided) resolve(new Refusal(windows[which - 1]!, waitMs, remaining, resetMs));
          return;
        }
        const echo = echoOf(link, names, windows, momentMs);
        if (!decided) {
          for (const window of windows) window.add(nowMs, amountOf(window, tokens));
          const grant = new Grant(windows, tokens, nowMs, windows[which - 1]!, remaining, resetMs);
          grant.follow(echo, tokens);
          resolve(grant);
        } else if (decided instanceof Grant) decided.follow(echo, tokens);
        else echo(-1, -tokens);
      },
    });
  });
}

/** Passes changes of what Redis granted at this moment on to Redis. */
function echoOf(link: Link, names: readonly string[], windows: readonly SlidingWindow[], momentMs: number): Echo {
  return (requests, tokens) => {
    const keys: string[] = [];
    const changes: string[] = [];
    for (const [index, { kind }] of windows.entries()) {
      const change = kind.what === "tokens" ? tokens : requests;
      if (change === 0) continue;
      keys.push(names[index]!);
      changes.push(String(kind.lengthMs), String(change));
    }
    if (keys.length > 0) link.tell(ADJUST, [String(keys.length), ...keys, String(momentMs), ...changes]);
  };
}
