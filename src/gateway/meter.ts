/**
 * Watches the events of a call for what settlement and failover need: usage, finish, first content, failure.
 * Keeps no text, so a stream of any length costs the same memory.
 */
import type { UpstreamFailure } from "../core/error.ts";
import type { CanonicalEvent, FinishReason } from "../core/event.ts";
import { emptyUsage, type Usage } from "../core/usage.ts";

const CHARACTERS_PER_TOKEN = 4;

export class Meter {
  /** The first content was seen: from here on nothing is retried. */
  started = false;
  finish: FinishReason | undefined;
  failure: UpstreamFailure | undefined;
  upstreamId: string | undefined;
  /** Milliseconds on the gateway's clock. */
  firstContentAtMs: number | undefined;
  private reported: Usage | undefined;
  private characters = 0;

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
   * What is to be billed: the provider's word, or a count of what was seen, flagged `estimated`.
   * A call without content that reported nothing used nothing.
   */
  usage(requestBytes: number): Usage {
    if (this.reported) return this.reported;
    if (!this.started) return emptyUsage("none");
    return {
      ...emptyUsage("estimated"),
      input: Math.ceil(requestBytes / CHARACTERS_PER_TOKEN),
      output: Math.ceil(this.characters / CHARACTERS_PER_TOKEN),
    };
  }
}
