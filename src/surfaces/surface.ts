/**
 * What a surface is: where the gateway listens in one format, and where that format keeps its key, model and streaming wish.
 * Almost data; the path of a call begins here.
 */
import type { Framing, PathFacts } from "../dialects/dialect.ts";
import type { AnyDialect } from "../dialects/index.ts";
import type { Place } from "./url.ts";

/** A model route that fits a request. */
export interface Match {
  readonly surface: string;
  readonly dialect: AnyDialect;
  readonly framing: Framing;
  readonly path: PathFacts;
  /** What is wanted: the model's answer, or only the number of tokens that the request has. */
  readonly action: "answer" | "count";
}

export interface Surface {
  readonly name: string;
  readonly dialect: AnyDialect;
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
export function fixed(route: string, dialect: AnyDialect, countRoute?: string): Surface {
  const answer: Match = { surface: dialect.id, dialect, framing: "sse", path: {}, action: "answer" };
  const count: Match = { ...answer, action: "count" };
  return {
    name: dialect.id,
    dialect,
    match(place) {
      if (place.route === route) return answer;
      return countRoute !== undefined && place.route === countRoute ? count : undefined;
    },
  };
}
