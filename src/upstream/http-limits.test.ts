/**
 * Tests of what bounds an upstream call: sizes, timeouts, cancelling, backpressure, against raw TCP servers.
 * They stand beside the client.
 */

import { describe, expect, test } from "bun:test";
import { connect, type Socket as NetSocket } from "node:net";
import {
  afterThisTest,
  CHUNKED,
  endless,
  expectFault,
  expectNothingLeft,
  faultOf,
  HEAD,
  OK,
  request,
  text,
  until,
  upstream,
} from "../../test/support/tcp-upstream.ts";
import { send, type UpstreamFault } from "./http.ts";
import { watchedCount } from "./watch.ts";

expectNothingLeft();

describe("sizes", () => {
  const BLOCK = "x".repeat(65_536);

  test("an endless body is cut off at the limit, and little more was taken in", async () => {
    const server = endless(`${HEAD}content-type: text/event-stream\r\n\r\n`, BLOCK);
    await expectFault((await send(request(server.url, { maxBytes: 5_000_000 }))).readAll(), "too-large");
    expect(server.sent()).toBeLessThan(60_000_000);
  });

  test("nothing is read ahead of a reader that does not read", async () => {
    const server = endless(`${HEAD}content-type: text/event-stream\r\n\r\n`, BLOCK);
    const response = await send(request(server.url, { maxBytes: 1_000_000_000 }));
    await response.next();
    await Bun.sleep(200);
    expect(server.sent()).toBeLessThan(60_000_000);
    response.cancel();
  });

  test("a length over the limit is refused before the body", async () => {
    const server = endless(`${HEAD}content-length: 1000000000\r\n\r\n`, BLOCK);
    await expectFault((await send(request(server.url))).readAll(1_000_000), "too-large");
  });

  test("readAll has its own limit", async () => {
    const server = upstream((peer) => peer.write(`${CHUNKED}0\r\n\r\n`));
    expect((await (await send(request(server.url))).readAll(3)).length).toBe(3);
    await expectFault((await send(request(server.url))).readAll(2), "too-large");
  });

  test("a compressed bomb is cut off by its inflated size", async () => {
    const bomb = Bun.gzipSync(new Uint8Array(100_000_000));
    const server = Bun.serve({
      hostname: "127.0.0.1",
      port: 0,
      fetch: () => new Response(bomb, { headers: { "content-encoding": "gzip" } }),
    });
    afterThisTest(() => server.stop(true));
    const response = await send(request(server.url.href, { maxBytes: 1_000_000 }));
    await expectFault(response.readAll(), "too-large");
  });
});

describe("timeouts", () => {
  test("no headers", async () => {
    const server = upstream(() => {});
    const fault = await faultOf(send(request(server.url, { firstByteTimeoutMs: 60 })));
    expect([fault.kind, fault.hasResponse]).toEqual(["first-byte-timeout", false]);
    await until(() => server.closed > 0);
  });

  test("a silent body, streamed or whole", async () => {
    for (const head of [CHUNKED, `${HEAD}content-length: 9\r\n\r\nabc`]) {
      const server = upstream((peer) => peer.write(head));
      const streamed = await send(request(server.url, { idleTimeoutMs: 60 }));
      await streamed.next();
      await expectFault(streamed.next(), "idle-timeout");
      const whole = await send(request(server.url, { idleTimeoutMs: 60 }));
      await expectFault(whole.readAll(), "idle-timeout");
      await until(() => server.closed >= 2);
    }
  });

  test("a reader that takes its time is not a silent upstream", async () => {
    const server = upstream((peer) => peer.write(`${CHUNKED}0\r\n\r\n`));
    const response = await send(request(server.url, { idleTimeoutMs: 40, firstByteTimeoutMs: 1000 }));
    await Bun.sleep(150);
    expect(await response.next()).toBeDefined();
    await Bun.sleep(150);
    expect(await response.next()).toBeUndefined();
  });

  test("a body that keeps coming is not cut off", async () => {
    const server = upstream((peer) => {
      peer.write(CHUNKED);
      let left = 10;
      const timer = setInterval(() => {
        peer.write(left > 0 ? "1\r\nx\r\n" : "0\r\n\r\n");
        if (left-- === 0) clearInterval(timer);
      }, 30);
    });
    expect(await text(await send(request(server.url, { idleTimeoutMs: 200 })))).toBe("abcxxxxxxxxxx");
  });

  test("a listener that accepts no connection is a connect timeout, not a late answer", async () => {
    // The kernel completes as many handshakes as the backlog (512) holds; then it leaves them unanswered.
    const listener = `const s = Bun.listen({ port: 0, hostname: "127.0.0.1", socket: { data() {} } });
      require("node:fs").writeSync(1, s.port + "\\n");
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 20000);`;
    const child = Bun.spawn([process.execPath, "-e", listener], { stdout: "pipe" });
    const held: NetSocket[] = [];
    afterThisTest(() => {
      for (const socket of held) socket.destroy();
      child.kill(9);
      return child.exited;
    });
    const port = Number(new TextDecoder().decode((await child.stdout.getReader().read()).value));
    for (let i = 0; i < 560; i++) {
      held.push(connect(port, "127.0.0.1").on("error", () => {}));
      if (i % 40 === 39) await Bun.sleep(5);
    }
    await Bun.sleep(50);
    const calls = [0, 1, 2].map(() => faultOf(send(request(`http://127.0.0.1:${port}/`, { connectTimeoutMs: 100 }))));
    expect((await Promise.all(calls)).map((fault) => fault.kind)).toEqual(Array(3).fill("connect-timeout"));
    const unlimited = request(`http://127.0.0.1:${port}/`, { connectTimeoutMs: 0, firstByteTimeoutMs: 200 });
    await expectFault(send(unlimited), "first-byte-timeout");
  });

  test("the connect timeout does not end a call that is connected and waits for its answer", async () => {
    const server = upstream((peer) => setTimeout(() => peer.write(OK), 200));
    expect(await text(await send(request(server.url, { connectTimeoutMs: 50 })))).toBe("ok");
  });
});

