/**
 * What a provider refuses, before it is dressed in one API's envelope.
 * Readers of the simulated provider throw it; the API that was called writes it out.
 */

/** A refusal: the HTTP status and the words of the real provider. */
export class Problem extends Error {
  status: number;
  param: string | null;
  code: string | null;

  constructor(status: number, message: string, param: string | null = null, code: string | null = null) {
    super(message);
    this.status = status;
    this.param = param;
    this.code = code;
  }
}

/** A refusal of the request's content: status 400. */
export const invalid = (message: string, param: string | null = null, code: string | null = null): Problem =>
  new Problem(400, message, param, code);
