/**
 * Twenty moments at which a caller leaves, streamed and plain. Disconnecting is never free and never overcharged: what the
 * provider charges is billed, where leaving does not end it; else what was seen.
 */
import type { Point } from "./point.ts";

/** Gemini tells what a stream cost so far with every event. */
const SO_FAR = { gemini: "partly", others: "counted" } as const;
const WHOLE_THEN = "the provider charges for an answer that nobody was able to wait for";

export const LEAVING: readonly Point[] = [
  {
    name: "with the head sent, before any byte of the body",
    streamed: { leave: { at: "head" }, bill: "refused" },
    plain: { leave: { at: "head" }, bill: "refused" },
  },
  {
    name: "in the middle of the body",
    streamed: { leave: { at: "half-body" }, bill: "refused" },
    plain: { leave: { at: "half-body" }, bill: "refused" },
  },
  {
    name: "before the last byte of the body",
    streamed: { leave: { at: "last-byte" }, bill: "refused" },
    plain: { leave: { at: "last-byte" }, bill: "refused" },
  },
  {
    name: "in the middle of a body of unknown length",
    streamed: { leave: { at: "chunked-body" }, bill: "refused" },
    plain: { leave: { at: "chunked-body" }, bill: "refused" },
  },
  {
    name: "before the upstream's headers, by closing its half",
    streamed: { orders: "ttfb=20s", leave: { at: "half-close" }, bill: "void" },
    plain: { orders: "held keeps-charging", leave: { at: "half-close" }, bill: "told" },
  },
  {
    name: "before the upstream's headers",
    streamed: { orders: "ttfb=20s", leave: { at: "seen" }, bill: "void" },
    plain: { orders: "held keeps-charging", leave: { at: "seen" }, bill: "told" },
  },
  {
    name: "before the upstream's headers, where it is the other way round",
    streamed: { kind: "kept", orders: "held words=12 keeps-charging", leave: { at: "seen" }, bill: "told" },
    plain: { kind: "shut", orders: "ttfb=20s", leave: { at: "seen" }, bill: "void" },
  },
  {
    name: "before the headers of an upstream that never answers",
    streamed: { kind: "kept", orders: "hang", leave: { at: "seen" }, bill: "void" },
    plain: { kind: "kept", orders: "hang", leave: { at: "seen" }, bill: "void" },
  },
  {
    name: "before an upstream refuses, after which no other is asked",
    streamed: { kind: "kept", orders: "held status=503", leave: { at: "seen" }, bill: "void" },
    plain: { kind: "two", orders: "held status=503", leave: { at: "seen" }, bill: "void" },
  },
  {
    name: "before an answer that is an error, which was charged for",
    streamed: { kind: "kept", orders: "held charged-error", leave: { at: "seen" }, bill: "void", loss: true },
    plain: { kind: "two", orders: "held first-error", leave: { at: "seen" }, bill: "void" },
  },
  {
    name: "after the upstream's headers, before any content",
    streamed: { orders: "hang-after=0", leave: { at: "accepted" }, bill: "counted" },
    plain: { kind: "kept", orders: "hang-after=0", leave: { at: "accepted" }, bill: "counted", unknowable: WHOLE_THEN },
  },
  {
    name: "at the first piece",
    streamed: { orders: "words=40 gap=40ms", leave: { at: "pieces", count: 1 }, bill: SO_FAR },
    plain: {
      what: "at the first byte of a long answer",
      orders: "size=6000",
      leave: { at: "first-byte" },
      bill: "told",
      status: 200,
    },
  },
  {
    name: "at the third piece, where it is read on",
    streamed: {
      kind: "kept",
      orders: "words=12 gap=10ms keeps-charging",
      leave: { at: "pieces", count: 3 },
      bill: "told",
    },
    plain: {
      what: "before a long answer, where it is read on",
      kind: "kept",
      orders: "held size=6000",
      leave: { at: "seen" },
      bill: "told",
    },
  },
  {
    name: "at the fourth piece of what is read on, and then breaks off",
    streamed: {
      kind: "kept",
      orders: "words=40 gap=20ms cut-after=12",
      leave: { at: "pieces", count: 4 },
      bill: SO_FAR,
    },
    plain: {
      what: "before a plain answer that breaks off",
      kind: "kept",
      orders: "held cut-after=1",
      leave: { at: "seen" },
      bill: "void",
      unknowable: WHOLE_THEN,
    },
  },
  {
    name: "at the fifth piece of what takes too long to be read on",
    streamed: {
      kind: "kept",
      orders: "words=300 gap=60ms keeps-charging",
      leave: { at: "pieces", count: 5 },
      bill: SO_FAR,
      unknowable: WHOLE_THEN,
    },
    plain: {
      what: "before what takes too long to be waited for",
      kind: "kept",
      orders: "ttfb=20s keeps-charging",
      leave: { at: "seen" },
      bill: "void",
      unknowable: WHOLE_THEN,
    },
  },
  {
    name: "without closing, by reading nothing",
    streamed: {
      kind: "long",
      orders: "size=14000000",
      leave: { at: "stall" },
      bill: SO_FAR,
      unknowable: "much of it is on its way",
    },
    plain: {
      what: "during a failover that is then given up",
      kind: "two",
      orders: "held empty",
      leave: { at: "seen" },
      bill: "void",
      unknowable: WHOLE_THEN,
    },
  },
  {
    name: "with all content there, before the end",
    streamed: { orders: "words=12 hang-after=12", leave: { at: "pieces", count: 12 }, bill: SO_FAR },
    plain: {
      what: "at the first byte of a short answer",
      orders: "words=12",
      leave: { at: "first-byte" },
      bill: "told",
      status: 200,
    },
  },
  {
    name: "right after the last event",
    streamed: { orders: "words=12", leave: { at: "end" }, bill: "told", status: 200 },
    plain: { orders: "words=12", leave: { at: "end" }, bill: "told", status: 200 },
  },
  {
    name: "right after the last event, while the upstream keeps its connection open",
    streamed: { orders: "words=12 stays-open", leave: { at: "end" }, bill: "told", status: 200 },
    plain: {
      what: "right after the answer, with a reset",
      orders: "words=12",
      leave: { at: "reset-at-end" },
      bill: "told",
      status: 200,
    },
  },
  {
    name: "before usage is told that cannot be",
    streamed: { kind: "kept", orders: "held words=12 usage=huge", leave: { at: "seen" }, bill: "clamped" },
    plain: { kind: "kept", orders: "held words=12 usage=huge", leave: { at: "seen" }, bill: "clamped" },
  },
];
