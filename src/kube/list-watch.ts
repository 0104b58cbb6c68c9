import { setTimeout } from 'node:timers/promises';
import type { Logger } from '../lib/logger.js';
import { KubeError, messageOf, parse } from './api.js';
import type { KubeApi } from './api.js';
import { get, listAt, textAt } from './values.js';

/**
 * All objects of one kind, kept up to date: listed in pages, then watched from the version of the list. Of each object only what
 * `keep` makes of it stays in memory.
 *
 * One loop, two states: with a version it watches from there, without one it lists. A watch that ends or breaks leaves the version,
 * so it goes on where it was; only what the server calls expired (410) takes it away. Until a new list is whole, the old one stays.
 */
export interface ListWatchOptions<T extends object> {
  readonly api: KubeApi;
  /** Of the collection: `/api/v1/namespaces/monitoring/secrets`. */
  readonly path: string;
  /** `app=prometheus,role=infra`; empty = all. */
  readonly labelSelector?: string;
  /** `status.phase=Running`; empty = all. */
  readonly fieldSelector?: string;
  /** Not every cluster has this kind: where it is not, there are no objects, and it is asked for now and then. */
  readonly mayBeAbsent?: boolean;
  /** What is kept of an object, `before` of its last version; undefined = nothing, as if it were not there. */
  readonly keep: (object: unknown, before: T | undefined) => T | undefined;
  /** After the first whole list, after each change, where the first list cannot be had, and where `failing` changes. Many come at once: gather them. */
  readonly onChange: () => void;
  readonly logger: Logger;
}

export interface ListWatch<T extends object> {
  /** Why the whole list was not had yet; undefined = it was. */
  waitingFor(): string | undefined;
  /** Why what is known may be old: the last failure, until the server answers again. */
  failing(): string | undefined;
  /** By namespace and name; the same object for as long as it does not change. */
  items(): ReadonlyMap<string, T>;
  close(): Promise<void>;
}

/** `waitingFor` until the first answer. */
export const FIRST_LIST = 'its first list';

const FIRST_PAGE = 100;
const MAX_PAGE = 500;
/** A page is read in one go, and nothing else is done meanwhile: some milliseconds' worth. */
const PAGE_BYTES = 512 * 2 ** 10;
const RETRY_MIN_MS = 250;
/** Who was revoked while the server was away waits as long at most. */
const RETRY_MAX_MS = 5_000;
/** The server ends a watch after this, and half as much again by chance: not all at once. */
const WATCH_S = 240;
/** Between two questions whether a kind is there by now, and as much again by chance. */
const ABSENT_MS = 5_000;
/** Two bookmarks missed. */
const IDLE_MS = 130_000;
/** A watch that lived as long was a good one, however it ended. */
const GOOD_MS = 5_000;

interface Kept<T> {
  readonly version: string;
  readonly value: T;
}

/** Starts at once. */
export function listWatch<T extends object>(options: ListWatchOptions<T>): ListWatch<T> {
  const running = new Loop(options);
  const done = running.run();
  return {
    waitingFor: () => running.waiting,
    failing: () => running.failing,
    items: () => running.items,
    close: async () => {
      running.stop.abort();
      await done;
    },
  };
}

/** The version is too old to watch from. */
class Expired extends Error {}

class Loop<T extends object> {
  readonly stop = new AbortController();
  readonly items = new Map<string, T>();
  waiting: string | undefined = FIRST_LIST;
  failing: string | undefined;
  readonly #options: ListWatchOptions<T>;
  #kept = new Map<string, Kept<T>>();
  #version: string | undefined;
  #failures = 0;
  #listedMs = 0;

  constructor(options: ListWatchOptions<T>) {
    this.#options = options;
  }

  async run(): Promise<void> {
    const { logger, path } = this.#options;
    while (!this.stop.signal.aborted) {
      const startedMs = performance.now();
      try {
        this.#version ??= await this.#list();
        if (this.#version === undefined) {
          await setTimeout(ABSENT_MS * (1 + Math.random()), undefined, { signal: this.stop.signal });
          continue;
        }
        await this.#watch(this.#version);
        if (performance.now() - startedMs > GOOD_MS) this.#failures = 0;
        else await this.#pause();
      } catch (error) {
        if (this.stop.signal.aborted) return;
        if (error instanceof Expired) this.#expired();
        // What is merely too old is listed again at once; that it failed shows if the list fails.
        if (!(error instanceof Expired) || this.waiting !== undefined) this.#failed(error instanceof Error ? error.message : String(error));
        const delayMs = await this.#pause();
        logger.warn({ path, err: error, delayMs: Math.round(delayMs) }, 'the watch failed; the last state stays');
      }
    }
  }

  #expired(): void {
    this.#version = undefined;
    // The server is there; only lists that expire one after another are to become fewer.
    if (performance.now() - this.#listedMs > GOOD_MS) this.#failures = 0;
  }

