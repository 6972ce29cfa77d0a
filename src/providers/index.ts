/**
 * All provider types by the name that the configuration uses.
 * The composition root resolves configured providers with it; nothing on the path of a call reads it.
 */
import { alibaba } from "./alibaba.ts";
import { anthropic } from "./anthropic.ts";
import { azure } from "./azure.ts";
import { bedrock } from "./bedrock.ts";
import { cerebras } from "./cerebras.ts";
import { cohere } from "./cohere.ts";
import { custom } from "./custom.ts";
import { deepinfra } from "./deepinfra.ts";
import { deepseek } from "./deepseek.ts";
import { fireworks } from "./fireworks.ts";
import { google } from "./google.ts";
import { groq } from "./groq.ts";
import { huggingface } from "./huggingface.ts";
import { llamacpp } from "./llamacpp.ts";
import { lmstudio } from "./lmstudio.ts";
import { minimax } from "./minimax.ts";
import { mistral } from "./mistral.ts";
import { moonshot } from "./moonshot.ts";
import { novita } from "./novita.ts";
import { nvidia } from "./nvidia.ts";
import { ollama } from "./ollama.ts";
import { openai } from "./openai.ts";
import { openrouter } from "./openrouter.ts";
import { perplexity } from "./perplexity.ts";
import type { ProviderType } from "./provider.ts";
import { sambanova } from "./sambanova.ts";
import { simulated } from "./simulated.ts";
import { together } from "./together.ts";
import { vertex } from "./vertex.ts";
import { vllm } from "./vllm.ts";
import { xai } from "./xai.ts";
import { zai } from "./zai.ts";

const MAKERS = [
  openai,
  anthropic,
  google,
  vertex,
  azure,
  bedrock,
  deepseek,
  mistral,
  xai,
  moonshot,
  zai,
  alibaba,
  minimax,
  cohere,
  perplexity,
];
const HOSTS = [openrouter, groq, cerebras, together, fireworks, deepinfra, novita, sambanova, nvidia, huggingface];
const LOCAL = [ollama, vllm, lmstudio, llamacpp];

export const PROVIDER_TYPES: Readonly<Record<string, ProviderType>> = Object.fromEntries(
  [...MAKERS, ...HOSTS, ...LOCAL, custom, simulated].map((type) => [type.type, type]),
);
