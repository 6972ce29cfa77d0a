/**
 * The bare proxy that the gateway is compared with: the least that a Bun program can do to pass a request on.
 * No key, no record, no parsing; streams are passed through as they come.
 */
const upstream = process.argv[2];

const server = Bun.serve({
  port: 0,
  hostname: "127.0.0.1",
  idleTimeout: 0,
  async fetch(request) {
    const path = request.url.slice(request.url.indexOf("/", 8));
    const body = await request.bytes();
    const answer = await fetch(upstream + path, {
      method: "POST",
      headers: { "content-type": "application/json", authorization: "Bearer bench" },
      body,
    });
    const headers = { "content-type": answer.headers.get("content-type") ?? "application/json" };
    if (!headers["content-type"].startsWith("text/event-stream"))
      return new Response(await answer.bytes(), { headers });
    const reader = answer.body!.getReader();
    const stream = new ReadableStream<Uint8Array>(
      {
        async pull(controller) {
          const { value, done } = await reader.read();
          if (done) controller.close();
          else controller.enqueue(value);
        },
        cancel: () => void reader.cancel(),
      },
      { highWaterMark: 0 },
    );
    return new Response(stream, { headers });
  },
});

process.stdout.write(`ready ${server.port}\n`);
