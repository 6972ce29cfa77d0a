/**
 * Under which name the list of published prices knows a provider type, where that is not the type's own.
 * Read when prices are compared, never on the path of a call.
 */

const NAMES: Readonly<Record<string, string>> = {
  moonshot: "moonshotai",
  xai: "x-ai",
  vertex: "google",
  bedrock: "aws",
};

/** The list's name of a provider type. */
export function listName(providerType: string): string {
  return NAMES[providerType] ?? providerType;
}
