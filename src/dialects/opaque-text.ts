/**
 * Says in words what an opaque part of another dialect holds, for the few kinds that a model must read to go on.
 * Request encoders use it inside tool results, where dropping the part would leave an empty result.
 */
import { asArray, asObject, asString } from "../core/json.ts";
import type { OpaquePart } from "../core/request.ts";

/** The part as text, or undefined where its kind has no use for a foreign model. */
export function opaqueText({ value }: OpaquePart): string | undefined {
  switch (value.type) {
    case "tool_reference": {
      const name = asString(value.tool_name);
      return name && `The tool ${name} is available now.`;
    }
    case "search_result": {
      const texts = asArray(value.content).map((block) => asString(asObject(block)?.text));
      const lines = [asString(value.title), asString(value.source), ...texts].filter((text) => text);
      return lines.length > 0 ? lines.join("\n") : undefined;
    }
    default:
      return undefined;
  }
}
