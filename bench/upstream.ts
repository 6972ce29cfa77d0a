/**
 * The upstream of the benchmarks: canned answers in all four formats, as cheap as a server can be.
 * A process of its own, so that its work is in nobody's figures.
 */
import { PLAIN, STREAM_HEAD, STREAM_PIECE, STREAM_TAIL } from "./canned.ts";

const encoder = new TextEncoder();
const JSON_HEADERS = { "content-type": "application/json" };
const SSE_HEADERS = { "content-type": "text/event-stream" };

type Format = keyof typeof PLAIN;

function formatOf(path: string): Format {
  if (path.endsWith("/chat/completions")) return "chat";
  if (path.endsWith("/responses")) return "responses";
  if (path.endsWith("/messages")) return "messages";
  return "gemini";
}

/** A stream in one piece (gap 0), or a piece every `gapMs`: then each is a chunk of its own for everybody on the way. */
function stream(format: Format, chunks: number, gapMs: number): ReadableStream<Uint8Array> | Uint8Array {
  const piece = STREAM_PIECE[format];
  if (gapMs === 0) return encoder.encode(STREAM_HEAD[format] + piece.repeat(chunks) + STREAM_TAIL[format]);
  const bytes = encoder.encode(piece);
  let sent = 0;
  return new ReadableStream({
    start: (controller) => controller.enqueue(encoder.encode(STREAM_HEAD[format])),
    async pull(controller) {
      await Bun.sleep(gapMs);
      if (sent++ < chunks) return controller.enqueue(bytes);
      controller.enqueue(encoder.encode(STREAM_TAIL[format]));
      controller.close();
    },
  });
}

const server = Bun.serve({
  port: 0,
  hostname: "127.0.0.1",
  idleTimeout: 0,
  async fetch(request) {
    const path = request.url.slice(request.url.indexOf("/", 8)).split("?")[0] ?? "";
    const format = formatOf(path.replace(/:.*$/, path.includes(":") ? "/gemini" : ""));
    const text = await request.text();
    const wish = /chunks=(\d+) gap=(\d+)/.exec(text);
    const streamed = path.endsWith(":streamGenerateContent") || text.includes('"stream":true');
    if (!streamed) return new Response(PLAIN[format], { headers: JSON_HEADERS });
    return new Response(stream(format, Number(wish?.[1] ?? 64), Number(wish?.[2] ?? 0)), { headers: SSE_HEADERS });
  },
});

process.stdout.write(`ready ${server.port}\n`);
