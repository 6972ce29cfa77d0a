/**
 * The Anthropic surface: Messages, at one path.
 * Everything it needs of a request is in its body.
 */
import { DIALECTS } from "../dialects/index.ts";
import { fixed } from "./surface.ts";

export const messages = fixed("messages", DIALECTS["anthropic-messages"], "messages/count_tokens");