  #failed(why: string): void {
    if (this.waiting !== undefined) this.waiting = why;
    this.failing = why;
    this.#options.onChange();
  }

  #worked(): void {
    if (this.failing === undefined) return;
    this.failing = undefined;
    this.#options.onChange();
  }

  /** Undefined where the kind is absent. What was known of it stays: an API server that has just started knows no kind of others yet. */
  async #list(): Promise<string | undefined> {
    const found = new Map<string, Kept<T>>();
    let version = '';
    let next = '';
    let limit = FIRST_PAGE;
    do {
      const { status, body, bytes = 0 } = await this.#options.api.send({ method: 'GET', path: this.#url({ limit: String(limit), ...(next !== '' && { continue: next }) }), signal: this.stop.signal });
      if (status === 410) throw new Expired('the list expired between two pages');
      if (status === 404 && this.#options.mayBeAbsent === true) {
        this.#isAbsent();
        return undefined;
      }
      if (status !== 200) throw new KubeError(status, messageOf(body));
      for (const item of listAt(body, 'items')) this.#keep(found, item);
      version = textAt(body, 'metadata', 'resourceVersion') ?? '';
      next = textAt(body, 'metadata', 'continue') ?? '';
      limit = pageFor(bytes / Math.max(1, listAt(body, 'items').length));
    } while (next !== '');
    this.#kept = found;
    this.items.clear();
    for (const [key, { value }] of found) this.items.set(key, value);
    this.#listedMs = performance.now();
    this.waiting = undefined;
    this.failing = undefined;
    this.#options.onChange();
    return version;
  }

  #isAbsent(): void {
    const failing = this.items.size === 0 ? undefined : 'the kind is not there any more; its last objects stay';
    const isNews = this.waiting !== undefined || this.failing !== failing;
    this.waiting = undefined;
    this.failing = failing;
    if (isNews) this.#options.onChange();
  }

  async #watch(from: string): Promise<void> {
    const timeoutSeconds = String(Math.round(WATCH_S * (1 + Math.random() / 2)));
    // Bookmarks keep the version of a quiet kind young, so that resuming after a break does not end in 410 and a new list.
    const path = this.#url({ watch: '1', allowWatchBookmarks: 'true', resourceVersion: from, timeoutSeconds });
    try {
      await this.#options.api.watch(path, { signal: this.stop.signal, idleMs: IDLE_MS, onOpen: () => this.#worked(), onLine: (line) => this.#event(parse(line)) });
    } catch (error) {
      if (error instanceof KubeError && error.status === 410) throw new Expired('too old to watch from');
      throw error;
    }
  }

  #event(event: unknown): void {
    const type = get(event, 'type');
    const object = get(event, 'object');
    if (type === 'ERROR') {
      if (get(object, 'code') === 410) throw new Expired('too old to watch from');
      throw new KubeError(Number(get(object, 'code') ?? 0), messageOf(object));
    }
    const version = textAt(object, 'metadata', 'resourceVersion');
    if (version === undefined) throw new Error('an event of the watch cannot be read');
    this.#version = version;
    this.#failures = 0;
    if (type === 'BOOKMARK') return;
    const key = keyOf(object);
    if (type === 'DELETED') this.#kept.delete(key);
    else this.#keep(this.#kept, object);
    const before = this.items.get(key);
    const now = this.#kept.get(key)?.value;
    if (now === undefined) this.items.delete(key);
    else this.items.set(key, now);
    if (before !== now) this.#options.onChange();
  }

  /** An object that is known in this version is not made again: what was worked out from it stays known too. Of what is not kept nothing stays. */
  #keep(into: Map<string, Kept<T>>, object: unknown): void {
    const key = keyOf(object);
    const version = textAt(object, 'metadata', 'resourceVersion') ?? '';
    const known = this.#kept.get(key);
    const value = known?.version === version ? known.value : this.#options.keep(object, known?.value);
    if (value === undefined) into.delete(key);
    else into.set(key, { version, value });
  }

  #url(query: Readonly<Record<string, string>>): string {
    const { path, labelSelector = '', fieldSelector = '' } = this.#options;
    return `${path}?${new URLSearchParams({ ...query, ...(labelSelector !== '' && { labelSelector }), ...(fieldSelector !== '' && { fieldSelector }) }).toString()}`;
  }

  /** Full jitter; resolves early when it is to stop. */
  async #pause(): Promise<number> {
    const delayMs = Math.random() * Math.min(RETRY_MAX_MS, RETRY_MIN_MS * 2 ** this.#failures);
    this.#failures = Math.min(this.#failures + 1, 16);
    await setTimeout(delayMs, undefined, { signal: this.stop.signal }).catch(() => {});
    return delayMs;
  }
}

function pageFor(bytesOfOne: number): number {
  return Math.max(10, Math.min(MAX_PAGE, Math.floor(PAGE_BYTES / Math.max(1, bytesOfOne))));
}

/** Neither part can contain a slash. */
function keyOf(object: unknown): string {
  return `${textAt(object, 'metadata', 'namespace') ?? ''}/${textAt(object, 'metadata', 'name') ?? ''}`;
}
