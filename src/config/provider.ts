/**
 * The settings of a provider, and the kinds of values that other settings share with it.
 * Part of the file's schema: `schema.ts` has them under `providers[]`.
 */
import { z } from "zod";
import { WIRE_FORMAT_IDS } from "../core/operation.ts";
import { choice, flag, group, list, matching, providerKey, says, setting, text, url, wholeNumber } from "./leaf.ts";
import { ON_ABORT } from "./types.ts";

export const HOUR_MS = 3_600_000;

/** A list of formats. */
export const dialects = () => list(choice(WIRE_FORMAT_IDS), 20, 1);
/** A name of ours. */
export const slug = () => matching(/^[a-z0-9-]{1,63}$/, "1 to 63 of a-z, 0-9 and -");
/** A wait. */
export const milliseconds = (maximum = HOUR_MS, minimum = 1) => wholeNumber(minimum, maximum);

const headers = z.record(
  says(z.string().regex(/^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}$/), "a header name"),
  says(z.string().regex(/^[\x20-\x7e]{0,4096}$/), "a header value of printable characters"),
);

/** Names of places. */
export const region = () => matching(/^[A-Za-z0-9_-]{1,60}$/, "1 to 60 of letters, digits, - and _");

/** What becomes of content. */
export const dataPolicy = (whose: string) =>
  group({
    trains: setting(
      flag(),
      `Whether models may be trained on the content of calls${whose}. Unless it is \`false\`, callers who forbid that are not served there.`,
    ).optional(),
    retains: setting(
      flag(),
      `Whether any content is kept after the answer${whose}. Unless it is \`false\`, callers who forbid that are not served there.`,
    ).optional(),
  }).optional();

/** The fields of a provider. */
export const provider = group({
  id: setting(slug(), "The provider's own name, unique in the file."),
  type: setting(text(63, "a provider type"), "What kind of upstream it is; see the table of types."),
  base_url: setting(
    url(["http", "https"], { plain: true }),
    "Where it is reached, if not at the type's usual address. Naming a private address here is what allows it.",
    { secret: true },
  ).optional(),
  api_keys: setting(
    list(setting(providerKey(), "", { secret: true }), 100),
    "Its keys, which take turns and give way when they are refused or limited; without any and without `base_url`, those of the type's variable.",
    { secret: true },
  ).optional(),
  dialects: setting(
    dialects(),
    "The formats it speaks, those of one kind preferred first; without it the type's own.",
  ).optional(),
  headers: setting(says(headers, "a mapping of header names to values"), "Headers for every request to it.", {
    secret: true,
  }).default({}),
  timeouts: group({
    connect_ms: setting(milliseconds(), "`timeouts.connect_ms` for this provider.").optional(),
    first_byte_ms: setting(milliseconds(), "`timeouts.first_byte_ms` for this provider.").optional(),
    idle_ms: setting(milliseconds(), "`timeouts.idle_ms` for this provider.").optional(),
  }).prefault({}),
  abort: group({
    streamed: setting(
      choice(ON_ABORT),
      "What closing a streamed call does: `ends-charge`, so it is closed when its caller leaves, or `charges`, so it is read to its end. Without it what is known of the type.",
    ).optional(),
    plain: setting(choice(ON_ABORT), "The same for calls that are not streamed.").optional(),
  }).prefault({}),
  region: setting(
    region(),
    "Where its calls are answered, for callers who ask for a region: `eu`, `us-east-1`.",
  ).optional(),
  data: dataPolicy(""),
  location: setting(slug(), "Of a cloud: the location or region that is called, such as `us-east-1`.").optional(),
  project: setting(slug(), "Of a cloud: the project that is billed, if not the key's own.").optional(),
  token_url: setting(
    url(["http", "https"], { plain: true }),
    "Of a cloud: where keys are exchanged for tokens, if not at the type's usual address.",
  ).optional(),
});
