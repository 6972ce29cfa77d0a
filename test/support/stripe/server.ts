/**
 * A stand-in of Stripe's API on this machine, for the official package to talk to: the paths that billing uses.
 * It honours idempotency keys, signs webhooks, and delivers them as often and in whatever order a test wants.
 */
import { Stripe } from "stripe";
import { readForm } from "./form.ts";
import { ROUTES } from "./routes.ts";
import { ApiError, createState, createWorld, type State } from "./state.ts";

/** What goes wrong with the next request whose method and path match. */
export interface Fault {
  readonly match: RegExp;
  /** `before`: nothing was done. `after`: it was done, and the answer is lost. */
  readonly when: "before" | "after";
}

export interface StripeStandIn {
  readonly url: string;
  readonly secretKey: string;
  readonly webhookSecret: string;
  readonly state: State;
  readonly world: ReturnType<typeof createWorld>;
  /** Requests as `POST /v1/…`, in order. */
  readonly calls: string[];
  readonly faults: Fault[];
  /** The bytes and the header of an event's delivery. `age` in seconds. */
  sign(event: Stripe.Event, options?: { secret?: string; age?: number }): Promise<Request>;
  stop(): void;
}

/** Starts a stand-in on a free port. */
export function startStripe(options: { livemode?: boolean } = {}): StripeStandIn {
  const state = createState(options.livemode ?? false);
  const calls: string[] = [];
  const faults: Fault[] = [];
  const remembered = new Map<string, { request: string; answer: Promise<Answer> }>();
  const server = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    async fetch(request) {
      const { pathname, search } = new URL(request.url);
      const body = await request.text();
      const call = `${request.method} ${pathname}`;
      calls.push(call);
      const fault = faults.find(({ match }) => match.test(call));
      if (fault) faults.splice(faults.indexOf(fault), 1);
      const lost = () =>
        Response.json(
          { error: { type: "api_error", message: "lost" } },
          { status: 500, headers: { "stripe-should-retry": "false" } },
        );
      if (fault?.when === "before") return lost();
      const key = request.method === "POST" ? request.headers.get("idempotency-key") : null;
      const answer = await once(remembered, key, `${call} ${body}`, () => run(state, call, body || search.slice(1)));
      return fault ? lost() : Response.json(answer.body, { status: answer.status });
    },
  });
  const webhookSecret = "whsec_standin";
  return {
    url: `http://127.0.0.1:${server.port}`,
    secretKey: state.livemode ? "sk_live_standin" : "sk_test_standin",
    webhookSecret,
    state,
    world: createWorld(state),
    calls,
    faults,
    async sign(event, { secret = webhookSecret, age = 0 } = {}) {
      const payload = JSON.stringify(event);
      const timestamp = Math.floor(Date.now() / 1000) - age;
      const header = await Stripe.webhooks.generateTestHeaderStringAsync({ payload, secret, timestamp });
      const headers = { "stripe-signature": header, "content-type": "application/json" };
      return new Request("http://127.0.0.1/api/stripe/webhook", { method: "POST", body: payload, headers });
    },
    stop: () => void server.stop(true),
  };
}

interface Answer {
  readonly status: number;
  readonly body: unknown;
}

type Remembered = Map<string, { request: string; answer: Promise<Answer> }>;

/** The same key with the same request gets the same answer, with another request an error. */
function once(known: Remembered, key: string | null, request: string, work: () => Answer): Promise<Answer> {
  const before = key === null ? undefined : known.get(key);
  if (!before || key === null) {
    const answer = Promise.resolve(work());
    if (key !== null) known.set(key, { request, answer });
    return answer;
  }
  if (before.request === request) return before.answer;
  return Promise.resolve({ status: 400, body: new ApiError(400, "idempotency_error", "idempotency_mismatch").body });
}

function run(state: State, call: string, form: string): Answer {
  try {
    for (const [pattern, handle] of ROUTES) {
      const match = pattern.exec(call);
      if (match)
        return { status: 200, body: structuredClone(handle(state, readForm(form), match[1] ?? "", match[2] ?? "")) };
    }
    throw new ApiError(404, "invalid_request_error", "unknown_path");
  } catch (error) {
    if (error instanceof ApiError) return { status: error.status, body: error.body };
    throw error;
  }
}
