/**
 * The connection to Redis, as a circuit: up, where scripts run with a bounded wait, or away, where nobody waits for it.
 * `redis.ts` asks it for decisions; it comes back by itself, and counts the nodes that share one Redis.
 */
import { RedisClient } from "bun";
import { REGISTER, type Script } from "./scripts.ts";

export type LinkLog = (level: "info" | "warn", message: string, fields?: Record<string, unknown>) => void;

export interface LinkSettings {
  readonly url: string;
  /** Begins every key. */
  readonly prefix: string;
  /** The longest that a call waits for an answer, and the longest for a connection. */
  readonly timeoutMs: number;
  /** At least so many nodes are counted. */
  readonly nodes: number;
  /** Between two messages of a node that it is there. */
  readonly heartbeatMs: number;
  readonly log: LinkLog;
}

/** Somebody who waits for a script's answer. */
export interface Waiting {
  /** The script ran. May come late, after `onAway`. */
  onReply(reply: readonly number[]): void;
  /** There is no answer in time; decide without Redis. At most once, and never after a reply. */
  onAway(): void;
}

/** Calls that wait for Redis at once. Further ones are decided without it. */
const MAX_WAITING = 20_000;
/** Changes of grants that are kept while Redis is away; beyond it their slots stay taken in Redis until they fall out. */
const MAX_LATER = 10_000;
/** A timer may fire late because this process was busy: then the answer lies in the socket and is read before the second look. */
const SECOND_LOOK_MS = 10;
const FIRST_PROBE_MS = 100;
const LONGEST_PROBE_MS = 2000;
/** An outage that comes sooner than this after the last one goes on with its longer pauses between probes. */
const STEADY_AFTER_MS = 5000;
/** A node that was silent for so many heartbeats is none. */
const SILENT_BEATS = 3;
/** The number of nodes falls only after so many heartbeats that said so: a flushed Redis knows nobody for a moment. */
const READINGS = 3;
/** After coming back the old connection may still bring answers that were late. */
const LINGER_MS = 1000;

interface Entry {
  readonly sentMs: number;
  readonly waiting: Waiting;
}

const NOBODY: Waiting = { onReply() {}, onAway() {} };

export class Link {
  /** Whether scripts are answered now. */
  up = false;
  /** How many nodes share Redis, as last known; at least 1. */
  nodes: number;
  /** Settled when the first try to connect is over, whatever came of it. */
  readonly tried: Promise<void>;
  private readonly settings: LinkSettings;
  private readonly name = crypto.randomUUID();
  private client: RedisClient | undefined;
  private readonly entries = new Set<Entry>();
  private readonly later: { script: Script; values: string[] }[] = [];
  private readings: number[] = [];
  private watch: Timer | undefined;
  private suspect: Entry | undefined;
  private probe: Timer | undefined;
  private readonly heart: Timer;
  private pauseMs = FIRST_PROBE_MS;
  private upSinceMs = 0;
  private closed = false;

  constructor(settings: LinkSettings) {
    this.settings = settings;
    this.nodes = Math.max(1, settings.nodes);
    this.heart = setInterval(() => this.beat(), settings.heartbeatMs);
    this.heart.unref();
    this.tried = this.connect(true);
  }

  /** Runs a script. `values` are the number of keys, the keys and the arguments. */
  run(script: Script, values: string[], waiting: Waiting): void {
    const { client } = this;
    if (!this.up || !client || this.entries.size >= MAX_WAITING) {
      waiting.onAway();
      return;
    }
    const entry: Entry = { sentMs: performance.now(), waiting };
    this.entries.add(entry);
    this.watch ??= setTimeout(this.look, this.settings.timeoutMs);
    this.send(client, entry, "EVALSHA", [script.sha, ...values], script);
  }

  /** Runs a script whose answer nobody needs, now or when Redis is back. */
  tell(script: Script, values: string[]): void {
    if (this.up) this.run(script, values, NOBODY);
    else if (this.later.length < MAX_LATER) this.later.push({ script, values });
  }

  /** Lets go of everything and takes this node off the list. Those who wait are told. */
  async close(): Promise<void> {
    this.closed = true;
    clearInterval(this.heart);
    clearTimeout(this.probe);
    const { client } = this;
    if (this.up && client) {
      await within(this.settings.timeoutMs, client.send("ZREM", [this.nodesKey, this.name])).catch(() => {});
    }
    this.up = false;
    this.client = undefined;
    client?.close();
    this.release();
  }

  private get nodesKey(): string {
    return `${this.settings.prefix}nodes`;
  }

