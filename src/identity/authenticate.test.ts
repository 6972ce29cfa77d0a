/**
 * Tests of authentication: what is refused before any look-up, what is looked up once, and what is told of each refusal.
 * The clock and the look-up are the test's own.
 */
import { describe, expect, test } from "bun:test";
import { GatewayError } from "../core/error.ts";
import { nano } from "../core/money.ts";
import { createAuthenticator, KEY_CACHE_MS } from "./authenticate.ts";
import { createKey } from "./key.ts";
import type { KeyWithWorkspace } from "./keys.ts";

function stored(hash: string, over: Partial<KeyWithWorkspace> = {}): KeyWithWorkspace {
  return {
    id: "k1",
    hash,
    label: "l",
    name: "n",
    kind: "inference",
    workspaceId: "w1",
    disabled: false,
    createdAt: new Date(0),
    updatedAt: new Date(0),
    expiresAt: null,
    models: null,
    providers: null,
    ipAllow: null,
    modelCaps: null,
    limitNano: null,
    limitReset: null,
    rpm: null,
    rpd: null,
    tpm: null,
    usedNano: nano(0n),
    previousHash: null,
    previousExpiresAt: null,
    billing: "prepaid",
    plan: "payg",
    budgetNano: null,
    budgetReset: null,
    suspended: false,
    ...over,
  };
}

const terms = (id: string) => ({ id, includedPerDay: 3 });

function setUp() {
  const { key, hash } = createKey();
  const known = new Map<string, KeyWithWorkspace>([[hash, stored(hash)]]);
  const asked: string[] = [];
  const clock = { ms: 1_000_000 };
  const gate = { wait: Promise.resolve() as Promise<unknown> };
  const authenticator = createAuthenticator({
    async find(wanted) {
      asked.push(wanted);
      const found = known.get(wanted);
      await gate.wait;
      return found;
    },
    terms,
    nowMs: () => clock.ms,
  });
  const change = (over: Partial<KeyWithWorkspace>) => void known.set(hash, stored(hash, over));
  return { key, hash, known, asked, clock, gate, authenticator, change };
}

async function refusal(work: () => unknown): Promise<GatewayError> {
  try {
    await work();
  } catch (error) {
    expect(error).toBeInstanceOf(GatewayError);
    return error as GatewayError;
  }
  throw new Error("nothing was refused");
}

describe("a known key", () => {
  test("gives the caller's rights, and leaves out what does not restrict it", async () => {
    const { authenticator, key, hash } = setUp();
    const found = await authenticator.authenticate(key);
    expect(found).toEqual({
      keyId: "k1",
      keyHash: hash,
      workspaceId: "w1",
      keyName: "n",
      kind: "inference",
      rate: {},
      terms: { id: "payg", includedPerDay: 3 },
      billing: "prepaid",
    });
  });

  test("gives its restrictions, the smallest cap first", async () => {
    const { authenticator, key, change } = setUp();
    const [cheap, dear] = [
      { glob: "*", capNano: nano(1n) },
      { glob: "gpt-*", capNano: nano(9_007_199_254_740_993n) },
    ];
    change({
      models: ["gpt-*"],
      providers: ["p*"],
      modelCaps: [dear, cheap],
      limitNano: nano(5n),
      limitReset: "weekly",
      rpm: 1,
      tpm: 3,
      plan: "pro",
      budgetNano: nano(6n),
    });
    expect(await authenticator.authenticate(key)).toMatchObject({
      models: ["gpt-*"],
      providers: ["p*"],
      modelCaps: [cheap, dear],
      limit: { nano: nano(5n), reset: "weekly" },
      budget: { nano: nano(6n), reset: null },
      rate: { rpm: 1, tpm: 3 },
      terms: { id: "pro" },
    });
  });

  test("is looked up once while it is fresh, and answered without waiting", async () => {
    const { authenticator, key, asked, clock } = setUp();
    await authenticator.authenticate(key);
    clock.ms += KEY_CACHE_MS - 1;
    expect(authenticator.authenticate(key)).not.toBeInstanceOf(Promise);
    expect(asked.length).toBe(1);
    clock.ms += 1;
    await authenticator.authenticate(key);
    expect(asked.length).toBe(2);
  });

  test("is fresh for less than the five seconds in which a change must hold everywhere", () => {
    expect(KEY_CACHE_MS).toBeLessThan(5000);
  });

  test("that a hundred calls bring at once is looked up once", async () => {
    const { authenticator, key, asked } = setUp();
    const found = await Promise.all(Array.from({ length: 100 }, () => authenticator.authenticate(key)));
    expect(asked.length).toBe(1);
    expect(new Set(found).size).toBe(1);
  });
});

