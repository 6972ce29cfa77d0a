/**
 * Tests of the upstream client's responses, connections and faults, against raw TCP servers.
 * They stand beside the client; its limits, timeouts and cancelling are in `http-limits.test.ts`.
 */

import { describe, expect, test } from "bun:test";
import { brotliCompressSync, deflateSync, zstdCompressSync } from "node:zlib";
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
  upstream,
} from "../../test/support/tcp-upstream.ts";
import { send } from "./http.ts";

expectNothingLeft();

describe("a response", () => {
  test("comes with status, headers and body, and asks for no compression", async () => {
    const server = Bun.serve({
      hostname: "127.0.0.1",
      port: 0,
      fetch: async (received) =>
        new Response(`${received.method} ${received.headers.get("accept-encoding")} ${await received.text()}`, {
          status: 201,
          headers: { "x-id": "7" },
        }),
    });
    afterThisTest(() => server.stop(true));
    const response = await send(request(server.url.href, { body: new TextEncoder().encode("héllo") }));
    expect(response.status).toBe(201);
    expect(response.headers.get("x-id")).toBe("7");
    expect(await text(response)).toBe("POST identity héllo");
    expect(await response.next()).toBeUndefined();
    const second = await send(request(server.url.href, { method: "GET", body: undefined }));
    expect(await text(second)).toBe("GET identity ");
  });

  test("is read piece by piece", async () => {
    const server = upstream((peer) => {
      peer.write(CHUNKED);
      setTimeout(() => peer.write("2\r\nde\r\n0\r\n\r\n"), 30);
    });
    const response = await send(request(server.url));
    const pieces: string[] = [];
    for (let piece = await response.next(); piece !== undefined; piece = await response.next()) {
      pieces.push(new TextDecoder().decode(piece));
    }
    expect(pieces).toEqual(["abc", "de"]);
  });

  test("without a body has ended at once", async () => {
    const server = upstream((peer) => peer.write("HTTP/1.1 204 No Content\r\n\r\n"));
    expect(await (await send(request(server.url))).next()).toBeUndefined();
    expect((await (await send(request(server.url))).readAll()).length).toBe(0);
  });

  test("that redirects is given back, not followed", async () => {
    const server = upstream((peer) =>
      peer.write("HTTP/1.1 307 Temporary Redirect\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n"),
    );
    const response = await send(request(server.url));
    expect(response.status).toBe(307);
    expect(await text(response)).toBe("");
    expect(server.requests).toBe(1);
  });

  test("may have early hints before it, chunk extensions and trailers in it", async () => {
    const server = upstream((peer) =>
      peer.write(
        `HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n${HEAD}transfer-encoding: chunked\r\n\r\n3;a=b\r\nabc\r\n0\r\nx-t: 1\r\n\r\n`,
      ),
    );
    const response = await send(request(server.url));
    expect([response.status, await text(response)]).toEqual([200, "abc"]);
  });
});

describe("a compressed response that nobody asked for", () => {
  const text = "data: hello\n\n".repeat(1000);
  const forms: [string, Uint8Array][] = [
    ["gzip", Bun.gzipSync(text)],
    ["deflate", deflateSync(text)],
    ["br", brotliCompressSync(text)],
    ["zstd", zstdCompressSync(text)],
    ["identity", new TextEncoder().encode(text)],
  ];
  function serve(encoding: string, body: Uint8Array): string {
    const headers = { "content-encoding": encoding };
    const server = Bun.serve({ hostname: "127.0.0.1", port: 0, fetch: () => new Response(body, { headers }) });
    afterThisTest(() => server.stop(true));
    return server.url.href;
  }
  for (const [encoding, body] of forms) {
    test(`by ${encoding} is read`, async () => {
      const response = await send(request(serve(encoding, body)));
      expect(new TextDecoder().decode(await response.readAll())).toBe(text);
    });
  }
  test("in an unknown or broken form is a fault", async () => {
    await expectFault((await send(request(serve("pack200", new Uint8Array(9))))).next(), "protocol");
    await expectFault((await send(request(serve("gzip", new Uint8Array(99))))).readAll(), "protocol");
    await expectFault((await send(request(serve("gzip", Bun.gzipSync(text).subarray(0, 50))))).readAll(), "protocol");
  });
});

