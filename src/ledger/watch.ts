/**
 * Keeps an eye on the books: a glance every minute, the whole check at start, once a day and when asked.
 * While they are wrong, calls that cost a customer money are refused, so that nothing makes it worse; a clean check ends that.
 */
import { GatewayError } from "../core/error.ts";
import type { Books, BooksCheck } from "./books.ts";

/** Whether the books are right, as far as the last look saw. */
export type BooksState = { readonly ok: true } | { readonly ok: false; readonly problems: readonly string[] };

export interface BooksWatch {
  /** Costs nothing: what the last look saw. Right until one has seen otherwise. */
  state(): BooksState;
  /** Throws `service_unavailable` while the books are wrong. For calls that are paid from credit. */
  refuseWhenWrong(): void;
  /** The whole check, now; its answer counts like that of any other look. Rejects when the database cannot be asked. */
  check(): Promise<BooksCheck>;
  /** One look, as it also comes by itself. Never rejects. */
  look(): Promise<void>;
  /** Waits for the look that is under way. */
  stop(): Promise<void>;
}

export interface WatchSettings {
  readonly books: Pick<Books, "check" | "glance">;
  readonly nowMs: () => number;
  /** Between two looks; a minute unless a test says otherwise. */
  readonly everyMs?: number;
  /** Between two whole checks; a day. */
  readonly wholeEveryMs?: number;
  readonly onProblem: (problems: readonly string[]) => void;
  readonly onRecovery: () => void;
  readonly onError: (error: unknown) => void;
}

const EVERY_MS = 60_000;
const WHOLE_EVERY_MS = 86_400_000;

/**
 * Watches the books from now on; the first look is the whole check and begins at once. `onProblem` hears of what is
 * wrong when it is first seen and whenever it changes, `onRecovery` of the first clean look after that. A database that
 * cannot be asked says nothing about the books: what was seen before stays.
 */
export function watchBooks(settings: WatchSettings): BooksWatch {
  const { books, nowMs, onError, everyMs = EVERY_MS, wholeEveryMs = WHOLE_EVERY_MS } = settings;
  let problems: readonly string[] = [];
  let wholeAtMs = Number.NEGATIVE_INFINITY;
  let looking: Promise<void> | undefined;

  function see(found: readonly string[]): void {
    const before = problems;
    problems = found;
    if (found.length > 0 && found.join() !== before.join()) settings.onProblem(found);
    if (found.length === 0 && before.length > 0) settings.onRecovery();
  }

  async function check(): Promise<BooksCheck> {
    const found = await books.check();
    wholeAtMs = nowMs();
    see(found.problems);
    return found;
  }

  /** What is wrong may be what a glance does not see, so only the whole check clears it. */
  async function lookOnce(): Promise<void> {
    try {
      if (problems.length > 0 || nowMs() - wholeAtMs >= wholeEveryMs) await check();
      else see(await books.glance());
    } catch (error) {
      onError(error);
    }
  }

  function look(): Promise<void> {
    looking ??= lookOnce().finally(() => {
      looking = undefined;
    });
    return looking;
  }

  const timer = setInterval(() => void look(), everyMs);
  timer.unref();
  void look();
  return {
    state: () => (problems.length === 0 ? { ok: true } : { ok: false, problems }),
    refuseWhenWrong() {
      if (problems.length > 0) throw refused(problems);
    },
    check,
    look,
    async stop() {
      clearInterval(timer);
      await looking;
    },
  };
}

const RETRY_AFTER_MS = 60_000;

function refused(problems: readonly string[]): GatewayError {
  return new GatewayError(
    "service_unavailable",
    "The gateway is checking its books and takes on no paid work at the moment. Try again later.",
    { detail: `the books are wrong: ${problems.join("; ")}`, retryAfterMs: RETRY_AFTER_MS },
  );
}
