/**
 * Tests of addresses: what is a range, what is in one, and whom a chain of proxies really speaks for.
 * A wrong answer here lets a stolen key be used from anywhere.
 */
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { addressList, clientAddress, isAddressRange, rangeWithin } from "./address.ts";

describe("a range", () => {
  const right = ["1.2.3.4", "0.0.0.0/0", "10.0.0.0/8", "10.1.2.3/32", "::1", "::/0", "2001:DB8::/32", "fe80::1/128"];
  const mapped = ["::ffff:10.0.0.1", "::ffff:10.0.0.0/104", "1:2:3:4:5:6:7:8"];
  for (const text of [...right, ...mapped]) test(`is ${text}`, () => expect(isAddressRange(text)).toBe(true));

  const wrong = ["", "x", "1.2.3", "1.2.3.256", "010.0.0.1", "1.2.3.4/33", "::/129", "1.2.3.4/", "1.2.3.4/-1", "/8"];
  const strange = [
    "1.2.3.4/08",
    " 1.2.3.4",
    "1.2.3.4/8/8",
    "fe80::1%eth0",
    "1.2.3.4:80",
    "[::1]",
    "*",
    "1".repeat(1e5),
  ];
  for (const text of [...wrong, ...strange]) {
    test(`is not ${JSON.stringify(text.slice(0, 20))}`, () => expect(isAddressRange(text)).toBe(false));
  }
});

describe("a list", () => {
  const TABLE: [list: string[], inside: string[], outside: string[]][] = [
    [["10.0.0.7"], ["10.0.0.7", "::ffff:10.0.0.7", "::ffff:a00:7"], ["10.0.0.8", "::a00:7", "::10.0.0.7"]],
    [["10.0.0.0/8"], ["10.255.255.255", "::ffff:10.1.2.3"], ["11.0.0.0", "9.255.255.255"]],
    [["10.9.9.9/9"], ["10.0.0.0", "10.127.255.255"], ["10.128.0.0"]],
    [["::ffff:10.0.0.0/104"], ["10.2.3.4", "::ffff:10.2.3.4"], ["11.2.3.4"]],
    [["0.0.0.0/0"], ["1.2.3.4", "::ffff:1.2.3.4"], ["::1", "2001:db8::1"]],
    [["::/0"], ["::1", "2001:db8::1"], ["1.2.3.4", "::ffff:1.2.3.4"]],
    [["::fffe:0:0/95"], ["::fffe:0:1"], ["1.2.3.4", "::ffff:1.2.3.4"]],
    [["2001:db8::/33"], ["2001:db8:7fff::1", "2001:0DB8:0:0::"], ["2001:db8:8000::1", "2001:db9::1"]],
    [
      ["1.1.1.1", "2.2.2.0/24", "::1"],
      ["1.1.1.1", "2.2.2.200", "::1"],
      ["1.1.1.2", "2.2.3.0", "::2"],
    ],
    [[], [], ["1.2.3.4", "::1"]],
    [["nonsense", "1.1.1.1"], ["1.1.1.1"], ["nonsense", "", "1.1.1.1 ", "1.1.1.1/32", "fe80::1%1"]],
  ];
  for (const [texts, inside, outside] of TABLE) {
    test(`of ${JSON.stringify(texts)}`, () => {
      const list = addressList(texts);
      expect(inside.filter((address) => !list.has(address))).toEqual([]);
      expect(outside.filter((address) => list.has(address))).toEqual([]);
    });
  }

  test("has of IPv4 what the bits say", () => {
    const number = fc.integer({ min: 0, max: 2 ** 32 - 1 });
    const text = (value: number) => [24, 16, 8, 0].map((shift) => (value >>> shift) & 255).join(".");
    fc.assert(
      fc.property(number, number, fc.integer({ min: 0, max: 32 }), (base, change, bits) => {
        const near = (base ^ (bits === 0 ? change : change % 2 ** (33 - bits))) >>> 0;
        const same = bits === 0 || base >>> (32 - bits) === near >>> (32 - bits);
        const list = addressList([`${text(base)}/${bits}`]);
        expect([list.has(text(near)), list.has(`::ffff:${text(near)}`)]).toEqual([same, same]);
      }),
    );
  });
});

test("a range is within another only when all of it is", () => {
  const within: [string, string[]][] = [
    ["10.1.2.3", ["10.0.0.0/8"]],
    ["10.1.0.0/16", ["::1", "10.0.0.0/8"]],
    ["10.0.0.0/8", ["10.0.0.0/8"]],
    ["::ffff:10.1.0.0/112", ["10.1.0.0/16"]],
    ["10.1.0.0/16", ["::ffff:10.0.0.0/104"]],
    ["2001:db8::/48", ["2001:db8::/32"]],
  ];
  const beyond: [string, string[]][] = [
    ["10.0.0.0/7", ["10.0.0.0/8"]],
    ["0.0.0.0/0", ["10.0.0.0/8", "11.0.0.0/8"]],
    ["11.0.0.1", ["10.0.0.0/8"]],
    ["10.0.0.1", ["::/0"]],
    ["::1", ["0.0.0.0/0"]],
    ["::/0", ["2001:db8::/32"]],
    ["nonsense", ["nonsense"]],
    ["10.0.0.1", []],
  ];
  expect(within.filter(([inner, outer]) => !rangeWithin(inner, outer))).toEqual([]);
  expect(beyond.filter(([inner, outer]) => rangeWithin(inner, outer))).toEqual([]);
});

describe("the caller's address is", () => {
  const proxies = addressList(["10.0.0.0/8", "::1"]);
  const TABLE: [name: string, peer: string | undefined, forwarded: string | null, found: string | undefined][] = [
    ["the peer's", "1.2.3.4", null, "1.2.3.4"],
    ["the peer's, whatever it claims, when it is no proxy of ours", "1.2.3.4", "9.9.9.9", "1.2.3.4"],
    ["the proxy's own when it forwards nobody", "10.0.0.1", null, "10.0.0.1"],
    ["what our proxy says", "10.0.0.1", "9.9.9.9", "9.9.9.9"],
    ["what our proxy says, met over IPv6", "::ffff:10.0.0.1", "9.9.9.9", "9.9.9.9"],
    ["the last before our proxies, not what the caller wrote", "::1", "6.6.6.6, 9.9.9.9, 10.0.0.2", "9.9.9.9"],
    ["the first when all are proxies", "10.0.0.1", "10.0.0.3,10.0.0.2", "10.0.0.3"],
    ["without its port", "10.0.0.1", "9.9.9.9:1234", "9.9.9.9"],
    ["without brackets", "10.0.0.1", "[2001:db8::1]:80", "2001:db8::1"],
    ["without a zone", "fe80::1%eth0", null, "fe80::1"],
    ["not known when a proxy wrote none", "10.0.0.1", "unknown", undefined],
    ["not known when the list is empty", "10.0.0.1", "", undefined],
    ["not known when the last is nonsense, whatever stands before", "10.0.0.1", "9.9.9.9, 10.0.0.2, x", undefined],
    ["not known without a peer", undefined, "9.9.9.9", undefined],
    ["not known behind endless proxies", "10.0.0.1", "10.0.0.2,".repeat(5000), undefined],
  ];
  for (const [name, peer, forwarded, found] of TABLE) {
    test(name, () => expect(clientAddress(peer, forwarded, proxies)).toBe(found as string));
  }

  test("never one that a caller can choose by what it sends before the proxy's word", () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 60 }), (sent) => {
        expect(clientAddress("10.0.0.1", `${sent}, 9.9.9.9`, proxies)).toBe("9.9.9.9");
      }),
    );
  });
});
