/**
 * Compares what a client was told of its tokens with what the provider noted in its journal.
 * The journal counts the prompt once with all that was cached, and the output with all that was thought; so do the drivers.
 */
import { expect } from "bun:test";
import type { JournalEntry } from "../../../src/simulator/index.ts";
import type { Sluice } from "../../support/server.ts";
import type { Answer } from "./driver.ts";

/** What the provider noted of the call behind an answer. */
export function journalOf(sluice: Sluice, answer: Pick<Answer, "headers">): JournalEntry {
  const entry = sluice.journal(answer.headers.get("x-request-id") ?? "");
  if (!entry) throw new Error("The provider noted no call with this answer's id.");
  return entry;
}

/** The tokens that the client was told are those that the provider charges. */
export function expectTokensOfJournal(sluice: Sluice, answer: Answer): void {
  const { usage } = journalOf(sluice, answer);
  expect(answer.tokens).toEqual({
    input: usage?.input ?? -1,
    cacheRead: usage?.cacheRead ?? -1,
    cacheWrite: (usage?.cacheWrite5m ?? 0) + (usage?.cacheWrite1h ?? 0),
    output: usage?.output ?? -1,
    thinking: usage?.thinking ?? -1,
  });
}
