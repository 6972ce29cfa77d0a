/**
 * Watches the events of a call for what settlement and failover need: usage, finish, first content, failure.
 * Keeps no text, so a stream of any length costs the same memory.
 */
import type { Candidate } from "../core/endpoint.ts";
import type { UpstreamFailure } from "../core/error.ts";
import type { CanonicalEvent, FinishReason } from "../core/event.ts";
import { completionTokens, emptyUsage, promptTokens, type Usage } from "../core/usage.ts";
import { withinBounds } from "./bounds.ts";
import { estimatePrompt, tokensOf, weigh } from "./estimate.ts";
import type { Inquiry } from "./inquiry.ts";

/** What was asked, and of whom: what a count is made of and measured against. */
export interface Metered {
  readonly inquiry: Inquiry;
  readonly candidate: Candidate;
}

export class Meter {
  /** The upstream said yes: from here on it may charge for the prompt. */
  accepted = false;
  /** The first content was seen: from here on nothing is retried. */
  started = false;
  finish: FinishReason | undefined;
  /** The upstream's usage could not be true as it was. Known after `usage`. */
  clamped = false;
  failure: UpstreamFailure | undefined;
  upstreamId: string | undefined;
  /** Milliseconds on the gateway's clock. */
  firstContentAtMs: number | undefined;
  private reported: Usage | undefined;
  private weight = 0;
  /** How much of it the last report can have counted. */
  private weightReported = 0;

  observe(events: readonly CanonicalEvent[], nowMs: () => number): void {
    for (const event of events) {
      switch (event.type) {
        case "text-delta":
        case "thinking-delta":
          this.weight += weigh(event.text);
          break;
        case "tool-call-delta":
          this.weight += weigh(event.arguments);
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
          this.weightReported = this.weight;
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

  /** Whether the upstream has said what it charges for all that it has said. */
  isReported(): boolean {
    return this.reported !== undefined && this.weight === this.weightReported;
  }

  /**
   * What is to be billed: the provider's word within what can be, or a count of what was seen, flagged `estimated`. The
   * count fills in where that word cannot be true (content of no tokens), and for what a stream that broke off said after
   * the last report. A call that was never accepted used nothing.
   */
  usage(call: Metered): Usage {
    const { endpoint } = call.candidate;
    const { reported } = this;
    if (!reported) return this.counted(call);
    const believed = withinBounds(reported, call.inquiry, endpoint);
    this.clamped = believed !== reported;
    if (!this.started) return believed;
    const input = promptTokens(believed) === 0 ? estimatePrompt(call.inquiry.body) : 0;
    const output = tokensOf(this.unreported(believed));
    if (input === 0 && output === 0) return believed;
    return { ...believed, input: believed.input + input, output: believed.output + output, source: "estimated" };
  }

  private counted({ inquiry }: Metered): Usage {
    if (!this.started && !this.accepted) return emptyUsage("none");
    return { ...emptyUsage("estimated"), input: estimatePrompt(inquiry.body), output: tokensOf(this.weight) };
  }

  private unreported(reported: Usage): number {
    if (completionTokens(reported) === 0) return this.weight;
    return this.finish === undefined ? this.weight - this.weightReported : 0;
  }
}
