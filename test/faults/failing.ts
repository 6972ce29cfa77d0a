/**
 * Twenty ways in which an upstream fails a caller who stays, streamed and plain. The customer pays once, for what was
 * answered; what came to nothing before the first content costs nothing and is tried elsewhere.
 */
import type { Point } from "./point.ts";

const SO_FAR = { gemini: "partly", others: "counted" } as const;
const CHARGED = "the provider charges for an answer that it never gave";
/** The one failing try is the first; the second endpoint is well. */
const once = (orders: string) => `${orders} only-first=1`;

export const FAILING: readonly Point[] = [
  {
    name: "nobody listens, and the next endpoint answers",
    streamed: { kind: "dead", orders: "words=12", bill: "told", attempts: 2 },
    plain: { kind: "dead", orders: "words=12", bill: "told", attempts: 2 },
  },
  {
    name: "it closes the connection before the headers, and the next endpoint answers",
    streamed: { kind: "reset-two", orders: "words=12", bill: "told", attempts: 2 },
    plain: { kind: "reset-two", orders: "words=12", bill: "told", attempts: 2 },
  },
  {
    name: "it closes the connection before the headers, and there is no other",
    streamed: { kind: "reset", bill: "void", status: 503 },
    plain: { kind: "reset", bill: "void", status: 503 },
  },
  {
    name: "it is overloaded, and the next endpoint answers",
    streamed: { kind: "two", orders: "fail-first=1 words=12", bill: "told", attempts: 2 },
    plain: { kind: "two", orders: "fail-first=1 words=12", bill: "told", attempts: 2 },
  },
  {
    name: "it is out of places, and so is the next",
    streamed: { kind: "two", orders: "status=429 retry-after=2", bill: "void", status: 503, attempts: 2 },
    plain: { kind: "two", orders: "status=429 retry-after=2", bill: "void", status: 503, attempts: 2 },
  },
  {
    name: "it refuses what the caller asks, and no other is asked",
    streamed: { kind: "two", orders: "status=400", bill: "void", status: 400 },
    plain: { kind: "two", orders: "status=400", bill: "void", status: 400 },
  },
  {
    name: "it is silent, and the next endpoint answers",
    streamed: { kind: "two", orders: once("hang"), bill: "told", attempts: 2 },
    plain: { kind: "two", orders: once("hang"), bill: "told", attempts: 2 },
  },
  {
    name: "it is silent, and there is no other",
    streamed: { orders: "hang", bill: "void", status: 504 },
    plain: { orders: "hang", bill: "void", status: 504 },
  },
  {
    name: "its answer is empty, and the next endpoint's is not",
    streamed: { kind: "two", orders: once("empty"), bill: "told", attempts: 2, unknowable: CHARGED },
    plain: { kind: "two", orders: once("empty"), bill: "told", attempts: 2, unknowable: CHARGED },
  },
  {
    name: "its answer is empty, and there is no other",
    streamed: { orders: "empty", bill: "void", status: 503, unknowable: CHARGED },
    plain: { orders: "empty", bill: "void", status: 503, unknowable: CHARGED },
  },
  {
    name: "its answer is an error with status 200, and the next endpoint's is not",
    streamed: { kind: "two", orders: once("first-error"), bill: "told", attempts: 2 },
    plain: { kind: "two", orders: once("first-error"), bill: "told", attempts: 2 },
  },
  {
    name: "it charges for an error, and the next endpoint for its answer",
    streamed: { kind: "two", orders: once("charged-error"), bill: "told", attempts: 2, loss: true },
    plain: {
      what: "it fails twice with status 200",
      kind: "two",
      orders: "error-after=1",
      bill: "void",
      status: 503,
      attempts: 2,
    },
  },
  {
    name: "it charges for an error, and there is no other",
    streamed: { orders: "charged-error", bill: "void", status: 503, loss: true },
    plain: {
      what: "its answer is half of a JSON text",
      orders: "bad-json",
      bill: "void",
      status: 503,
      unknowable: CHARGED,
    },
  },
  {
    name: "it breaks off before any content, and the next endpoint answers",
    streamed: { kind: "two", orders: once("cut-after=0"), bill: "told", attempts: 2, unknowable: CHARGED },
    plain: { kind: "two", orders: once("cut-after=0"), bill: "told", attempts: 2, unknowable: CHARGED },
  },
  {
    name: "it breaks off after some content",
    streamed: { kind: "two", orders: "words=30 cut-after=9", bill: SO_FAR, status: 503 },
    plain: { orders: "words=30 cut-after=9", bill: "void", status: 503, unknowable: CHARGED },
  },
  {
    name: "it breaks off in the middle of an event",
    streamed: { kind: "two", orders: "words=30 cut-inside=9", bill: SO_FAR, status: 503 },
    plain: { kind: "two", orders: once("cut-inside=9"), bill: "told", attempts: 2, unknowable: CHARGED },
  },
  {
    name: "it tells of an error after some content",
    streamed: { kind: "two", orders: "words=30 error-after=9", bill: SO_FAR, status: 503 },
    plain: { orders: "error-after=9", bill: "void", status: 503 },
  },
  {
    name: "it goes silent after some content",
    streamed: { kind: "two", orders: "words=30 hang-after=9", bill: SO_FAR, status: 504 },
    plain: { kind: "two", orders: once("hang-after=9"), bill: "told", attempts: 2, unknowable: CHARGED },
  },
  {
    name: "it tells no usage",
    streamed: { orders: "words=30 no-usage", bill: "counted" },
    plain: { orders: "words=30 no-usage", bill: "counted" },
  },
  {
    name: "it tells a usage that cannot be",
    streamed: { orders: "words=30 usage=huge", bill: "clamped" },
    plain: { orders: "words=30 usage=huge", bill: "clamped" },
  },
];
