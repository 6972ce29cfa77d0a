/**
 * A canonical reply as a Chat completion for a caller of this format.
 * Everything that OpenAI's SDKs declare is there; reasoning comes as `reasoning_content`, and in `reasoning_details` what has to be replayed.
 */
import type { Choice, Reply } from "../../core/event.ts";
import { asObject, type Json, type JsonObject } from "../../core/json.ts";
import type { AudioPart, ThinkingPart, ToolCallPart } from "../../core/request.ts";
import { carrySignature } from "../../core/signature.ts";
import type { EncodeContext } from "../dialect.ts";
import { restoreToolCall, type ToolNames, toolNames } from "../tool-names.ts";
import { encodeAnnotation, encodeFinish, encodeImage, encodeLogprobs } from "./finish.ts";
import { writeDetail } from "./reasoning.ts";
import { usesLegacyFunctions } from "./request-decode.ts";
import { encodeUsage } from "./usage.ts";
import { addExtras, ID } from "./wire.ts";

/** A completion's id: the upstream's where it spoke this format, else one made of the gateway's own. */
export function completionId(id: string | undefined, context: EncodeContext): string {
  return id ?? `chatcmpl-${context.id}`;
}

/** The reply's body. */
export function encodeReply(reply: Reply, context: EncodeContext): JsonObject {
  const names = toolNames(context.request.tools);
  const isLegacy = usesLegacyFunctions(context.request);
  const isOwn = reply.choices[0]?.finish.native?.dialect === ID;
  const body: JsonObject = {
    id: completionId(isOwn ? reply.id : undefined, context),
    object: "chat.completion",
    created: (isOwn ? reply.createdAt : undefined) ?? context.createdAt,
    model: context.model,
    choices: reply.choices.map((choice, index) => encodeChoice(choice, index, names, isLegacy)),
  };
  if (reply.usage) body.usage = encodeUsage(reply.usage, reply.usageExtras?.[ID]);
  addExtras(body, reply.extras?.[ID]);
  return body;
}

function encodeChoice(choice: Choice, index: number, names: ToolNames, isLegacy: boolean): JsonObject {
  const own = choice.extras?.[ID];
  const message = encodeMessage(choice, names, isLegacy);
  addAnnotations(message, asObject(own?.message));
  addExtras(message, asObject(own?.message));
  const wire: JsonObject = { index, message, logprobs: null, finish_reason: encodeFinish(choice.finish, isLegacy) };
  const inner = asObject(own?.logprobs);
  if (choice.logprobs || inner) {
    const { content, refusal } = choice.logprobs ?? {};
    wire.logprobs = {
      content: content ? encodeLogprobs(content) : null,
      refusal: refusal ? encodeLogprobs(refusal) : null,
      ...inner,
    };
  }
  addExtras(wire, own);
  // What belongs into the message or the log probabilities has been put there.
  return wire;
}

/** Joins what else the upstream annotated to the citations. */
function addAnnotations(message: JsonObject, own: JsonObject | undefined): void {
  if (!Array.isArray(own?.annotations)) return;
  message.annotations = [...(Array.isArray(message.annotations) ? message.annotations : []), ...own.annotations];
}

function encodeMessage(choice: Choice, names: ToolNames, isLegacy: boolean): JsonObject {
  const message: JsonObject = { role: "assistant", content: null, refusal: null };
  const calls: ToolCallPart[] = [];
  const details: Json[] = [];
  const images: Json[] = [];
  const annotations: Json[] = [];
  let reasoning = "";
  let text: string | undefined;
  for (const part of choice.parts) {
    switch (part.type) {
      case "text":
        if (part.signature) addDetail({ text: "", signature: part.signature }, details);
        for (const annotation of part.annotations ?? []) {
          annotations.push(encodeAnnotation(annotation, text?.length ?? 0));
        }
        text = (text ?? "") + part.text;
        break;
      case "refusal":
        message.refusal = (typeof message.refusal === "string" ? message.refusal : "") + part.text;
        break;
      case "thinking":
        reasoning += part.text;
        addDetail(part, details);
        break;
      case "tool-call":
        calls.push(restoreToolCall(part, names));
        break;
      case "image": {
        const image = encodeImage(part);
        if (image) images.push(image);
        break;
      }
      case "audio":
        message.audio = encodeAudio(part);
    }
  }
  if (text !== undefined) message.content = text;
  if (annotations.length > 0) message.annotations = annotations;
  if (reasoning) message.reasoning_content = reasoning;
  if (details.length > 0) message.reasoning_details = details;
  if (images.length > 0) message.images = images;
  const [first] = calls;
  if (isLegacy && first) message.function_call = { name: first.name, arguments: first.arguments };
  else if (first) message.tool_calls = calls.map(encodeCall);
  else if (text === undefined && message.refusal === null && message.audio === undefined) message.content = "";
  return message;
}

function addDetail(part: Omit<ThinkingPart, "type">, details: Json[]): void {
  const detail = writeDetail(part, details.length);
  if (detail) details.push(detail);
}

/** A call in a reply, Gemini's signature with it. */
export function encodeCall(call: ToolCallPart): JsonObject {
  const wire: JsonObject =
    call.kind === "custom"
      ? { id: call.id, type: "custom", custom: { name: call.name, input: call.arguments } }
      : { id: call.id, type: "function", function: { name: call.name, arguments: call.arguments } };
  if (call.signature) wire.extra_content = signatureContent(carrySignature(call.signature, "gemini"));
  addExtras(wire, call.extras?.[ID]);
  return wire;
}

/** Where Google's own Chat endpoint puts a signature. */
export function signatureContent(signature: string): JsonObject {
  return { google: { thought_signature: signature } };
}

/** Audio in a reply. Its id and expiry are the upstream's; SDKs declare both. */
export function encodeAudio({ source, transcript, extras }: AudioPart): JsonObject {
  const own = extras?.[ID];
  return {
    id: own?.id ?? "audio",
    data: source.type === "base64" ? source.data : "",
    expires_at: own?.expires_at ?? 0,
    transcript: transcript ?? "",
  };
}