describe("ending a call", () => {
  test("by a signal that has gone off already sends nothing", async () => {
    const server = upstream((peer) => peer.write(OK));
    await expectFault(send(request(server.url, { signal: AbortSignal.abort() })), "cancelled");
    expect(server.connections).toBe(0);
  });

  test("by its signal before the headers closes the connection", async () => {
    const server = upstream(() => {});
    const controller = new AbortController();
    const fault = faultOf(send(request(server.url, { signal: controller.signal })));
    await until(() => server.requests === 1);
    controller.abort();
    expect((await fault).kind).toBe("cancelled");
    await until(() => server.closed >= server.connections);
  });

  test("by its signal in the middle of the body rejects the waiting read and closes the connection", async () => {
    const server = upstream((peer) => peer.write(CHUNKED));
    const controller = new AbortController();
    const response = await send(request(server.url, { signal: controller.signal }));
    await response.next();
    const waiting = faultOf(response.next());
    controller.abort();
    expect((await waiting).kind).toBe("cancelled");
    await expectFault(response.next(), "cancelled");
    await expectFault(response.readAll(), "cancelled");
    await until(() => server.closed >= server.connections);
  });

  test("by cancel closes the connection, read or not", async () => {
    for (const reads of [0, 1]) {
      const server = upstream((peer) => peer.write(CHUNKED));
      const response = await send(request(server.url));
      for (let i = 0; i < reads; i++) await response.next();
      response.cancel();
      response.cancel();
      await until(() => server.closed >= server.connections);
    }
  });

  test("after its end does nothing", async () => {
    const server = upstream((peer) => peer.write(OK));
    const controller = new AbortController();
    const response = await send(request(server.url, { signal: controller.signal }));
    expect(await text(response)).toBe("ok");
    controller.abort();
    response.cancel();
    expect(await response.next()).toBeUndefined();
    expect(await text(await send(request(server.url)))).toBe("ok");
    expect(server.connections).toBeLessThanOrEqual(2);
  });

  test("500 times at odd moments leaves nothing behind", async () => {
    const server = upstream((peer, nth) => {
      if ((server.requests + nth) % 3 === 0) return;
      peer.write(CHUNKED);
    });
    const one = async (i: number) => {
      const controller = new AbortController();
      const call = request(server.url, { signal: controller.signal });
      setTimeout(() => controller.abort(), i % 7);
      try {
        const response = await send(call);
        // Some are never read, some are being read as they end.
        if (i % 2 === 0) while ((await response.next()) !== undefined);
        else await Bun.sleep(10);
      } catch (error) {
        expect((error as UpstreamFault).kind).toBe("cancelled");
      }
    };
    for (let batch = 0; batch < 20; batch++) {
      await Promise.all(Array.from({ length: 25 }, (_, i) => one(batch * 25 + i)));
    }
    await until(() => server.closed >= server.connections && watchedCount() === 0);
  });
});
