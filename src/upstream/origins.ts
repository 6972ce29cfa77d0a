/**
 * What is known of each origin's reachability: when it last answered, and whether a TCP connection can be opened now.
 * `http.ts` asks it for the connect timeout, which the runtime's `fetch` does not have.
 */

import { connect, type Socket } from "node:net";

/** What is known of one origin. Times are of the monotonic clock. */
export interface Origin {
  /** When a connection or a response last came from it. */
  reachedMs: number;
  /** When a response last came, so that a kept connection may exist; 0 for never. */
  answeredMs: number;
  /** When a probe last ran into its timeout. */
  unreachableMs: number;
  probe: Socket | undefined;
}

const MAX_ORIGINS = 1024;
/** How long an origin that was reached is trusted to be reachable. */
const TRUSTED_MS = 60_000;

const origins = new Map<string, Origin>();

/** The record of the URL's origin, kept for the most recently added ones. */
export function originOf(url: string): Origin {
  const end = url.indexOf("/", 8);
  const key = end === -1 ? url : url.slice(0, end);
  const known = origins.get(key);
  if (known !== undefined) return known;
  if (origins.size >= MAX_ORIGINS) {
    const [oldest, record] = origins.entries().next().value ?? ["", undefined];
    record?.probe?.destroy();
    origins.delete(oldest);
  }
  const origin: Origin = { reachedMs: Number.NEGATIVE_INFINITY, answeredMs: 0, unreachableMs: 0, probe: undefined };
  origins.set(key, origin);
  return origin;
}

/** Whether a call to it needs the connect timeout watched. */
export function isUncertain(origin: Origin, nowMs: number): boolean {
  return nowMs - origin.reachedMs > TRUSTED_MS;
}

/**
 * Opens a TCP connection beside the real one and closes it at once: whether it opens within the timeout tells whether
 * the real one can. At most one runs for an origin. A refusal says nothing here; the real connection reports it.
 */
export function probe(origin: Origin, url: string, timeoutMs: number): void {
  if (origin.probe !== undefined) return;
  const { hostname, port, protocol } = new URL(url);
  const host = hostname.startsWith("[") ? hostname.slice(1, -1) : hostname;
  const socket = connect({ host, port: Number(port) || (protocol === "https:" ? 443 : 80) });
  const timer = setTimeout(() => {
    origin.unreachableMs = performance.now();
    end();
  }, timeoutMs);
  timer.unref();
  const end = () => {
    clearTimeout(timer);
    if (origin.probe === socket) origin.probe = undefined;
    socket.destroy();
  };
  origin.probe = socket;
  socket.unref();
  socket.once("connect", () => {
    origin.reachedMs = performance.now();
    end();
  });
  socket.on("error", end);
}
