/**
 * All provider types by the name that the configuration uses.
 * The composition root resolves configured providers with it; nothing on the path of a call reads it.
 */
import { anthropic } from "./anthropic.ts";
import { azure } from "./azure.ts";
import { cerebras } from "./cerebras.ts";
import { custom } from "./custom.ts";
import { deepseek } from "./deepseek.ts";
import { fireworks } from "./fireworks.ts";
import { google } from "./google.ts";
import { groq } from "./groq.ts";
import { llamacpp } from "./llamacpp.ts";
import { lmstudio } from "./lmstudio.ts";
import { mistral } from "./mistral.ts";
import { moonshot } from "./moonshot.ts";
import { ollama } from "./ollama.ts";
import { openai } from "./openai.ts";
import { openrouter } from "./openrouter.ts";
import { perplexity } from "./perplexity.ts";
import type { ProviderType } from "./provider.ts";
import { simulated } from "./simulated.ts";
import { together } from "./together.ts";
import { vllm } from "./vllm.ts";
import { xai } from "./xai.ts";
import { zai } from "./zai.ts";

const MAKERS = [openai, anthropic, google, azure, deepseek, mistral, xai, moonshot, zai, perplexity];
const HOSTS = [openrouter, groq, cerebras, together, fireworks];
const LOCAL = [ollama, vllm, lmstudio, llamacpp];

export const PROVIDER_TYPES: Readonly<Record<string, ProviderType>> = Object.fromEntries(
  [...MAKERS, ...HOSTS, ...LOCAL, custom, simulated].map((type) => [type.type, type]),
);
