/**
 * Messages of Bedrock's streams as events of Messages: chunks, exceptions, and what is neither.
 * Calls through a server are in `test/clouds.test.ts`.
 */
import { describe, expect, test } from "bun:test";
import { bedrock, eventOf } from "./bedrock.ts";

const message = (headers: Record<string, string>, payload: string) =>
  eventOf({ headers, payload: new TextEncoder().encode(payload) });
const chunk = (text: string) =>
  message({ ":message-type": "event" }, JSON.stringify({ bytes: Buffer.from(text).toString("base64") }));

describe("a message of a stream", () => {
  test("is the event inside, as it is written there", () => {
    const text = '{"type":"content_block_delta", "index":0,"delta":{"type":"text_delta","text":"ü\\n"}  }';
    expect(chunk(text)).toBe(`event: content_block_delta\ndata: ${text}\n\n`);
  });

  test("with line ends in its text is still one line", () => {
    expect(chunk('{"type":\n"ping"}')).toBe('event: ping\ndata: {"type":"ping"}\n\n');
  });

  test("loses the cloud's figures", () => {
    const text = '{"type":"message_stop","amazon-bedrock-invocationMetrics":{"inputTokenCount":1}}';
    expect(chunk(text)).toBe('event: message_stop\ndata: {"type":"message_stop"}\n\n');
  });

  test("that is an exception is an error event of the kind that it means", () => {
    const kinds = [
      ["throttlingException", "rate_limit_error"],
      ["validationException", "invalid_request_error"],
      ["modelTimeoutException", "timeout_error"],
      ["serviceUnavailableException", "overloaded_error"],
      ["modelStreamErrorException", "api_error"],
      ["toString", "api_error"],
    ] as const;
    for (const [exception, type] of kinds) {
      const text = message({ ":message-type": "exception", ":exception-type": exception }, '{"message":"why"}');
      expect(text).toBe(`event: error\ndata: {"type":"error","error":{"type":"${type}","message":"why"}}\n\n`);
    }
    const error = message({ ":message-type": "error", ":error-code": "x", ":error-message": "why" }, "");
    expect(error).toContain('"message":"why"');
  });

  test("that is nothing of the kind is left out", () => {
    for (const payload of ["", "{}", "[]", '{"bytes":7}', '{"bytes":"!!"}']) {
      expect(message({ ":message-type": "event" }, payload)).toBe("");
    }
    for (const text of ["{}", "7", '{"type":7}', '{"type":"a\\nb"}']) expect(chunk(text)).toBe("");
  });
});

test("a region is in the address, China's under its own domain", () => {
  expect(bedrock.address?.("eu-central-1")).toBe("https://bedrock-runtime.eu-central-1.amazonaws.com");
  expect(bedrock.address?.("cn-north-1")).toBe("https://bedrock-runtime.cn-north-1.amazonaws.com.cn");
});
