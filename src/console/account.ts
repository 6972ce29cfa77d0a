/**
 * What a key may ask about its own workspace: credit, and the record of one call.
 * Shapes are OpenRouter's, so that existing tooling reads them; `attempts`, `losses` and the token classes are ours.
 */

import type { CallRecord } from "../core/call.ts";
import { GatewayError } from "../core/error.ts";
import type { Json, JsonObject } from "../core/json.ts";
import { type Nano, nanoToDollars } from "../core/money.ts";
import { operationOf } from "../core/operation.ts";
import { completionTokens, promptTokens } from "../core/usage.ts";
import type { Workspaces } from "../identity/workspaces.ts";
import type { ManagementRoute } from "./route.ts";

function dollars(amount: Nano): number {
  return Number(nanoToDollars(amount));
}

/** A call's record as `GET /generation` shows it. Latencies in milliseconds, money in US dollars. */
export function generationEntry(record: CallRecord): JsonObject {
  const { usage } = record;
  const prompt = promptTokens(usage);
  const completion = completionTokens(usage);
  return {
    id: record.id,
    request_id: record.id,
    upstream_id: record.upstreamId ?? null,
    created_at: record.createdAt.toISOString(),
    model: record.model ?? record.modelRequested,
    model_requested: record.modelRequested,
    provider: record.provider ?? null,
    provider_name: record.provider ?? null,
    endpoint: record.endpoint ?? null,
    api_type: operationOf(record.dialect) === "embedding" ? "embeddings" : "completions",
    surface: record.surface,
    dialect: record.dialect,
    path: record.path,
    streamed: record.streamed,
    cancelled: record.cancelled,
    status: record.status,
    error_code: record.errorCode ?? null,
    finish_reason: record.finishReason ?? null,
    tokens_prompt: prompt,
    tokens_completion: completion,
    native_tokens_prompt: prompt,
    native_tokens_completion: completion,
    native_tokens_reasoning: usage.thinking,
    native_tokens_cached: usage.cacheRead,
    usage_source: usage.source,
    tokens: tokens(usage),
    num_search_results: usage.webSearches,
    total_cost: dollars(record.costNano),
    total_cost_usd: nanoToDollars(record.costNano),
    usage: dollars(record.costNano),
    is_byok: false,
    latency: record.firstTokenMs ?? null,
    generation_time: record.durationMs,
    attempts: record.attempts as unknown as Json,
    losses: record.losses as unknown as Json,
    routing: (record.routing ?? null) as unknown as Json,
    user_agent: record.client ?? null,
    workspace_id: record.workspaceId,
  };
}

function tokens({ source: _, webSearches: __, ...classes }: CallRecord["usage"]): JsonObject {
  return classes;
}

/** The routes that any key may call for its own workspace. */
export function accountRoutes(parts: {
  workspaces: Workspaces;
  findRecord: (id: string, workspaceId: string) => Promise<CallRecord | undefined>;
}): ManagementRoute[] {
  return [
    {
      method: "GET",
      path: "credits",
      access: "key",
      async handle({ caller }) {
        const workspace = caller.principal && (await parts.workspaces.read(caller.principal.workspaceId));
        if (!workspace) throw new GatewayError("not_found", "There is no such workspace.");
        const { grantedNano, usedNano } = workspace;
        return { body: { data: { total_credits: dollars(grantedNano), total_usage: dollars(usedNano) } } };
      },
    },
    {
      method: "GET",
      path: "generation",
      access: "key",
      async handle({ caller, query }) {
        const id = query.get("id") ?? "";
        const record = caller.principal && (await parts.findRecord(id, caller.principal.workspaceId));
        if (!record) throw new GatewayError("not_found", "There is no call with this id.");
        return { body: { data: generationEntry(record) } };
      },
    },
  ];
}
