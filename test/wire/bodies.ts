/**
 * The request bodies that the official SDKs' types allow, as plain types: `schemas.ts` makes JSON schemas of them.
 * Nothing on the path of a call reads this; it says what an upstream takes from a converted request.
 */
import type { MessageCreateParamsBase } from "@anthropic-ai/sdk/resources/messages/messages";
import type { Content, GenerationConfig, SafetySetting, Tool, ToolConfig } from "@google/genai";

/**
 * The body of `POST /v1/messages`. The SDK no longer names the sampling fields, which the newest models refuse; older
 * ones take them, and the catalogue says which is which (`refuses`).
 */
export interface MessagesBody extends MessageCreateParamsBase {
  temperature?: number;
  top_p?: number;
  top_k?: number;
}

/** The body of `generateContent`: the SDK has types for its members only, and sends them under these names. */
export interface GenerateContentBody {
  contents: Content[];
  systemInstruction?: Content;
  tools?: Tool[];
  toolConfig?: ToolConfig;
  generationConfig?: GenerationConfig;
  safetySettings?: SafetySetting[];
  cachedContent?: string;
  serviceTier?: string;
}
