import { setTimeout } from 'node:timers/promises';
import { percentile } from '../statistics.js';
import type { Client } from './client.js';

/**
 * Requests at a steady rate, whatever becomes of those before (open loop): each one's time counts from when it was due, so that a
 * gateway which stands still for a second is seen by every request of that second.
 */
export interface LoadOptions {
  readonly url: string;
  readonly client: Client;
  readonly headers?: Readonly<Record<string, string>>;
  readonly perSecond: number;
}

export interface Load {
  /** The times since the last call. */
  take(): LoadResult;
  stop(): Promise<void>;
}

export interface LoadResult {
  readonly count: number;
  /** Other than 200, or none. */
  readonly failed: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly maxMs: number;
}

export function startLoad({ url, client, headers = {}, perSecond }: LoadOptions): Load {
  const stopped = new AbortController();
  let times: number[] = [];
  let failed = 0;
  const run = async (): Promise<void> => {
    const startMs = performance.now();
    const running = new Set<Promise<void>>();
    for (let index = 0; !stopped.signal.aborted; index += 1) {
      const dueMs = startMs + (index * 1_000) / perSecond;
      const waitMs = dueMs - performance.now();
      if (waitMs > 0) await setTimeout(waitMs);
      const measured = async (): Promise<void> => {
        const { status } = await client.send(url, { headers }).catch(() => ({ status: 0 }));
        if (status !== 200) failed += 1;
        times.push(performance.now() - dueMs);
      };
      const ended: Promise<void> = measured().finally(() => running.delete(ended));
      running.add(ended);
    }
    await Promise.all(running);
  };
  const all = run();
  return {
    take: () => {
      const sorted = times.toSorted((a, b) => a - b);
      const result = { count: sorted.length, failed, p50Ms: percentile(sorted, 0.5), p99Ms: percentile(sorted, 0.99), maxMs: sorted.at(-1) ?? 0 };
      times = [];
      failed = 0;
      return result;
    },
    stop: async () => {
      stopped.abort();
      await all;
    },
  };
}
