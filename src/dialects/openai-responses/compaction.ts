/**
 * Compaction: a conversation that grew too long becomes a summary, which Codex and the SDKs then send in its place.
 * Where the upstream cannot do it, it is an ordinary call to the model here, and its text travels in an item of our own.
 */
import { GatewayError, invalidRequest } from "../../core/error.ts";
import type { Choice, Reply } from "../../core/event.ts";
import { asArray, asObject, asString, type JsonObject } from "../../core/json.ts";
import { collectLosses } from "../../core/loss.ts";
import type { CanonicalRequest, Message, OpaquePart } from "../../core/request.ts";
import type { EncodeContext, StreamEncoder } from "../dialect.ts";
import { encodeInputContent } from "./content.ts";
import { asExtras, idBody, OWN, own } from "./wire.ts";

/** Begins what we put into `encrypted_content`; relay sees by it that the item is none of the upstream's. */
const SEAL = "sluice.compaction.";

const INSTRUCTION = [
  "The conversation above has grown too long to be continued as it is. Write the summary that will replace it.",
  "Whoever goes on will see nothing but your summary, so put everything into it that the work still needs:",
  "what the user wants, in their own words where wording matters, with every constraint and preference they stated;",
  "what was done and decided, and why; the exact names of files, functions, commands, addresses and values in play;",
  "errors that were met and how they were solved; what is unfinished, and the next step.",
  "Leave out pleasantries and what no longer matters. Call no tools. Answer with the summary alone.",
].join("\n");

const INTRODUCTION = "Summary of the conversation up to here, which replaces its earlier turns:";

/** Kinds of items that hold a compacted conversation. */
const HOLDERS: ReadonlySet<string> = new Set(["compaction", "compaction_summary", "context_compaction"]);

/** Whether the input ends with the wish to be compacted. */
export function isTriggered(body: JsonObject): boolean {
  return asObject(asArray(body.input).at(-1))?.type === "compaction_trigger";
}

/** An item of ours as the turn that tells its summary; undefined for any other item. */
export function openCompaction(item: JsonObject): Message | undefined {
  const sealed = asString(item.encrypted_content);
  if (!HOLDERS.has(asString(item.type) ?? "") || !sealed?.startsWith(SEAL)) return undefined;
  const summary = Buffer.from(sealed.slice(SEAL.length), "base64").toString("utf8");
  const content = [{ type: "text" as const, text: `${INTRODUCTION}\n\n${summary}` }];
  return { role: "user", content, ...asExtras({ $compacted: true }) };
}

/**
 * The request for the summary of a conversation. The tools stay, since its calls would be strange without them and the
 * upstream's cache of the prompt would be lost. Throws `invalid_request` when not all of the conversation is there.
 */
export function askForSummary(request: CanonicalRequest): CanonicalRequest {
  const extras = own(request);
  if ((extras?.previous_response_id ?? extras?.conversation ?? null) !== null) {
    throw invalidRequest("Only a conversation that is sent whole, in `input`, can be compacted here.", "input");
  }
  if (request.messages.length === 0) throw invalidRequest("input: there is nothing to compact.", "input");
  const { outputFormat: _, toolChoice: __, ...others } = request;
  return {
    ...others,
    ...(request.tools && { toolChoice: { type: "none" as const } }),
    messages: [...request.messages, { role: "user", content: [{ type: "text", text: INSTRUCTION }] }],
    extras: { ...request.extras, [OWN]: { ...extras, $compact: true } },
  };
}

/** Whether an answer to this request is a summary. */
export function isCompacting(request: CanonicalRequest): boolean {
  return own(request)?.$compact === true;
}

/** A summary as the item that carries it. Throws `upstream_unavailable` for none: it would erase the conversation. */
function seal(summary: string, context: EncodeContext): OpaquePart {
  if (summary.trim() === "") throw noSummary();
  const encrypted_content = SEAL + Buffer.from(summary, "utf8").toString("base64");
  return {
    type: "opaque",
    dialect: OWN,
    value: { id: `cmp_${idBody(context.id)}`, type: "compaction", encrypted_content },
  };
}

function noSummary(): GatewayError {
  return new GatewayError("upstream_unavailable", "The model wrote no summary of the conversation.");
}

/** The reply with the summary's item as its only part. Throws `upstream_unavailable` when the model wrote none. */
export function sealReply(reply: Reply, context: EncodeContext): Reply {
  const texts = reply.choices[0]?.parts.map((part) => (part.type === "text" ? part.text : "")) ?? [];
  const choice: Choice = { parts: [seal(texts.join(""), context)], finish: { reason: "stop" } };
  return { ...reply, choices: [choice] };
}

/** A stream that tells the summary's item, whole, in place of the text. */
export function sealStream(inner: StreamEncoder, context: EncodeContext): StreamEncoder {
  const ignored = new Set<number>();
  let summary = "";
  return {
    event(event) {
      if ("choice" in event && event.choice !== 0) return "";
      switch (event.type) {
        case "message-start":
        case "usage":
          return inner.event(event);
        case "part-start":
          if (event.start.type !== "text") ignored.add(event.part);
          return "";
        case "part":
          if (event.value.type === "text") summary += event.value.text;
          return "";
        case "text-delta":
          if (!ignored.has(event.part)) summary += event.text;
          return "";
        case "message-end": {
          if (summary.trim() === "") return inner.error(noSummary());
          const told = inner.event({ type: "part", choice: 0, part: 0, value: seal(summary, context) });
          return told + inner.event({ type: "message-end", choice: 0, finish: { reason: "stop" } });
        }
        default:
          return "";
      }
    },
    end: () => inner.end(),
    error: (error) => inner.error(error),
  };
}

/** What the route that compacts keeps beside the summary: the user's own turns, as the provider does it too. */
export function keptTurns({ request, id }: EncodeContext): JsonObject[] {
  const turns: JsonObject[] = [];
  for (const message of request.messages.slice(0, -1)) {
    if (message.role !== "user" || own(message)?.$compacted === true) continue;
    const parts = message.content.filter((part) => part.type !== "opaque");
    const content: JsonObject[] = [];
    for (const part of parts) {
      const piece = encodeInputContent(part, collectLosses());
      if (piece) content.push(piece);
    }
    if (content.length === 0) continue;
    turns.push({
      id: `msg_${idBody(id)}_${turns.length}`,
      type: "message",
      role: "user",
      status: "completed",
      content,
    });
  }
  return turns;
}
