/**
 * Tests of leaving one provider's billing line out of what other models read.
 * They stand beside the marker, away from the path of a call.
 */
import { expect, test } from "bun:test";
import type { TextPart } from "../core/request.ts";
import { markBillingHeader, unmark, visibleSystem } from "./system-text.ts";

const HEADER = "x-anthropic-billing-header: cc_version=1; cc_entrypoint=cli;";
const text = (value: string): TextPart => ({ type: "text", text: value });

test("a marked billing line is not visible, other texts are", () => {
  const system = [text(HEADER), text("Be brief.")].map(markBillingHeader);
  expect(system[0]?.extras?.["anthropic-messages"]).toEqual({ $billingHeader: true });
  expect(visibleSystem(system)).toEqual([text("Be brief.")]);
});

test("text after the billing line in the same block stays, without the mark", () => {
  const marked = markBillingHeader({ ...text(`${HEADER}\n\nBe brief.`), cache: { ttl: "5m" } });
  expect(visibleSystem([marked])).toEqual([{ type: "text", text: "Be brief.", cache: { ttl: "5m" } }]);
});

test("the same words from a caller of another format are left alone", () => {
  expect(visibleSystem([text(HEADER)])).toEqual([text(HEADER)]);
});

test("taking the mark off keeps other extras", () => {
  expect(unmark({ "anthropic-messages": { $billingHeader: true, x: 1 } })).toEqual({ "anthropic-messages": { x: 1 } });
  expect(unmark(undefined)).toBeUndefined();
});
