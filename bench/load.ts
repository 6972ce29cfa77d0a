/**
 * Load and its measurement: a bounded number of requests at a bounded concurrency, answers read to the end.
 * Everything goes to 127.0.0.1 and stops by itself.
 */

export interface Shape {
  readonly path: string;
  readonly headers: Record<string, string>;
  readonly body: string;
}

export interface Timings {
  readonly p50Ms: number;
  readonly p99Ms: number;
}

async function once(url: string, shape: Shape): Promise<number> {
  const answer = await fetch(url + shape.path, { method: "POST", headers: shape.headers, body: shape.body });
  const bytes = await answer.bytes();
  if (answer.status !== 200) throw new Error(`${answer.status}: ${new TextDecoder().decode(bytes).slice(0, 300)}`);
  return bytes.length;
}

/** Sends `count` requests, `concurrency` at a time. */
export async function load(url: string, shape: Shape, count: number, concurrency: number): Promise<void> {
  let left = count;
  await Promise.all(
    Array.from({ length: concurrency }, async () => {
      while (left-- > 0) await once(url, shape);
    }),
  );
}

/** Times requests one after the other, taking turns between the targets so that the machine's moods hit all alike. */
export async function latencies(urls: readonly { url: string; shape: Shape }[], rounds: number): Promise<Timings[]> {
  const times = urls.map(() => [] as number[]);
  for (let round = 0; round < rounds; round++) {
    for (const [index, { url, shape }] of urls.entries()) {
      const began = performance.now();
      await once(url, shape);
      times[index]?.push(performance.now() - began);
    }
  }
  return times.map((list) => {
    list.sort((a, b) => a - b);
    const at = (share: number) => list[Math.min(list.length - 1, Math.floor(list.length * share))] ?? 0;
    return { p50Ms: at(0.5), p99Ms: at(0.99) };
  });
}
