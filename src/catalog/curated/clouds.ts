/**
 * The makers' models at clouds that serve them too, at prices that are the makers' own.
 * Part of the curated list: `index.ts` puts these endpoints beside the makers'. Elsewhere than at the location that is named
 * here a cloud asks for more, so that there the file has to say what.
 */
import type { EndpointDefinition, ModelDefinition } from "../definition.ts";

interface Cloud {
  readonly provider: string;
  /** Only there are the makers' prices the cloud's. */
  readonly location?: string;
  /** The cloud's name of each model. */
  readonly names: Readonly<Record<string, string>>;
}

const GEMINI = [
  "gemini-2.5-flash-lite",
  "gemini-2.5-flash",
  "gemini-2.5-pro",
  "gemini-3-flash-preview",
  "gemini-3-pro-preview",
];

const CLOUDS: readonly Cloud[] = [
  {
    // Their `global.` names are called in every region at the same price.
    provider: "bedrock",
    names: {
      "claude-haiku-4-5": "global.anthropic.claude-haiku-4-5-20251001-v1:0",
      "claude-sonnet-4-0": "global.anthropic.claude-sonnet-4-20250514-v1:0",
      "claude-sonnet-4-5": "global.anthropic.claude-sonnet-4-5-20250929-v1:0",
      "claude-sonnet-4-6": "global.anthropic.claude-sonnet-4-6",
      "claude-sonnet-5": "global.anthropic.claude-sonnet-5",
      "claude-opus-4-5": "global.anthropic.claude-opus-4-5-20251101-v1:0",
      "claude-opus-4-6": "global.anthropic.claude-opus-4-6-v1",
      "claude-opus-4-7": "global.anthropic.claude-opus-4-7",
      "claude-opus-4-8": "global.anthropic.claude-opus-4-8",
      "claude-opus-5": "global.anthropic.claude-opus-5",
      "claude-fable-5": "global.anthropic.claude-fable-5",
    },
  },
  {
    provider: "vertex",
    location: "global",
    names: {
      ...Object.fromEntries(GEMINI.map((name) => [name, name])),
      "claude-haiku-4-5": "claude-haiku-4-5@20251001",
      "claude-opus-4-5": "claude-opus-4-5@20251101",
      "claude-opus-4-7": "claude-opus-4-7",
      "claude-opus-4-8": "claude-opus-4-8",
      "claude-opus-5": "claude-opus-5",
      "claude-sonnet-5": "claude-sonnet-5",
      "claude-fable-5": "claude-fable-5",
    },
  },
];

/** The models with an endpoint more for each cloud that has them. */
export function withClouds(models: readonly ModelDefinition[]): ModelDefinition[] {
  return models.map((model) => {
    const [first] = model.endpoints;
    const more = CLOUDS.flatMap(({ provider, location, names }): EndpointDefinition[] => {
      const name = names[model.id];
      return name === undefined || !first ? [] : [{ ...first, provider, location, model: name }];
    });
    return more.length === 0 ? model : { ...model, endpoints: [...model.endpoints, ...more] };
  });
}
