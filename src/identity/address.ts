/**
 * Network addresses: the ranges that keys are bound to and that proxies stand in, and where a caller really comes from.
 * The authenticator asks for a caller's address only when its key has a list; an address that cannot be told is in no range.
 */
import { BlockList, isIP } from "node:net";

/** The longest text that can be an address or a range. */
const MAX_TEXT = 64;
/** Of a list of forwarders: no chain of proxies is longer, and none is read further. */
const MAX_HOPS = 32;

const RANGE = /^([0-9a-fA-F:.]+)(?:\/(0|[1-9]\d{0,2}))?$/;
const MAPPED = new BlockList();
MAPPED.addSubnet("::ffff:0:0", 96, "ipv6");
const MAPPED_BITS = 96;

/** IPv4, also in its IPv6 form (`::ffff:a.b.c.d`), is one family; all other IPv6 the other. */
type Family = "ipv4" | "ipv6";

interface Range {
  readonly base: string;
  readonly family: Family;
  /** Of the family's own 32 or 128 bits. */
  readonly bits: number;
}

/** Addresses and ranges, to be asked for one address. */
export interface AddressList {
  has(address: string): boolean;
}

function isMapped(address: string): boolean {
  return MAPPED.check(address, "ipv6");
}

function familyOf(address: string): Family | undefined {
  const version = isIP(address);
  if (version === 0) return undefined;
  return version === 4 || isMapped(address) ? "ipv4" : "ipv6";
}

function parseRange(text: string): Range | undefined {
  const match = text.length <= MAX_TEXT ? RANGE.exec(text) : null;
  const base = match?.[1] ?? "";
  const version = isIP(base);
  if (version === 0) return undefined;
  const size = version === 4 ? 32 : 128;
  const bits = match?.[2] === undefined ? size : Number(match[2]);
  if (bits > size) return undefined;
  if (version === 4) return { base, family: "ipv4", bits };
  return isMapped(base) && bits >= MAPPED_BITS
    ? { base, family: "ipv4", bits: bits - MAPPED_BITS }
    : { base, family: "ipv6", bits };
}

/** Whether a text is an IPv4 or IPv6 address, or a range of them such as `10.0.0.0/8`. */
export function isAddressRange(text: string): boolean {
  return parseRange(text) !== undefined;
}

function add(list: BlockList, { base, bits }: Range): void {
  if (isIP(base) === 4) list.addSubnet(base, bits, "ipv4");
  else list.addSubnet(base, isMapped(base) && bits <= 32 ? bits + MAPPED_BITS : bits, "ipv6");
}

function contains(list: BlockList, address: string): boolean {
  return list.check(address, isIP(address) === 4 ? "ipv4" : "ipv6");
}

/** A list over the texts that are ranges; the others fit nothing. IPv4 is never in a range of IPv6, as wide as it may be. */
export function addressList(texts: readonly string[]): AddressList {
  const lists: Record<Family, BlockList> = { ipv4: new BlockList(), ipv6: new BlockList() };
  for (const text of texts) {
    const range = parseRange(text);
    if (range) add(lists[range.family], range);
  }
  return {
    has(address) {
      const family = familyOf(address);
      return family !== undefined && contains(lists[family], address);
    },
  };
}

/** Whether every address of the range is in one of the others. */
export function rangeWithin(inner: string, outer: readonly string[]): boolean {
  const range = parseRange(inner);
  if (!range) return false;
  return outer.some((text) => {
    const wider = parseRange(text);
    if (!wider || wider.family !== range.family || wider.bits > range.bits) return false;
    const list = new BlockList();
    add(list, wider);
    return contains(list, range.base);
  });
}

/** The address without a port, brackets or zone, as proxies write them; undefined when it is none. */
function plain(text: string): string | undefined {
  const trimmed = text.trim();
  if (trimmed.length > MAX_TEXT) return undefined;
  const bare = /^\[([^\]]*)\](?::\d+)?$/.exec(trimmed)?.[1] ?? /^([\d.]+):\d+$/.exec(trimmed)?.[1] ?? trimmed;
  const address = bare.replace(/%.*$/, "");
  return isIP(address) === 0 ? undefined : address;
}

/**
 * Where a caller comes from: the peer of the connection, or when that is one of our proxies, the right-most address of
 * `X-Forwarded-For` that is none. What stands left of it was written by the caller. Undefined when it cannot be told.
 */
export function clientAddress(
  peer: string | undefined,
  forwardedFor: string | null,
  proxies: AddressList,
): string | undefined {
  let address = peer === undefined ? undefined : plain(peer);
  if (forwardedFor === null || address === undefined || !proxies.has(address)) return address;
  const hops = forwardedFor.split(",");
  const last = Math.max(0, hops.length - MAX_HOPS);
  for (let index = hops.length - 1; index >= last; index--) {
    address = plain(hops[index] ?? "");
    if (address === undefined || !proxies.has(address)) return address;
  }
  return hops.length > MAX_HOPS ? undefined : address;
}
