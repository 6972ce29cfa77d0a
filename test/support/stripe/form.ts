/**
 * Form-encoded bodies and queries as Stripe's API takes them: `items[0][price]=…` is a list of mappings.
 * Only the stand-in reads them.
 */

export type FormValue = string | FormValue[] | { [key: string]: FormValue };
export type Form = { [key: string]: FormValue };

/** Reads what the official package writes. */
export function readForm(text: string): Form {
  const form: Form = {};
  for (const [name, value] of new URLSearchParams(text)) put(form, name.split(/[[\]]+/).filter(Boolean), value);
  return listify(form) as Form;
}

function put(form: Form, path: readonly string[], value: string): void {
  let at = form;
  for (const part of path.slice(0, -1)) {
    at[part] ??= {};
    at = at[part] as Form;
  }
  at[path.at(-1) ?? ""] = value;
}

/** Mappings whose keys are 0, 1, 2 … are lists. */
function listify(value: FormValue): FormValue {
  if (typeof value === "string" || Array.isArray(value)) return value;
  const entries = Object.entries(value).map(([key, item]) => [key, listify(item)] as const);
  const isList = entries.length > 0 && entries.every(([key], index) => key === String(index));
  return isList ? entries.map(([, item]) => item) : Object.fromEntries(entries);
}

/** The field as text; undefined when it isn't there or is something else. */
export function textOf(form: Form, name: string): string | undefined {
  const value = form[name];
  return typeof value === "string" ? value : undefined;
}

export function formOf(form: Form, name: string): Form {
  const value = form[name];
  return typeof value === "object" && !Array.isArray(value) ? value : {};
}

export function listIn(form: Form, name: string): Form[] {
  const value = form[name];
  return Array.isArray(value) ? (value as Form[]) : [];
}

/** A flat mapping of texts. */
export function textsOf(form: Form, name: string): Record<string, string> {
  return formOf(form, name) as Record<string, string>;
}
