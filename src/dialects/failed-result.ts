/**
 * Says in words that a tool failed, for formats whose tool results have no field for it.
 * The request encoders of both OpenAI formats use it; a model that takes a failure for a result goes wrong.
 */
import type { Losses } from "../core/loss.ts";
import type { ToolResultContent, ToolResultPart } from "../core/request.ts";

const WORDS = "The tool failed";

/** The result's content, its failure told before the first text. The field itself is a loss, an altered one. */
export function contentInWords(result: ToolResultPart, losses: Losses): readonly ToolResultContent[] {
  const { content, isError } = result;
  if (!isError) return content;
  losses.add("messages.isError", "altered");
  const first = content.findIndex((part) => part.type === "text" && part.text !== "");
  if (first < 0) return [{ type: "text", text: `${WORDS}.` }, ...content];
  return content.map((part, index) =>
    index === first && part.type === "text" ? { ...part, text: `${WORDS}: ${part.text}` } : part,
  );
}
