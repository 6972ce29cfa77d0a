/**
 * Takes a request's URL apart without building a URL object: the path in its one normal form, and the query.
 * Runs before everything else on every request.
 */

export interface Place {
  /** The path without its prefix, slashes at the ends, and query: `chat/completions`, `models/x:generateContent`. */
  readonly route: string;
  /** Whether the path had a `v1beta` segment: Gemini's own routes. */
  readonly beta: boolean;
  /** Whether the path was under `/api/v1`, where the management routes live besides the model routes. */
  readonly api: boolean;
  readonly query: string;
}

/**
 * Clients append `/v1/…` to base URLs with and without `/v1`, and some are set up with `/api/v1`: leading `api/v1` and `v1`
 * segments are taken off, however many. Only exact segments count, so no other spelling of a path reaches a route.
 */
export function locate(url: string): Place {
  const begin = url.indexOf("/", url.indexOf("//") + 2);
  let rest = begin < 0 ? "" : url.slice(begin + 1);
  let query = "";
  const mark = rest.search(/[?#]/);
  if (mark >= 0) {
    query = rest.slice(mark + 1);
    rest = rest.slice(0, mark);
  }
  if (rest.endsWith("/")) rest = rest.slice(0, -1);
  let beta = false;
  let api = false;
  for (;;) {
    if (rest.startsWith("api/v1/")) {
      api = true;
      rest = rest.slice(7);
    } else if (rest.startsWith("v1/")) rest = rest.slice(3);
    else if (rest.startsWith("v1beta/")) {
      beta = true;
      rest = rest.slice(7);
    } else break;
  }
  return { route: rest, beta, api, query };
}

/** The first value of a query parameter, decoded; undefined when it is absent or cannot be decoded. */
export function queryParameter(query: string, name: string): string | undefined {
  if (query === "") return undefined;
  return new URLSearchParams(query).get(name) ?? undefined;
}

/** A path segment decoded; itself when its escapes make no sense. */
export function decodeSegment(text: string): string {
  if (!text.includes("%")) return text;
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