  private send(client: RedisClient, entry: Entry, command: "EVAL" | "EVALSHA", values: string[], script: Script): void {
    client.send(command, values).then(
      (reply: unknown) => {
        if (isNumbers(reply)) {
          this.entries.delete(entry);
          entry.waiting.onReply(reply);
        } else if (this.entries.has(entry)) this.goAway("the answer is not one of this script");
      },
      (error: unknown) => {
        if (!this.entries.has(entry)) return;
        const message = error instanceof Error ? error.message : String(error);
        // A Redis that was restarted or flushed of scripts learns the text with the call that missed it.
        if (command === "EVALSHA" && message.startsWith("NOSCRIPT")) {
          values[0] = script.text;
          this.send(client, entry, "EVAL", values, script);
        } else this.goAway(message);
      },
    );
  }

  /** Whether the oldest call has waited too long. */
  private readonly look = (): void => {
    this.watch = undefined;
    const oldest = this.entries.values().next().value;
    if (!oldest) return;
    const leftMs = oldest.sentMs + this.settings.timeoutMs - performance.now();
    if (leftMs <= 0 && this.suspect === oldest) {
      this.goAway("no answer in time");
      return;
    }
    this.suspect = leftMs <= 0 ? oldest : undefined;
    this.watch = setTimeout(this.look, leftMs <= 0 ? SECOND_LOOK_MS : leftMs);
  };

  private goAway(reason: string): void {
    if (!this.up) return;
    this.up = false;
    const { log } = this.settings;
    log("warn", "Redis is away; rate limits go on with this node's share", { reason, nodes: this.nodes });
    if (performance.now() - this.upSinceMs > STEADY_AFTER_MS) this.pauseMs = FIRST_PROBE_MS;
    this.release();
    this.scheduleProbe();
  }

  /** Tells all who wait that they must do without. */
  private release(): void {
    clearTimeout(this.watch);
    this.watch = undefined;
    this.suspect = undefined;
    const all = [...this.entries];
    this.entries.clear();
    for (const { waiting } of all) waiting.onAway();
  }

  private scheduleProbe(): void {
    if (this.closed) return;
    this.probe = setTimeout(() => void this.connect(false), this.pauseMs);
    this.probe.unref();
    this.pauseMs = Math.min(this.pauseMs * 2, LONGEST_PROBE_MS);
  }

  /** Tries a new connection: it counts when a script that writes has run on it. Never rejects. */
  private async connect(first: boolean): Promise<void> {
    const { timeoutMs, log } = this.settings;
    let client: RedisClient | undefined;
    try {
      const opened = openClient(this.settings);
      client = opened;
      opened.onclose = () => {
        if (this.client === opened) this.goAway("the connection was closed");
      };
      await opened.connect();
      const reply: unknown = await within(timeoutMs, opened.send("EVAL", [REGISTER.text, ...this.registration()]));
      if (this.closed || !isNumbers(reply)) throw new Error("the answer is not one of this script");
      this.note(reply);
      this.come(opened);
      log("info", first ? "rate limits are shared over Redis" : "Redis is back", { nodes: this.nodes });
    } catch (error) {
      client?.close();
      if (first && !this.closed) {
        const reason = error instanceof Error ? error.message : String(error);
        log("warn", "Redis cannot be reached; rate limits go on with this node's share", { reason, nodes: this.nodes });
      }
      this.scheduleProbe();
    }
  }

  private come(client: RedisClient): void {
    const old = this.client;
    if (old) setTimeout(() => old.close(), LINGER_MS).unref();
    this.client = client;
    this.up = true;
    this.upSinceMs = performance.now();
    for (const { script, values } of this.later.splice(0)) this.tell(script, values);
  }

  private registration(): string[] {
    return ["1", this.nodesKey, this.name, String(SILENT_BEATS * this.settings.heartbeatMs)];
  }

  private beat(): void {
    if (this.up) this.run(REGISTER, this.registration(), { onReply: (reply) => this.note(reply), onAway() {} });
  }

  private note(reply: readonly number[]): void {
    this.readings = [...this.readings, reply[0] ?? 0].slice(-READINGS);
    this.nodes = Math.max(1, this.settings.nodes, ...this.readings);
  }
}

function openClient({ url, timeoutMs }: LinkSettings): RedisClient {
  // Coming back is ours to do: the client's own way keeps commands in a queue without an end.
  return new RedisClient(url, { connectionTimeout: timeoutMs, autoReconnect: false, enableOfflineQueue: false });
}

function isNumbers(reply: unknown): reply is number[] {
  return Array.isArray(reply) && typeof reply[0] === "number";
}

/** The promise's outcome, or a rejection after so long. */
async function within<T>(timeoutMs: number, promise: Promise<T>): Promise<T> {
  let timer: Timer | undefined;
  const tooLong = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error("no answer in time")), timeoutMs);
  });
  try {
    return await Promise.race([promise, tooLong]);
  } finally {
    clearTimeout(timer);
  }
}
