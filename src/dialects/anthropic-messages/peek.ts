/**
 * The head of a Messages request: what policy, routing and holds need, read without decoding the conversation.
 * The gateway calls it for every request, relayed ones too.
 */
import type { Capability, Head } from "../../core/head.ts";
import { asArray, asObject, type Json, type JsonObject, tryParse } from "../../core/json.ts";
import type { Edit } from "../../core/patch.ts";
import { readRoutingWish } from "../../core/preferences.ts";
import {
  optionalArray,
  optionalBoolean,
  optionalInteger,
  optionalObject,
  optionalString,
  requiredArray,
  requiredString,
} from "../../core/read.ts";
import type { RelayTarget } from "../dialect.ts";
import { searchesOf } from "../web-search.ts";

/** Reads the head. Throws `invalid_request` when a field that it reads has a wrong type. */
export function peek(body: JsonObject): Head {
  const maxOutputTokens = optionalInteger(body, "max_tokens");
  const metadata = optionalObject(body, "metadata");
  const endUser = metadata && optionalString(metadata, "user_id", "metadata");
  const searches = searchesOf(asArray(body.tools));
  const routing = readRoutingWish(body);
  const session = optionalString(body, "session_id") ?? (endUser === undefined ? undefined : sessionOf(endUser));
  return {
    model: requiredString(body, "model"),
    stream: optionalBoolean(body, "stream") ?? false,
    ...(maxOutputTokens !== undefined && { maxOutputTokens }),
    candidates: 1,
    needs: needs(body),
    wantsStreamUsage: true,
    ...(searches !== undefined && { searches }),
    ...(endUser !== undefined && { endUser }),
    ...(session !== undefined && { session }),
    ...(routing && { routing }),
  };
}

/** Thinking is no need: tools ask every model for it, and a model without it answers all the same. */
function needs(body: JsonObject): Capability[] {
  const found = new Set<Capability>();
  if ((optionalArray(body, "tools")?.length ?? 0) > 0) found.add("tools");
  const config = optionalObject(body, "output_config");
  if (config?.format != null || body.output_format != null) found.add("structured-output");
  for (const message of requiredArray(body, "messages")) addMedia(asObject(message)?.content, found);
  return [...found];
}

function addMedia(content: Json | undefined, found: Set<Capability>): void {
  if (!Array.isArray(content)) return;
  for (const item of content) {
    const block = asObject(item);
    if (block?.type === "image") found.add("images");
    else if (block?.type === "document" && asObject(block.source)?.type !== "text") found.add("files");
    else if (block?.type === "tool_result" && Array.isArray(block.content)) {
      for (const inner of block.content) addMedia([inner], found);
    }
  }
}

/** One tool writes a JSON object with the session's id into the user's id; others put both into one word. */
function sessionOf(userId: string): string {
  const written = userId.startsWith("{") ? asObject(tryParse(userId))?.session_id : undefined;
  return typeof written === "string" && written !== "" ? written : userId;
}

/** The model's name, and the target's output limit. */
export function relayEdits(_head: Head, { model, maxOutputTokens }: RelayTarget): Edit[] {
  const edits: Edit[] = [{ path: ["model"], value: JSON.stringify(model) }];
  if (maxOutputTokens !== undefined) edits.push({ path: ["max_tokens"], value: String(maxOutputTokens) });
  return edits;
}
