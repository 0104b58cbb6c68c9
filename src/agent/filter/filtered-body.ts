/**
 * A target's answer through the filter: unpacked and packed again if it is gzip, held back until it is large enough or complete, so
 * that a limit which is met early is an answer with a reason instead of a broken stream.
 */
import { createGunzip, createGzip } from 'node:zlib';
import type { Gunzip, Gzip } from 'node:zlib';
import type { Reason } from '../../model/reasons.js';
import { isDelimitedProtobuf } from '../headers.js';
import type { ResponseHeaders } from '../headers.js';
import { createFamilyFilter } from './family-filter.js';
import { createLineFilter } from './line-filter.js';
import type { BodyFilter, CompiledFilter, FilterFault } from './metric-filter.js';

export interface FilteredBodyEvents {
  /** Once, before the first data. */
  readonly onHead: (headers: ResponseHeaders) => void;
  /** False = take no more until `resume`. */
  readonly onData: (chunk: Buffer) => boolean;
  /** After a `write` that returned false. */
  readonly onDrain: () => void;
  readonly onEnd: () => void;
  readonly onFail: (reason: Reason) => void;
}

export interface FilteredBody {
  /** False = wait for `onDrain`. */
  write(chunk: Buffer): boolean;
  end(): void;
  resume(): void;
  /** Stops without a word. */
  destroy(): void;
  readonly stats: () => FilterStats;
}

export interface FilterStats {
  /** Bytes of body that need not cross the WAN, as they were sent. */
  readonly savedBytes: number;
  readonly droppedSamples: number;
}

const HOLD_BYTES = 64 * 1024;
const GZIP_LEVEL = 4;
/** They describe the body as the target sent it. */
const OF_THE_BODY: ReadonlySet<string> = new Set(['content-length', 'etag', 'content-md5', 'digest', 'content-digest', 'repr-digest', 'trailer', 'accept-ranges']);
const TEXT_TYPES = /^(?:text\/plain|application\/openmetrics-text)\s*(?:;|$)/i;

/** Undefined: nothing here can read it. */
function filterFor(type: string): ((filter: CompiledFilter) => BodyFilter) | undefined {
  if (TEXT_TYPES.test(type)) return createLineFilter;
  return isDelimitedProtobuf(type) ? createFamilyFilter : undefined;
}

/** Undefined: the answer is of a form that cannot be filtered. */
export function createFilteredBody(filter: CompiledFilter, headers: ResponseHeaders, events: FilteredBodyEvents): FilteredBody | undefined {
  const encoding = String(headers['content-encoding'] ?? 'identity').toLowerCase();
  const type = String(headers['content-type'] ?? 'text/plain');
  const create = filterFor(type);
  if ((encoding !== 'gzip' && encoding !== 'identity') || create === undefined) return undefined;
  const head = Object.fromEntries(Object.entries(headers).filter(([name]) => !OF_THE_BODY.has(name)));
  return new Body(create(filter), head, encoding === 'gzip', events);
}

/** A class because its state is shared by four parties: the target, two zlib streams and the hub. */
class Body implements FilteredBody {
  readonly #filter: BodyFilter;
  readonly #head: ResponseHeaders;
  readonly #events: FilteredBodyEvents;
  readonly #gunzip: Gunzip | undefined;
  readonly #gzip: Gzip | undefined;
  #held: Buffer[] = [];
  #heldBytes = 0;
  #headSent = false;
  #readBytes = 0;
  #writtenBytes = 0;
  #done = false;
  #blocked = false;

  constructor(filter: BodyFilter, head: ResponseHeaders, isGzip: boolean, events: FilteredBodyEvents) {
    this.#filter = filter;
    this.#head = head;
    this.#events = events;
    if (!isGzip) return;
    const gunzip = createGunzip();
    const gzip = createGzip({ level: GZIP_LEVEL });
    gunzip.on('data', (chunk: Buffer) => {
      const out = this.#pass(this.#filter.push(chunk));
      if (out !== undefined && out.length > 0 && !gzip.write(out)) gunzip.pause();
    });
    gunzip.on('end', () => {
      const out = this.#pass(this.#filter.end());
      if (out !== undefined) gzip.end(out);
    });
    gunzip.on('drain', () => this.#events.onDrain());
    gunzip.on('error', () => this.#fail('target_unfilterable'));
    gzip.on('drain', () => gunzip.resume());
    gzip.on('data', (chunk: Buffer) => {
      if (!this.#output(chunk)) gzip.pause();
    });
    gzip.on('end', () => this.#finish());
    this.#gunzip = gunzip;
    this.#gzip = gzip;
  }

  write(chunk: Buffer): boolean {
    if (this.#done) return true;
    this.#readBytes += chunk.length;
    if (this.#gunzip !== undefined) return this.#gunzip.write(chunk);
    const out = this.#pass(this.#filter.push(chunk));
    this.#blocked = out !== undefined && !this.#output(out);
    return !this.#blocked;
  }

  end(): void {
    if (this.#done) return;
    if (this.#gunzip !== undefined) {
      this.#gunzip.end();
      return;
    }
    const out = this.#pass(this.#filter.end());
    if (out === undefined) return;
    this.#output(out);
    this.#finish();
  }

  resume(): void {
    this.#gzip?.resume();
    if (!this.#blocked) return;
    this.#blocked = false;
    this.#events.onDrain();
  }

  destroy(): void {
    this.#done = true;
    this.#held = [];
    this.#gunzip?.destroy();
    this.#gzip?.destroy();
  }

  stats(): FilterStats {
    return { savedBytes: Math.max(0, this.#readBytes - this.#writtenBytes), droppedSamples: this.#filter.droppedSamples() };
  }

  #pass(result: Buffer | FilterFault): Buffer | undefined {
    if (typeof result !== 'string') return this.#done ? undefined : result;
    this.#fail(result);
    return undefined;
  }

  #fail(reason: Reason): void {
    if (this.#done) return;
    this.destroy();
    this.#events.onFail(reason);
  }

  #output(chunk: Buffer): boolean {
    if (this.#done || chunk.length === 0) return true;
    this.#writtenBytes += chunk.length;
    if (this.#headSent) return this.#events.onData(chunk);
    this.#held.push(chunk);
    this.#heldBytes += chunk.length;
    return this.#heldBytes < HOLD_BYTES || this.#release();
  }

  #release(): boolean {
    if (this.#headSent) return true;
    this.#headSent = true;
    this.#events.onHead(this.#head);
    const held = Buffer.concat(this.#held);
    this.#held = [];
    return held.length === 0 || this.#done || this.#events.onData(held);
  }

  #finish(): void {
    if (this.#done) return;
    this.#release();
    this.#done = true;
    this.#events.onEnd();
  }
}