describe("a key is refused when it", () => {
  const states: [string, Partial<KeyWithWorkspace>, string, number][] = [
    ["is disabled", { disabled: true }, "invalid_api_key", 401],
    ["has expired", { expiresAt: new Date(1_000_000) }, "key_expired", 403],
    ["belongs to a suspended workspace", { suspended: true }, "forbidden", 403],
  ];
  for (const [name, over, code, status] of states) {
    test(name, async () => {
      const { authenticator, key, change } = setUp();
      change(over);
      expect(await refusal(() => authenticator.authenticate(key))).toMatchObject({ code, status });
      expect(await refusal(() => authenticator.authenticate(key))).toMatchObject({ code, status });
    });
  }

  test("expires while it is cached", async () => {
    const { authenticator, key, change, clock } = setUp();
    change({ expiresAt: new Date(1_000_500) });
    await authenticator.authenticate(key);
    clock.ms = 1_000_500;
    expect((await refusal(() => authenticator.authenticate(key))).code).toBe("key_expired");
  });

  test("is unknown, which is remembered as well", async () => {
    const { authenticator, asked } = setUp();
    const { key } = createKey();
    for (let i = 0; i < 3; i++)
      expect((await refusal(() => authenticator.authenticate(key))).code).toBe("invalid_api_key");
    expect(asked.length).toBe(1);
  });

  test("is removed or changed: at once where that was done, and after the cache's time elsewhere", async () => {
    const { authenticator, key, hash, known, clock } = setUp();
    await authenticator.authenticate(key);
    known.delete(hash);
    await authenticator.authenticate(key);
    authenticator.forget(hash);
    expect((await refusal(() => authenticator.authenticate(key))).code).toBe("invalid_api_key");
    const second = setUp();
    await second.authenticator.authenticate(second.key);
    second.change({ disabled: true });
    second.clock.ms += KEY_CACHE_MS;
    expect((await refusal(() => second.authenticator.authenticate(second.key))).code).toBe("invalid_api_key");
    expect(clock.ms).toBe(1_000_000);
  });

  test("was changed while it was being looked up: what is read before the change is not kept", async () => {
    const { authenticator, key, hash, gate, change } = setUp();
    const open = Promise.withResolvers<void>();
    gate.wait = open.promise;
    const early = Promise.resolve(authenticator.authenticate(key));
    change({ disabled: true });
    authenticator.forget(hash);
    const late = refusal(() => authenticator.authenticate(key));
    open.resolve();
    await early;
    expect((await late).code).toBe("invalid_api_key");
    expect((await refusal(() => authenticator.authenticate(key))).code).toBe("invalid_api_key");
  });
});

describe("a key that is bound to addresses", () => {
  const from = (address: string | undefined) => () => address;

  test("works from these only, and only with a way to tell; the refusal says nothing of the list", async () => {
    const { authenticator, key, change } = setUp();
    change({ ipAllow: ["10.1.0.0/16", "2001:db8::1"] });
    for (const address of ["10.1.2.3", "::ffff:10.1.2.3", "2001:db8:0::1"])
      expect((await authenticator.authenticate(key, from(address))).keyId).toBe("k1");
    for (const address of ["10.2.0.1", "2001:db8::2", "", "localhost", undefined]) {
      const error = await refusal(() => authenticator.authenticate(key, from(address)));
      expect(error).toMatchObject({ code: "forbidden", status: 403 });
      expect(error.message).not.toMatch(/10\.|2001/);
    }
    expect((await refusal(() => authenticator.authenticate(key))).code).toBe("forbidden");
  });

  test("with a list of which nothing is left to understand works from nowhere", async () => {
    const { authenticator, key, change } = setUp();
    for (const ipAllow of [[], ["nonsense"]]) {
      change({ ipAllow });
      expect((await refusal(() => authenticator.authenticate(key, from("10.0.0.1")))).code).toBe("forbidden");
    }
  });

  test("is the only one for which the address is asked", async () => {
    const { authenticator, key } = setUp();
    let asked = 0;
    await authenticator.authenticate(key, () => {
      asked++;
      return "10.0.0.1";
    });
    expect(asked).toBe(0);
  });
});

