/**
 * All provider types by the name that the configuration uses.
 * The composition root resolves configured providers with it; nothing on the path of a call reads it.
 */
import { anthropic } from "./anthropic.ts";
import { custom } from "./custom.ts";
import { google } from "./google.ts";
import { openai } from "./openai.ts";
import type { ProviderType } from "./provider.ts";
import { simulated } from "./simulated.ts";

export const PROVIDER_TYPES: Readonly<Record<string, ProviderType>> = Object.fromEntries(
  [openai, anthropic, google, custom, simulated].map((type) => [type.type, type]),
);
