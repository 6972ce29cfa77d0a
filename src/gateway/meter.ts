/**
 * Watches the events of a call for what settlement and failover need: usage, finish, first content, failure.
 * Keeps no text, so a stream of any length costs the same memory.
 */
import type { UpstreamFailure } from "../core/error.ts";
import type { CanonicalEvent, FinishReason } from "../core/event.ts";
import { completionTokens, emptyUsage, promptTokens, type Usage } from "../core/usage.ts";

const CHARACTERS_PER_TOKEN = 4;

export class Meter {
  /** The first content was seen: from here on nothing is retried. */
  started = false;
  finish: FinishReason | undefined;
  /** The upstream's usage could not be true as it was. */
  clamped = false;
  failure: UpstreamFailure | undefined;
  upstreamId: string | undefined;
  /** Milliseconds on the gateway's clock. */
  firstContentAtMs: number | undefined;
  private reported: Usage | undefined;
  private characters = 0;
  /** How many of them the last report can have counted. */
  private charactersReported = 0;

  observe(events: readonly CanonicalEvent[], nowMs: () => number): void {
    for (const event of events) {
      switch (event.type) {
        case "text-delta":
        case "thinking-delta":
          this.characters += event.text.length;
          break;
        case "tool-call-delta":
          this.characters += event.arguments.length;
          break;
        case "part-start":
        case "part":
          this.begin(nowMs);
          break;
        case "message-end":
          this.begin(nowMs);
          this.finish ??= event.finish.reason;
          break;
        case "usage":
          this.reported = event.usage;
          this.charactersReported = this.characters;
          break;
        case "message-start":
          this.upstreamId = event.id;
          break;
        case "error":
          this.failure = event.failure;
          break;
      }
    }
  }

  private begin(nowMs: () => number): void {
    if (this.started) return;
    this.started = true;
    this.firstContentAtMs = nowMs();
  }

  /**
   * What is to be billed: the provider's word, or a count of what was seen, flagged `estimated`. The count fills in where
   * that word cannot be true (content of no tokens), and for what a stream that broke off said after the last report.
   * A call without content that reported nothing used nothing.
   */
  usage(requestBytes: number): Usage {
    const { reported } = this;
    if (!this.started) return reported ?? emptyUsage("none");
    const prompt = count(requestBytes);
    if (!reported) return { ...emptyUsage("estimated"), input: prompt, output: count(this.characters) };
    const input = promptTokens(reported) === 0 ? prompt : 0;
    const output = count(this.unreported(reported));
    if (input === 0 && output === 0) return reported;
    return { ...reported, input: reported.input + input, output: reported.output + output, source: "estimated" };
  }

  private unreported(reported: Usage): number {
    if (completionTokens(reported) === 0) return this.characters;
    return this.finish === undefined ? this.characters - this.charactersReported : 0;
  }
}

/** About how many tokens so many bytes or characters are. */
function count(characters: number): number {
  return Math.ceil(characters / CHARACTERS_PER_TOKEN);
}
