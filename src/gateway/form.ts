/**
 * Puts a call into the form in which a provider takes its format: another path, fields around the same request.
 * `upstream-call.ts` asks it for the few providers that have forms; the others' calls never come here.
 */
import type { Candidate } from "../core/endpoint.ts";
import { GatewayError } from "../core/error.ts";
import { asObject, tryParse } from "../core/json.ts";
import { type Edit, patchJson } from "../core/patch.ts";
import type { Form, Provider } from "../providers/provider.ts";

/** What of a call a form may change. */
export interface Formed {
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array | string;
}

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** The call in that form; its body's other bytes stay as they are. Throws `not_found` where the provider has no such route. */
export function inForm(
  form: Form,
  call: Formed,
  { endpoint }: Candidate,
  provider: Provider,
  credential: string | undefined,
): Formed {
  const path = form.path({
    path: call.path,
    model: endpoint.upstreamModel,
    provider,
    credential,
    isStreamed: () => isStreamed(call.body),
  });
  if (path === undefined) throw new GatewayError("not_found", "The provider has no such route.");
  const headers: Record<string, string> = { ...call.headers };
  const edits: Edit[] = (form.removes ?? []).map((field) => ({ path: [field], remove: true }));
  for (const [field, value] of Object.entries(form.sets ?? {})) {
    edits.push({ path: [field], value: JSON.stringify(value) });
  }
  for (const [name, field] of Object.entries(form.headersIntoBody ?? {})) {
    const list = headers[name]?.split(",").flatMap((part) => part.trim() || []) ?? [];
    delete headers[name];
    if (field !== null && list.length > 0) edits.push({ path: [field], value: JSON.stringify(list) });
  }
  const body = edits.length === 0 ? call.body : patchJson(bytesOf(call.body), edits);
  return { path, headers, body };
}

function bytesOf(body: Uint8Array | string): Uint8Array {
  return typeof body === "string" ? encoder.encode(body) : body;
}

function isStreamed(body: Uint8Array | string): boolean {
  return asObject(tryParse(typeof body === "string" ? body : decoder.decode(body)))?.stream === true;
}
