/**
 * Folds canonical events into a whole reply and unfolds a reply into events.
 * Non-streamed answers are decoded to events like streams, so metering always has one input and `encodeReply` one shape to write.
 */
import type { CanonicalEvent, Choice, Reply } from "./event.ts";
import type { Extras, Part } from "./request.ts";

type ReplyPart = Exclude<Part, { type: "tool-result" }>;

/** Two sets of extras as one; fields of the second win. */
export function mergeExtras(first: Extras | undefined, second: Extras | undefined): Extras | undefined {
  if (!first || !second) return first ?? second;
  const merged: Extras = { ...first };
  for (const [dialect, fields] of Object.entries(second)) {
    merged[dialect as keyof Extras] = { ...merged[dialect as keyof Extras], ...fields };
  }
  return merged;
}

interface OpenChoice extends Choice {
  byNumber: Map<number, ReplyPart>;
}

/** Collects the events of one message. Deltas of unknown parts are ignored: a decoder's order is checked elsewhere. */
export class ReplyCollector {
  private readonly head: Omit<Reply, "choices"> = {};
  private readonly choices: OpenChoice[] = [];

  push(event: CanonicalEvent): void {
    switch (event.type) {
      case "message-start":
        this.head.id = event.id;
        this.head.model = event.model;
        this.head.createdAt = event.createdAt;
        this.head.extras = event.extras;
        return;
      case "usage":
        this.head.usage = event.usage;
        this.head.usageExtras = event.extras ?? this.head.usageExtras;
        return;
      case "error":
        this.head.failure = event.failure;
        return;
      default:
        this.pushToChoice(this.choice(event.choice), event);
    }
  }

  reply(): Reply {
    const choices = this.choices.filter((choice) => choice !== undefined);
    return { ...this.head, choices: choices.map(({ byNumber: _, ...choice }) => choice) };
  }

  private choice(number: number): OpenChoice {
    let choice = this.choices[number];
    if (!choice) {
      choice = { parts: [], finish: { reason: "other" }, byNumber: new Map() };
      this.choices[number] = choice;
    }
    return choice;
  }

  private pushToChoice(
    choice: OpenChoice,
    event: Exclude<CanonicalEvent, { type: "message-start" | "usage" | "error" }>,
  ): void {
    switch (event.type) {
      case "part-start":
        add(choice, event.part, begin(event.start));
        return;
      case "part":
        add(choice, event.part, event.value);
        return;
      case "logprobs":
        choice.logprobs ??= {};
        choice.logprobs[event.kind] = [...(choice.logprobs[event.kind] ?? []), ...event.tokens];
        return;
      case "message-end":
        choice.finish = event.finish;
        choice.extras = event.extras;
        return;
      default: {
        const part = choice.byNumber.get(event.part);
        if (part) grow(part, event);
      }
    }
  }
}

/** The reply that these events make. */
export function collect(events: Iterable<CanonicalEvent>): Reply {
  const collector = new ReplyCollector();
  for (const event of events) collector.push(event);
  return collector.reply();
}

function add(choice: OpenChoice, number: number, part: ReplyPart): void {
  choice.parts.push(part);
  choice.byNumber.set(number, part);
}

function begin(start: Extract<CanonicalEvent, { type: "part-start" }>["start"]): ReplyPart {
  switch (start.type) {
    case "text":
    case "refusal":
    case "thinking":
      return { text: "", ...start };
    case "tool-call":
      return { arguments: "", ...start };
    case "audio": {
      const { mediaType, ...others } = start;
      return { ...others, source: { type: "base64", data: "", mediaType } };
    }
  }
}

type PartEvent = Extract<
  CanonicalEvent,
  {
    type: "text-delta" | "thinking-delta" | "tool-call-delta" | "audio-delta" | "annotation" | "signature" | "part-end";
  }
>;

function grow(part: ReplyPart, event: PartEvent): void {
  switch (event.type) {
    case "text-delta":
    case "thinking-delta":
      if (part.type === "text" || part.type === "refusal" || part.type === "thinking") part.text += event.text;
      return;
    case "tool-call-delta":
      if (part.type === "tool-call") part.arguments += event.arguments;
      return;
    case "audio-delta":
      if (part.type !== "audio" || part.source.type !== "base64") return;
      part.source.data += event.data ?? "";
      if (event.transcript !== undefined) part.transcript = (part.transcript ?? "") + event.transcript;
      return;
    case "annotation":
      if (part.type === "text") part.annotations = [...(part.annotations ?? []), event.annotation];
      return;
    case "signature":
      if (part.type === "thinking" || part.type === "tool-call" || part.type === "text")
        part.signature = event.signature;
      return;
    case "part-end":
      if (event.extras) part.extras = mergeExtras(part.extras, event.extras);
  }
}

/** The events of a whole reply, in the order every decoder keeps. */
export function unfold(reply: Reply): CanonicalEvent[] {
  const { id, model, createdAt, extras } = reply;
  const events: CanonicalEvent[] = [{ type: "message-start", id, model, createdAt, extras }];
  reply.choices.forEach((choice, number) => {
    choice.parts.forEach((part, index) => {
      events.push(...unfoldPart(part, number, index));
    });
    for (const kind of ["content", "refusal"] as const) {
      const tokens = choice.logprobs?.[kind];
      if (tokens) events.push({ type: "logprobs", choice: number, kind, tokens });
    }
  });
  if (reply.usage) events.push({ type: "usage", usage: reply.usage, extras: reply.usageExtras });
  if (reply.failure) return [...events, { type: "error", failure: reply.failure }];
  reply.choices.forEach((choice, number) => {
    events.push({ type: "message-end", choice: number, finish: choice.finish, extras: choice.extras });
  });
  return events;
}

function unfoldPart(value: ReplyPart, choice: number, part: number): CanonicalEvent[] {
  const place = { choice, part };
  const end: CanonicalEvent = { type: "part-end", ...place };
  switch (value.type) {
    case "text":
    case "refusal": {
      const start = { type: value.type, extras: value.extras };
      const notes = value.type === "text" ? (value.annotations ?? []) : [];
      return [
        { type: "part-start", ...place, start },
        { type: "text-delta", ...place, text: value.text },
        ...notes.map((annotation): CanonicalEvent => ({ type: "annotation", ...place, annotation })),
        ...(value.type === "text" && value.signature
          ? [{ type: "signature", ...place, signature: value.signature } as const]
          : []),
        end,
      ];
    }
    case "thinking": {
      if (value.redacted) return [{ type: "part", ...place, value }];
      const start = { type: value.type, summary: value.summary, extras: value.extras };
      return [
        { type: "part-start", ...place, start },
        ...(value.text ? [{ type: "thinking-delta", ...place, text: value.text } as const] : []),
        ...(value.signature ? [{ type: "signature", ...place, signature: value.signature } as const] : []),
        end,
      ];
    }
    case "tool-call": {
      const { arguments: text, signature, cache: _, ...start } = value;
      return [
        { type: "part-start", ...place, start },
        { type: "tool-call-delta", ...place, arguments: text },
        ...(signature ? [{ type: "signature", ...place, signature } as const] : []),
        end,
      ];
    }
    default:
      return [{ type: "part", ...place, value }];
  }
}
