/**
 * The requests of the benchmarks: what callers send to the gateway, and the bare proxy's counterparts.
 * `index.ts` measures them; `upstream.ts` reads the wishes in their texts (`chunks=64 gap=20`).
 */
import type { Shape } from "./load.ts";

/** How many pieces a streamed answer has. */
export const CHUNKS = 64;

/** A request at the gateway, and the same one as the bare proxy gets it. */
export interface Row {
  readonly name: string;
  readonly stream: boolean;
  readonly gateway: Shape;
  readonly bare: Shape;
}

const text = "Write a few words about a fox. ".repeat(20);
const json = { "content-type": "application/json" };

function chat(model: string, stream: boolean, wish = ""): string {
  const body = {
    model,
    messages: [
      { role: "system", content: "Be brief." },
      { role: "user", content: text + wish },
    ],
    max_tokens: 500,
  };
  return JSON.stringify(stream ? { ...body, stream, stream_options: { include_usage: true } } : body);
}

function messages(model: string, stream: boolean, wish = ""): string {
  return JSON.stringify({
    model,
    max_tokens: 500,
    system: "Be brief.",
    messages: [{ role: "user", content: text + wish }],
    ...(stream ? { stream } : {}),
  });
}

type Body = (model: string, stream: boolean, wish?: string) => string;
interface Kind {
  readonly name: string;
  readonly path: string;
  readonly body: Body;
  readonly model: string;
}

const relayChat: Kind = { name: "relay chat", path: "/v1/chat/completions", body: chat, model: "bench-chat" };
const KINDS: readonly Kind[] = [
  relayChat,
  { ...relayChat, name: "chat -> messages", model: "bench-messages" },
  { name: "messages -> chat", path: "/v1/messages", body: messages, model: "bench-chat" },
];

function row(kind: Kind, name: string, key: string, stream: boolean, wish?: string): Row {
  const headers = { ...json, authorization: `Bearer ${key}` };
  return {
    name,
    stream,
    gateway: { path: kind.path, headers, body: kind.body(kind.model, stream, wish) },
    bare: { path: kind.path, headers: json, body: kind.body("bench-1", stream, wish) },
  };
}

/** Every path of a call, plain and streamed. */
export function rows(key: string): Row[] {
  return [false, true].flatMap((stream) =>
    KINDS.map((kind) => row(kind, `${kind.name}, ${stream ? `stream of ${CHUNKS}` : "plain"}`, key, stream)),
  );
}

/** Streams whose chunks come one by one, as models talk. */
export function liveRows(key: string): Row[] {
  const wish = ` chunks=${CHUNKS} gap=20`;
  return KINDS.slice(0, 2).map((kind) => row(kind, `live chunk, ${kind.name}`, key, true, wish));
}

/** A stream that lives for some seconds. */
export function longRow(key: string): Row {
  return row(relayChat, "many", key, true, " chunks=6 gap=1000");
}
