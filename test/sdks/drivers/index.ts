/**
 * All official clients by the surface they call, and the loops over clients, upstream formats and ways to answer.
 * The cases of this folder are written once and multiplied here.
 */
import { FAMILIES, type Family } from "../../support/server.ts";
import { chat } from "./chat.ts";
import type { Driver } from "./driver.ts";
import { gemini } from "./gemini.ts";
import { messages } from "./messages.ts";
import { responses } from "./responses.ts";

export const DRIVERS: readonly Driver[] = [chat, responses, messages, gemini];

/** One combination of client, upstream format, and streamed or not. */
export interface Way {
  readonly driver: Driver;
  readonly family: Family;
  readonly streamed: boolean;
  /** For the test's name. */
  readonly name: string;
}

/** Every combination. */
export const WAYS: readonly Way[] = DRIVERS.flatMap((driver) =>
  FAMILIES.flatMap((family) =>
    [false, true].map((streamed) => ({
      driver,
      family,
      streamed,
      name: `${driver.surface} to ${family}, ${streamed ? "streamed" : "whole"}`,
    })),
  ),
);
