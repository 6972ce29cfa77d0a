/**
 * Raw TCP upstreams for tests: servers that do what providers and proxies do at their worst, and how to call them.
 * Used by the tests of `src/upstream/http.ts`; all servers listen on 127.0.0.1 and end with their test.
 */

import { afterAll, afterEach, expect } from "bun:test";
import type { Socket } from "bun";
import { type FaultKind, UpstreamFault, type UpstreamRequest, type UpstreamResponse } from "../../src/upstream/http.ts";
import { watchedCount } from "../../src/upstream/watch.ts";

const cleanups: (() => unknown)[] = [];

/** Has something done when the running test ends. */
export function afterThisTest(cleanup: () => unknown): void {
  cleanups.push(cleanup);
}

/** Ends what the tests opened, and fails them for a call left over or a rejection that nobody handled. */
export function expectNothingLeft(): void {
  const unhandled: unknown[] = [];
  const onUnhandled = (reason: unknown) => unhandled.push(reason);
  process.on("unhandledRejection", onUnhandled);
  afterEach(async () => {
    for (const cleanup of cleanups.splice(0)) await cleanup();
    expect(watchedCount()).toBe(0);
  });
  afterAll(async () => {
    await Bun.sleep(20);
    process.off("unhandledRejection", onUnhandled);
    expect(unhandled).toEqual([]);
  });
}

/** A server and what it has seen. Connections on which nothing was asked (the client's probes) are not counted. */
export interface TcpUpstream {
  url: string;
  connections: number;
  requests: number;
  closed: number;
}

/** The server's end of one connection. */
export type Peer = Socket<{ requests: number }>;

/** A TCP server that calls back for each request, which must fit one packet, with its number on the connection. */
export function upstream(onRequest: (peer: Peer, nth: number) => void, onDrain?: (peer: Peer) => void): TcpUpstream {
  const seen: TcpUpstream = { url: "", connections: 0, requests: 0, closed: 0 };
  const listener = Bun.listen<{ requests: number }>({
    hostname: "127.0.0.1",
    port: 0,
    socket: {
      open(peer) {
        peer.data = { requests: 0 };
      },
      data(peer) {
        seen.requests++;
        peer.data.requests++;
        if (peer.data.requests === 1) seen.connections++;
        onRequest(peer, peer.data.requests);
      },
      drain: onDrain,
      close(peer) {
        if (peer.data.requests > 0) seen.closed++;
      },
      error() {},
    },
  });
  cleanups.push(() => listener.stop(true));
  seen.url = `http://127.0.0.1:${listener.port}/v1/x`;
  return seen;
}

/** An upstream that writes its head and then the block again and again, up to 1 GB, no faster than it is read; tells how much went out. */
export function endless(head: string, block: string | Uint8Array): { url: string; sent: () => number } {
  const bytes = Buffer.from(block);
  let sent = 0;
  const pump = (peer: Peer) => {
    while (sent < 1_000_000_000) {
      const wrote = peer.write(bytes);
      sent += Math.max(0, wrote);
      if (wrote < bytes.length) return;
    }
  };
  const server = upstream((peer) => {
    peer.write(head);
    pump(peer);
  }, pump);
  return { url: server.url, sent: () => sent };
}

/** A small POST with timeouts that a test does not reach. */
export function request(url: string, over: Partial<UpstreamRequest> = {}): UpstreamRequest {
  return {
    url,
    method: "POST",
    headers: { "content-type": "application/json" },
    body: "{}",
    connectTimeoutMs: 5000,
    firstByteTimeoutMs: 5000,
    idleTimeoutMs: 5000,
    maxBytes: 10_000_000,
    signal: new AbortController().signal,
    ...over,
  };
}

/** The fault that the work must end in. */
export async function faultOf(work: Promise<unknown>): Promise<UpstreamFault> {
  try {
    await work;
  } catch (error) {
    if (error instanceof UpstreamFault) return error;
    throw error;
  }
  throw new Error("no fault was raised");
}

/** Checks that the work ends in a fault of this kind. */
export async function expectFault(work: Promise<unknown>, kind: FaultKind): Promise<void> {
  expect((await faultOf(work)).kind).toBe(kind);
}

/** The whole body as text. */
export async function text(response: UpstreamResponse): Promise<string> {
  return new TextDecoder().decode(await response.readAll());
}

/** Waits for something that happens on the server's side, for two seconds at most. */
export async function until(condition: () => boolean): Promise<void> {
  for (let i = 0; i < 400 && !condition(); i++) await Bun.sleep(5);
  expect(condition()).toBe(true);
}

/** The beginning of a response. */
export const HEAD = "HTTP/1.1 200 OK\r\n";
/** A whole response. */
export const OK = `${HEAD}content-length: 2\r\n\r\nok`;
/** A chunked response that has begun. */
export const CHUNKED = `${HEAD}content-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n`;
