/**
 * The settings for an endpoint's deviations from its formats, and the `Quirks` that dialects read made from them.
 * Part of the file's schema: `schema.ts` has them under `models[].endpoints[].quirks`, `build.ts` builds them.
 */
import { z } from "zod";
import type { Quirks } from "../core/endpoint.ts";
import type { Effort } from "../core/request.ts";
import { choice, flag, group, list, says, setting, text } from "./leaf.ts";

const EFFORTS = ["none", "minimal", "low", "medium", "high", "xhigh", "max"] as const satisfies readonly Effort[];
const MAX_FIELDS = 50;

const fields = z.record(says(z.string().regex(/^[A-Za-z0-9_.-]{1,60}$/), "a field's name"), z.json());

/** What messages and instructions look like. */
const messages = {
  system_role: setting(choice(["system", "developer"]), "The role of instructions, on Chat and Responses.").optional(),
  flatten_text: setting(flag(), "Content that is only text must be one string.").optional(),
  system_turns: setting(flag(), "On Messages: instructions may stand in mid-conversation.").optional(),
  cache_control: setting(
    flag(),
    "On Chat: `cache_control` is taken on messages, parts and tools; `false` says that it is refused.",
  ).optional(),
  call_ids: setting(
    choice(["nine"]),
    "On Chat: tool call ids must be nine letters and digits; others are replaced.",
  ).optional(),
  thought_signatures: setting(
    flag(),
    "On Chat: Gemini's signatures are taken as `extra_content` of tool calls.",
  ).optional(),
};

/** How thinking is asked for, and how it goes back. */
const thinking = {
  reasoning_field: setting(
    choice(["reasoning_content", "reasoning", "content", "none"]),
    "On Chat: the field in which visible reasoning of earlier turns goes back; `content` for `thinking` parts of it.",
  ).optional(),
  reasoning_details: setting(flag(), "On Chat: `reasoning_details` of earlier turns are taken back.").optional(),
  reasoning_request: setting(
    choice(["effort", "reasoning", "thinking"]),
    "On Chat: how thinking is asked for: by `reasoning_effort`, or by an object of the other name.",
  ).optional(),
  efforts: setting(
    list(choice(EFFORTS), EFFORTS.length),
    "On Chat and Responses: the efforts that the model takes; others become the nearest of these.",
  ).optional(),
  thinking_form: setting(
    choice(["budget", "adaptive"]),
    "On Messages: the only form in which the model can be told to think.",
  ).optional(),
};

/** What the upstream has beyond its format, and what it lacks. */
const abilities = {
  max_tokens_field: setting(
    choice(["max_tokens", "max_completion_tokens"]),
    "On Chat: the field that carries the output limit.",
  ).optional(),
  no_stream_options: setting(flag(), "`stream_options` is refused.").optional(),
  extended_sampling: setting(
    flag(),
    "On Chat: `top_k`, `min_p` and `repetition_penalty` are taken; `false` says that they are refused.",
  ).optional(),
  custom_tools: setting(
    flag(),
    "On Chat: free-text tools are taken. `false` says that they are refused; on Responses, that it knows functions only.",
  ).optional(),
  server_tools: setting(
    list(text(60, "a kind of tool"), 20),
    "Tools that the upstream runs itself and other formats ask for too, such as `web-search`.",
  ).optional(),
  compacts: setting(flag(), "On Responses: the upstream compacts conversations itself.").optional(),
  routing_fields: setting(
    flag(),
    "The upstream routes too: what a body says of routing (`provider`, `models`, `route`, `session_id`, `plugins`) is relayed to it.",
  ).optional(),
  refuses: setting(
    list(text(60, "a field's name"), MAX_FIELDS),
    "Request fields that the upstream refuses, such as `temperature`, `top_k`, `seed`, `cache_key` or `metadata`; they are left out.",
  ).optional(),
  adds: setting(
    says(
      fields.refine((value) => Object.keys(value).length <= MAX_FIELDS),
      `a mapping of at most ${MAX_FIELDS} field names to values`,
    ),
    "On Chat: fields that every request carries, unless the caller said them.",
  ).optional(),
};

/** The fields of an endpoint's quirks. */
export function quirkFields() {
  return group({ ...abilities, ...messages, ...thinking });
}

/** Every deviation, so that one without a setting does not compile. */
type EveryQuirk = { [Q in keyof Required<Quirks>]: Quirks[Q] };

/** The settings as dialects read them. */
export function buildQuirks(quirks: z.output<ReturnType<typeof quirkFields>>): Quirks {
  const built: EveryQuirk = {
    maxTokensField: quirks.max_tokens_field,
    systemRole: quirks.system_role,
    flattenText: quirks.flatten_text,
    noStreamOptions: quirks.no_stream_options,
    reasoningField: quirks.reasoning_field,
    reasoningDetails: quirks.reasoning_details,
    reasoningRequest: quirks.reasoning_request,
    efforts: quirks.efforts,
    cacheControl: quirks.cache_control,
    customTools: quirks.custom_tools,
    extendedSampling: quirks.extended_sampling,
    callIds: quirks.call_ids,
    thoughtSignatures: quirks.thought_signatures,
    systemTurns: quirks.system_turns,
    thinkingForm: quirks.thinking_form,
    compacts: quirks.compacts,
    serverTools: quirks.server_tools,
    refuses: quirks.refuses?.map((field) => field.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase())),
    adds: quirks.adds,
    routingFields: quirks.routing_fields,
  };
  return built;
}
