import { hash } from 'node:crypto';
import { createClient } from '@redis/client';
import type { Logger } from '../lib/logger.js';
import type { SharedCacheOptions } from '../model/shared-cache.js';
import { dataOf, extentOf } from './extent.js';
import type { Extent } from './extent.js';
import { isObject } from './json.js';

/**
 * A Redis or Valkey that several gateways have in common. It may only ever make a query faster: whoever asks it waits a few
 * milliseconds at most, and after a failure nobody asks it for a while. What it says is believed only where it is what was kept for this
 * very question.
 */

export interface SharedExtent {
  readonly extent: Extent;
  readonly untilMs: number;
}

const CONNECT_TIMEOUT_MS = 5_000;
const MAX_RECONNECT_MS = 10_000;
const REST_MS = 2_000;
const MAX_PENDING_WRITES = 16;
const MAX_QUEUED = 1_000;

type Outcome = 'hit' | 'miss' | 'failed' | 'skipped';

export class SharedCache {
  readonly #options: SharedCacheOptions;
  readonly #logger: Logger;
  readonly #client;
  #restUntilMs = 0;
  #pendingWrites = 0;
  readonly results: Record<Outcome, number> = { hit: 0, miss: 0, failed: 0, skipped: 0 };

  constructor(options: SharedCacheOptions, logger: Logger) {
    this.#options = options;
    this.#logger = logger;
    const { url, user, password, caPem } = options;
    const reconnectStrategy = (retries: number): number => Math.min(100 * 2 ** Math.min(retries, 10), MAX_RECONNECT_MS);
    const shared = { connectTimeout: CONNECT_TIMEOUT_MS, reconnectStrategy };
    this.#client = createClient({
      url,
      ...(user !== undefined && { username: user }),
      ...(password !== undefined && { password }),
      disableOfflineQueue: true,
      commandsQueueMaxLength: MAX_QUEUED,
      socket: caPem === undefined ? shared : { ...shared, tls: true, ca: caPem },
    });
    this.#client.on('error', (error: unknown) => this.#rest(error));
    this.#client.connect().catch((error: unknown) => this.#rest(error));
  }

  /** Can it be asked now? */
  get isUp(): boolean {
    return this.#client.isReady && Date.now() >= this.#restUntilMs;
  }

  /** Never rejects, and never takes much longer than the time-out. */
  async find(key: string): Promise<SharedExtent | undefined> {
    if (!this.isUp) return this.#result('skipped', undefined);
    try {
      const text = await this.#inTime(this.#client.get(this.#name(key)));
      const found = text === null || text.length > this.#options.maxValueBytes ? undefined : decode(key, text);
      return this.#result(found === undefined ? 'miss' : 'hit', found);
    } catch (error) {
      this.#rest(error);
      return this.#result('failed', undefined);
    }
  }

  /** At some time, or not at all. */
  keep(key: string, { extent, untilMs }: SharedExtent): void {
    const lifeMs = Math.floor(untilMs - Date.now());
    if (!this.isUp || lifeMs < 1 || this.#pendingWrites >= MAX_PENDING_WRITES) return;
    const text = JSON.stringify({ key, untilMs, fromMs: extent.fromMs, toMs: extent.toMs, data: dataOf(extent) });
    if (Buffer.byteLength(text) > this.#options.maxValueBytes) return;
    this.#pendingWrites += 1;
    this.#inTime(this.#client.set(this.#name(key), text, { expiration: { type: 'PX', value: lifeMs } }))
      .catch((error: unknown) => this.#rest(error))
      .finally(() => {
        this.#pendingWrites -= 1;
      });
  }

  close(): void {
    this.#client.destroy();
  }

  /** Of a fixed length, and nothing of the query is in it. */
  #name(key: string): string {
    return `${this.#options.prefix}${hash('sha256', key)}`;
  }

  async #inTime<T>(answer: Promise<T>): Promise<T> {
    const late = Promise.withResolvers<never>();
    const timer = setTimeout(() => late.reject(new Error(`no answer within ${this.#options.timeoutMs} ms`)), this.#options.timeoutMs);
    try {
      return await Promise.race([answer, late.promise]);
    } finally {
      clearTimeout(timer);
      // Whoever is late has nobody left who listens.
      answer.catch(() => {});
    }
  }

  #rest(error: unknown): void {
    const nowMs = Date.now();
    if (nowMs >= this.#restUntilMs) this.#logger.warn({ err: error }, 'the shared cache of queries does not answer');
    this.#restUntilMs = nowMs + REST_MS;
  }

  #result<T>(outcome: Outcome, value: T): T {
    this.results[outcome] += 1;
    return value;
  }
}

/** Undefined where it is not of this key, or no longer what this version writes. */
function decode(key: string, text: string): SharedExtent | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (!isObject(value) || value.key !== key) return undefined;
  const { fromMs, toMs, untilMs, data } = value;
  if (typeof fromMs !== 'number' || typeof toMs !== 'number' || typeof untilMs !== 'number') return undefined;
  const extent = extentOf(data, fromMs, toMs);
  return extent === undefined ? undefined : { extent, untilMs };
}