describe("a connection", () => {
  test("that is refused", async () => {
    const listener = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data() {} } });
    const url = `http://127.0.0.1:${listener.port}/`;
    listener.stop(true);
    const fault = await faultOf(send(request(url)));
    expect([fault.kind, fault.hasResponse]).toEqual(["connect", false]);
  });

  test("that is reset or closed before the headers", async () => {
    await expectFault(send(request(upstream((peer) => peer.terminate()).url)), "reset");
    await expectFault(send(request(upstream((peer) => peer.end()).url)), "reset");
  });

  test("that is reset in the middle of the body", async () => {
    for (const head of [CHUNKED, `${HEAD}content-length: 9\r\n\r\nabc`]) {
      const server = upstream((peer) => {
        peer.write(head);
        setTimeout(() => peer.terminate(), 30);
      });
      const response = await send(request(server.url));
      expect(await response.next()).toBeDefined();
      const fault = await faultOf(response.next());
      expect([fault.kind, fault.hasResponse]).toEqual(["reset", true]);
      await expectFault(response.next(), "reset");
    }
  });

  test("that does not speak TLS", async () => {
    const server = upstream((peer) => {
      peer.write("HTTP/1.1 400 Bad Request\r\n\r\n");
      peer.end();
    });
    await expectFault(send(request(server.url.replace("http:", "https:"))), "tls");
  });

  test("that is kept is used again", async () => {
    const server = upstream((peer) => peer.write(OK));
    for (let i = 0; i < 3; i++) expect(await text(await send(request(server.url)))).toBe("ok");
    expect([server.connections, server.requests]).toEqual([1, 3]);
  });

  test("that is kept but dies with the next request is replaced once", async () => {
    for (const end of ["terminate", "end"] as const) {
      const server = upstream((peer, nth) => (nth === 1 ? peer.write(OK) : peer[end]()));
      expect(await text(await send(request(server.url)))).toBe("ok");
      expect(await text(await send(request(server.url)))).toBe("ok");
      expect([server.connections, server.requests]).toEqual([2, 3]);
    }
  });

  test("is replaced only once", async () => {
    let isUp = true;
    const server = upstream((peer, nth) => (isUp && nth === 1 ? peer.write(OK) : peer.end()));
    await text(await send(request(server.url)));
    isUp = false;
    await expectFault(send(request(server.url)), "reset");
    expect(server.requests).toBe(3);
  });

  test("that never answered before is not tried again", async () => {
    const server = upstream((peer) => peer.end());
    await expectFault(send(request(server.url)), "reset");
    expect(server.requests).toBe(1);
  });
});

describe("invalid HTTP", () => {
  const wrong: [string, string][] = [
    ["another protocol", "SSH-2.0-OpenSSH\r\n"],
    ["two lengths", `${HEAD}content-length: 3\r\ncontent-length: 5\r\n\r\nabcde`],
    ["too many headers", `${HEAD}${"x: y\r\n".repeat(5000)}\r\n`],
    ["a chunk of no size", `${HEAD}transfer-encoding: chunked\r\n\r\nZZ\r\nabc\r\n`],
  ];
  for (const [name, bytes] of wrong) {
    test(`${name} is a fault`, async () => {
      const server = upstream((peer) => peer.write(bytes));
      await expectFault(
        send(request(server.url)).then((response) => response.readAll()),
        "protocol",
      );
    });
  }

  test("headers without an end are cut off", async () => {
    const server = endless(HEAD, `x: ${"y".repeat(60_000)}`);
    await expectFault(send(request(server.url)), "protocol");
    expect(server.sent()).toBeLessThan(50_000_000);
  });

  test("a fault's message names neither URL nor key", async () => {
    const server = upstream((peer) => peer.write("SSH-2.0-OpenSSH\r\n"));
    const fault = await faultOf(send(request(`${server.url}?key=s3cret`)));
    expect(`${fault.message} ${fault.code} ${JSON.stringify(fault)}`).not.toContain("s3cret");
  });
});
