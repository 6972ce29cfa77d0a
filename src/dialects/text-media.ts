/**
 * Files whose content is text, which formats that take no such files can say as text.
 * The request encoders of Chat and Messages use it.
 */
import type { MediaSource } from "../core/request.ts";

const TEXT_LIKE = /^(?:text\/|application\/(?:json|xml|x-yaml|yaml|javascript|typescript|x-sh|x-python|toml|sql)\b)/i;

/** A file's content as text; undefined for a media type that is none. */
export function textOf({ mediaType, data }: Extract<MediaSource, { type: "base64" }>): string | undefined {
  return TEXT_LIKE.test(mediaType) ? Buffer.from(data, "base64").toString("utf8") : undefined;
}
