/**
 * A caller on a bare socket, which leaves exactly where a test says: before, in and after its body, at any event, after the end.
 * No HTTP client can do that, nor tell what it had received.
 */
import { connect, type Socket } from "node:net";
import { type Format, LOOKS } from "./formats.ts";

/** When a caller leaves. `seen`: its call has reached the upstream. `accepted`: the upstream's headers are out. */
export type Leave =
  | { readonly at: "head" | "half-body" | "last-byte" | "chunked-body" | "seen" | "accepted" | "first-byte" | "end" }
  | { readonly at: "pieces"; readonly count: number }
  | { readonly at: "half-close" | "reset-at-end" | "stall" | "never" };

export interface Ask {
  readonly url: string;
  readonly key: string;
  /** In the user agent, and so in the record. */
  readonly name: string;
  readonly format: Format;
  readonly model: string;
  readonly text: string;
  readonly streamed: boolean;
  /** For the format that must say it. */
  readonly maxTokens: number;
  readonly leave: Leave;
  /** Resolves when the upstream has the call, or has accepted it. */
  untilUpstream(what: "seen" | "accepted"): Promise<void>;
}

/** What a caller had when it left, or when the gateway closed. */
export interface Got {
  readonly status: number | undefined;
  readonly text: string;
}

const MAX_TEXT = 4_000_000;
/** Whoever has neither an end nor a reason to leave by then is stuck. */
const STUCK_MS = 30_000;

/** Longer than the gateway has patience with callers who do not read. */
const STALL_MS = 2500;

/** Makes one call. Resolves when the connection is gone. */
export function call(ask: Ask): Promise<Got> {
  const { hostname, port } = new URL(ask.url);
  const { promise, resolve, reject } = Promise.withResolvers<Got>();
  const socket = connect(Number(port), hostname);
  let text = "";
  let hasStalled = false;
  const stuck = setTimeout(() => {
    socket.destroy();
    reject(new Error(`${ask.name} is stuck after ${text.slice(-300)}`));
  }, STUCK_MS);
  socket.setNoDelay(true);
  socket.on("error", () => {});
  socket.on("close", () => {
    clearTimeout(stuck);
    const status = /^HTTP\/1\.1 (\d{3})/.exec(text);
    resolve({ status: status?.[1] === undefined ? undefined : Number(status[1]), text });
  });
  socket.on("connect", () => void send(socket, ask).catch(reject));
  socket.on("data", (chunk: Buffer) => {
    if (text.length < MAX_TEXT) text += chunk.toString("latin1");
    if (ask.leave.at === "stall" && !hasStalled) {
      hasStalled = true;
      socket.pause();
      setTimeout(() => socket.resume(), STALL_MS);
    } else if (isTime(text, ask)) {
      if (ask.leave.at === "reset-at-end") socket.resetAndDestroy();
      else socket.destroy();
    } else if (ask.leave.at !== "first-byte" && isWhole(text, ask)) socket.destroy();
  });
  return promise;
}

async function send(socket: Socket, ask: Ask): Promise<void> {
  const { leave, format, model, streamed } = ask;
  const look = LOOKS[format];
  const body = Buffer.from(JSON.stringify(look.body(model, ask.text, streamed, ask.maxTokens)));
  const chunked = leave.at === "chunked-body";
  const length = chunked ? "transfer-encoding: chunked" : `content-length: ${body.length}`;
  socket.write(
    `POST ${look.path(model, streamed)} HTTP/1.1\r\nhost: sluice\r\nauthorization: Bearer ${ask.key}\r\n` +
      `user-agent: ${ask.name}\r\ncontent-type: application/json\r\n${length}\r\n\r\n`,
  );
  if (leave.at === "head") return leaveSoon(socket);
  if (leave.at === "half-body" || leave.at === "last-byte") {
    socket.write(body.subarray(0, leave.at === "last-byte" ? body.length - 1 : body.length >> 1));
    return leaveSoon(socket);
  }
  if (chunked) {
    socket.write(`${body.length.toString(16)}\r\n`);
    socket.write(body);
    return leaveSoon(socket);
  }
  socket.write(body);
  if (leave.at === "half-close") {
    await ask.untilUpstream("seen");
    socket.end();
  } else if (leave.at === "seen" || leave.at === "accepted") {
    await ask.untilUpstream(leave.at);
    socket.destroy();
  }
}

const SOON_MS = 30;

/** Later than what was written arrives, so that the gateway is in the middle of reading. */
async function leaveSoon(socket: Socket): Promise<void> {
  await Bun.sleep(SOON_MS);
  socket.destroy();
}

function isTime(text: string, { leave, format, streamed }: Ask): boolean {
  switch (leave.at) {
    case "first-byte":
      return text.length > 0;
    case "pieces":
      return (text.match(LOOKS[format].piece)?.length ?? 0) >= leave.count;
    case "end":
    case "reset-at-end":
      return streamed ? hasEnd(text, format) : isWhole(text, { streamed, format });
    default:
      return false;
  }
}

/** The last event is there, with the blank line that ends it. */
function hasEnd(text: string, format: Format): boolean {
  const at = text.lastIndexOf(LOOKS[format].end);
  return at >= 0 && /\r?\n\r?\n/.test(text.slice(at));
}

/** The answer is complete as HTTP has it. */
function isWhole(text: string, { streamed }: Pick<Ask, "streamed" | "format">): boolean {
  const head = text.indexOf("\r\n\r\n");
  if (head < 0) return false;
  const length = /content-length: (\d+)/i.exec(text.slice(0, head));
  if (length) return text.length - head - 4 >= Number(length[1]);
  return streamed && text.endsWith("0\r\n\r\n");
}
