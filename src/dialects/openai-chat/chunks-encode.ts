/**
 * The text of a stream's chunks as far as Chat and the old text completions write it alike.
 * Both formats' `stream-encode.ts` put their choices between these, as text, for every event of every converted stream.
 */
import type { JsonObject } from "../../core/json.ts";
import type { Usage } from "../../core/usage.ts";
import type { EncodeContext } from "../dialect.ts";
import { encodeUsage } from "./usage.ts";
import { addExtras } from "./wire.ts";

/** A chunk up to its choices. */
export function chunkHead(object: string, id: string, createdAt: number, { model }: EncodeContext): string {
  return `data: {"id":${JSON.stringify(id)},"object":"${object}","created":${createdAt},"model":${JSON.stringify(model)},`;
}

/** An object's fields, to be put after others. */
export function moreFields(fields: JsonObject | undefined): string {
  if (!fields) return "";
  const said: JsonObject = {};
  addExtras(said, fields);
  const text = JSON.stringify(said);
  return text === "{}" ? "" : `,${text.slice(1, -1)}`;
}

/** What a stream's encoder knows when its last event has come. */
interface Ending {
  readonly context: EncodeContext;
  readonly head: string;
  readonly usage: Usage | undefined;
  readonly usageExtras: JsonObject | undefined;
}

/** The end of a stream: the usage where the caller wants it, and `[DONE]`. */
export function encodeEnd({ context, head, usage, usageExtras }: Ending): string {
  const isTold = context.wantsStreamUsage && usage;
  const chunk = isTold ? `${head}"choices":[],"usage":${JSON.stringify(encodeUsage(usage, usageExtras))}}\n\n` : "";
  return `${chunk}data: [DONE]\n\n`;
}
