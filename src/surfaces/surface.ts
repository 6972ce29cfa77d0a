/**
 * What a surface is: where the gateway listens in one format, and where that format keeps its key, model and streaming wish.
 * Almost data; the path of a call begins here.
 */
import type { Dialect, Framing, PathFacts } from "../dialects/dialect.ts";
import type { Place } from "./url.ts";

/** A model route that fits a request. */
export interface Match {
  readonly surface: string;
  readonly dialect: Dialect;
  readonly framing: Framing;
  readonly path: PathFacts;
  /** What is wanted: an answer of the model, or only the number of tokens that the request has. */
  readonly action: "generate" | "count";
}

export interface Surface {
  readonly name: string;
  readonly dialect: Dialect;
  /** The route that this place is on this surface; undefined when it is none. */
  match(place: Place): Match | undefined;
}

/** Reads the key from any of its carriers. Several may come together; `Authorization` is preferred, as newer SDKs use it. */
export function credential(headers: Headers, fromQuery: () => string | undefined): string | undefined {
  const authorization = headers.get("authorization");
  if (authorization && /^bearer /i.test(authorization)) {
    const token = authorization.slice(7).trim();
    if (token) return token;
  }
  return headers.get("x-api-key") || headers.get("x-goog-api-key") || fromQuery() || undefined;
}

/** A surface at one fixed path, whose requests say everything in their body, and perhaps another path that counts tokens. */
export function fixed(route: string, dialect: Dialect, countRoute?: string): Surface {
  const generate: Match = { surface: dialect.id, dialect, framing: "sse", path: {}, action: "generate" };
  const count: Match = { ...generate, action: "count" };
  return {
    name: dialect.id,
    dialect,
    match(place) {
      if (place.route === route) return generate;
      return countRoute !== undefined && place.route === countRoute ? count : undefined;
    },
  };
}