describe("the secret before a rotation", () => {
  test("works until its grace ends, to the moment, although it is cached; the new one goes on", async () => {
    const { authenticator, key, hash, known, change, clock } = setUp();
    const fresh = createKey();
    change({ hash: fresh.hash, previousHash: hash, previousExpiresAt: new Date(clock.ms + 500) });
    known.set(fresh.hash, known.get(hash) as KeyWithWorkspace);
    const [old, present] = [await authenticator.authenticate(key), await authenticator.authenticate(fresh.key)];
    expect(old).toEqual(present);
    expect(old.keyHash).toBe(fresh.hash);
    clock.ms += 500;
    expect(await refusal(() => authenticator.authenticate(key))).toMatchObject({ code: "invalid_api_key" });
    expect((await authenticator.authenticate(fresh.key)).keyId).toBe("k1");
  });

  test("never outlives the key, its expiry or its being enabled", async () => {
    for (const over of [{ disabled: true }, { expiresAt: new Date(1_000_000) }]) {
      const { authenticator, key, hash, change } = setUp();
      const grace = new Date(2_000_000);
      change({ hash: createKey().hash, previousHash: hash, previousExpiresAt: grace, ...over });
      expect((await refusal(() => authenticator.authenticate(key))).fault).toBe("caller");
    }
  });
});

describe("no look-up is spent on", () => {
  const { key } = createKey();
  const junk = [
    "",
    undefined,
    "x",
    "sk-sluice-",
    `${key}x`,
    key.slice(1),
    key.slice(0, -1),
    key.toUpperCase(),
    "a".repeat(1_000_000),
    "' or 1=1 --",
    `${key}\0`,
    ` ${key}`,
  ];
  for (const credential of junk) {
    test(`${credential === undefined ? "no key" : JSON.stringify(credential.slice(0, 30))}`, async () => {
      const { authenticator, asked } = setUp();
      const error = await refusal(() => authenticator.authenticate(credential));
      expect(error).toMatchObject({ code: "invalid_api_key", status: 401 });
      if (credential) expect(error.message).not.toContain(credential.slice(0, 20));
      expect(asked).toEqual([]);
    });
  }
});

describe("while the database cannot be asked", () => {
  function broken() {
    let down = true;
    const { key, hash } = createKey();
    const authenticator = createAuthenticator({
      find: () => (down ? Promise.reject(new Error("canary: connection refused")) : Promise.resolve(stored(hash))),
      terms,
      nowMs: () => 0,
    });
    const recover = () => {
      down = false;
    };
    return { key, authenticator, recover };
  }

  test("a key is neither right nor wrong: 503 and a time to come back, never 401", async () => {
    const { authenticator, key } = broken();
    const error = await refusal(() => authenticator.authenticate(key));
    expect(error).toMatchObject({ code: "service_unavailable", status: 503, retryAfterMs: 2000 });
    expect(error.message).not.toContain("canary");
    expect(error.detail).toContain("canary");
  });

  test("the failure is not remembered", async () => {
    const { authenticator, key, recover } = broken();
    await refusal(() => authenticator.authenticate(key));
    recover();
    expect((await authenticator.authenticate(key)).keyId).toBe("k1");
  });

  test("keys that were cached go on working", async () => {
    const { key, hash } = createKey();
    let down = false;
    const find = () => (down ? Promise.reject(new Error("down")) : Promise.resolve(stored(hash)));
    const authenticator = createAuthenticator({ find, terms, nowMs: () => 0 });
    await authenticator.authenticate(key);
    down = true;
    expect((await authenticator.authenticate(key)).keyId).toBe("k1");
  });
});
