import { systemClock } from '../lib/clock.js';
import type { Logger } from '../lib/logger.js';
import type { ExportQueue } from '../model/desired-state.js';
import { encodeMetadata } from '../remotewrite/encode.js';
import type { FamilyMetadata } from '../remotewrite/encode.js';
import type { Version } from '../remotewrite/protocol.js';
import { DEFAULT_SENDER_SETTINGS, Sender } from '../remotewrite/sender.js';
import type { SenderEvent } from '../remotewrite/sender.js';
import { pack, unpack } from '../remotewrite/snappy.js';
import type { Transport } from '../remotewrite/transport.js';
import { divided } from './doubtful.js';
import { toVersion1 } from './kept-request.js';
import { desiredShards, mayShareSeries } from './shards.js';
import { MAX_PAYLOAD_BYTES } from './spool/record.js';
import type { Cursor, RecordRef } from './spool/segment.js';
import { readWhole, replaceFile } from './spool/small-file.js';
import { isBefore } from './spool/spool.js';
import type { Spool } from './spool/spool.js';

/**
 * One receiver's way through the spool. Batches that share no series go side by side, those that may share one go one after the other; the
 * cursor is before the first that is not done, so after a crash some are sent again, whole, and change nothing.
 */

export type DeliveryEvent = SenderEvent | { readonly kind: 'lost'; readonly samples: number; readonly reason: 'spool_full' | 'spool_broken' };

export interface DeliveryOptions {
  readonly spool: Spool;
  readonly cursorPath: string;
  readonly transport: Transport;
  readonly version: Version;
  /** What is not newer has been delivered by another gateway, while this one had lost the way. */
  readonly knownUntilMs?: number | undefined;
  readonly queue: ExportQueue;
  readonly requestTimeoutMs: number;
  readonly logger: Logger;
  readonly onEvent: (event: DeliveryEvent) => void;
}

interface Item {
  readonly ref: RecordRef;
  state: 'waiting' | 'running' | 'done';
}

const SAVE_MS = 1_000;
/** Families in a request that has metadata only, and how often such go: as Prometheus has it. */
const MAX_FAMILIES = 2000;
const METADATA_MS = 60_000;
/** Weight of the newest batch in the mean. */
const NEWEST = 0.2;

export class Delivery {
  /** Read from the spool and not done, in its order; some behind the first may be done. */
  private items: Item[] = [];
  private next: Cursor;
  private readonly idle: Sender[] = [];
  private readonly senders = new Set<Sender>();
  private readonly stops: (() => void)[];
  private version: Version;
  private running = 0;
  private secondsPerBatch = 0.1;
  private isFailing = false;
  private isClosed = false;
  private saved: Cursor | undefined;
  private saving: (() => void) | undefined;
  private waiting: (() => void)[] = [];
  private nextMetadataMs = -Infinity;
  private isTelling = false;
  private committed: number | undefined;

  constructor(private readonly options: DeliveryOptions) {
    const { spool, cursorPath, version } = options;
    this.version = version;
    const known = loadCursor(cursorPath);
    // One that is behind the end is of another spool, which somebody has deleted.
    this.next = known === undefined ? spool.end : isBefore(spool.end, known) ? spool.start : known;
    this.stops = [spool.hold(() => this.cursor), spool.onAppend(() => this.pump())];
    this.saveNow();
    this.pump();
  }

  /** Everything before it is done. */
  get cursor(): Cursor {
    return this.items[0]?.ref ?? this.next;
  }

  get pendingSamples(): number {
    return this.options.spool.samplesFrom(this.cursor);
  }

  /** Nothing waits, and nothing is under way. */
  get isIdle(): boolean {
    return this.items.length === 0 && this.options.spool.next(this.next) === undefined;
  }

  /** Everything of collections up to then is done. */
  get committedMs(): number | undefined {
    return this.committed;
  }

  /** Time of what waits longest; undefined: nothing waits. */
  get oldestMs(): number | undefined {
    return (this.items[0]?.ref ?? this.options.spool.next(this.next))?.newestMs;
  }

  get shards(): number {
    const { spool, queue } = this.options;
    const waitingBatches = Math.ceil(spool.samplesFrom(this.next) / queue.maxSamplesPerSend) + this.items.length;
    return desiredShards({ waitingBatches, secondsPerBatch: this.secondsPerBatch, isFailing: this.isFailing }, queue);
  }

  /** Resolves when all that is in the spool now is done, or it is closed. */
  async drained(): Promise<void> {
    const { end } = this.options.spool;
    while (!this.isClosed && isBefore(this.cursor, end)) await new Promise<void>((resolve) => this.waiting.push(resolve));
  }

  /** What had to make room before it was sent. */
  dropped(refs: readonly RecordRef[]): void {
    const last = refs.at(-1);
    if (last === undefined) return;
    const samples = refs.filter((ref) => !isBefore(ref, this.next)).reduce((sum, ref) => sum + ref.samples, 0);
    const lost = this.items.filter(({ ref, state }) => state === 'waiting' && ref.segment <= last.segment);
    for (const item of lost) item.state = 'done';
    const all = samples + lost.reduce((sum, { ref }) => sum + ref.samples, 0);
    if (all > 0) this.options.onEvent({ kind: 'lost', samples: all, reason: 'spool_full' });
    if (this.next.segment <= last.segment) this.next = { segment: last.segment + 1, offset: 0 };
    this.forward();
  }

  close(): void {
    if (this.isClosed) return;
    this.isClosed = true;
    for (const stop of this.stops) stop();
    for (const sender of this.senders) sender.close();
    this.saving?.();
    this.saveNow();
    this.changed();
  }

  private pump(): void {
    if (this.isClosed) return;
    const shards = this.shards;
    do {
      this.settle();
      this.lookAhead(shards * 2);
    } while (this.items.length > 0 && this.items.every(({ state }) => state === 'done'));
    this.settle();
    for (const [index, item] of this.items.entries()) {
      if (this.running >= shards) return;
      if (item.state === 'waiting' && !this.items.slice(0, index).some((earlier) => earlier.state !== 'done' && mayShareSeries(earlier.ref, item.ref))) void this.run(item);
    }
  }

  private lookAhead(count: number): void {
    while (this.items.length < count) {
      const ref = this.options.spool.next(this.next);
      if (ref === undefined) return;
      this.next = { segment: ref.segment, offset: ref.offset + ref.bytes };
      const isKnown = ref.kind === 'data' && ref.newestMs <= (this.options.knownUntilMs ?? -Infinity);
      this.items.push({ ref, state: ref.kind === 'commit' || isKnown ? 'done' : 'waiting' });
    }
  }

  /** Lets go of what is done, up to the first that is not. */
  private settle(): void {
    const first = this.items.findIndex(({ state }) => state !== 'done');
    const done = first < 0 ? this.items : this.items.slice(0, first);
    for (const { ref } of done) if (ref.kind === 'commit') this.committed = ref.newestMs;
    this.items = first < 0 ? [] : this.items.slice(first);
  }

  private async run(item: Item): Promise<void> {
    item.state = 'running';
    this.running += 1;
    const startedMs = performance.now();
    const sender = this.idle.pop() ?? this.newSender((event) => this.told(event));
    try {
      await this.send(item.ref, sender);
    } catch (error) {
      this.options.logger.error({ err: error }, 'a batch of an export could not be sent');
      this.options.onEvent({ kind: 'lost', samples: item.ref.samples, reason: 'spool_broken' });
    }
    this.running -= 1;
    if (this.isClosed) return;
    this.idle.push(sender);
    this.secondsPerBatch += NEWEST * ((performance.now() - startedMs) / 1000 - this.secondsPerBatch);
    item.state = 'done';
    this.forward();
    this.pump();
  }

  /** A batch is sent as it was kept; in 1.0 it is written anew from it. */
  private send(ref: RecordRef, sender: Sender): Promise<void> {
    const packed = this.options.spool.read(ref);
    const version1 = async (): Promise<Buffer | undefined> => {
      const payload = packed === undefined ? undefined : await unpack(packed, MAX_PAYLOAD_BYTES);
      return payload?.ok === true ? toVersion1(payload.value) : undefined;
    };
    return sender.deliver({
      samples: ref.samples,
      newestMs: ref.newestMs,
      mayBeKnown: ref.certainty !== 'new',
      body: async (version) => {
        if (version === '2') return packed;
        const payload = await version1();
        return payload && (await pack(payload));
      },
      ...(ref.certainty === 'doubtful' && { divide: async () => divided((await version1()) ?? Buffer.alloc(0), ref.newestMs) }),
    });
  }

  /** For receivers of 1.0, which have metadata apart; `families` is asked where it is time. */
  tellMetadata(nowMs: number, families: () => readonly FamilyMetadata[]): void {
    if (this.version !== '1' || nowMs < this.nextMetadataMs || this.isTelling || this.isClosed) return;
    this.nextMetadataMs = nowMs + METADATA_MS;
    this.isTelling = true;
    void this.sendMetadata(families()).finally(() => {
      this.isTelling = false;
    });
  }

  private async sendMetadata(families: readonly FamilyMetadata[]): Promise<void> {
    const sender = this.newSender(() => {});
    for (let at = 0; at < families.length && !this.isClosed; at += MAX_FAMILIES) {
      await sender.deliver({ samples: 0, newestMs: Infinity, mayBeKnown: false, body: () => pack(encodeMetadata(families.slice(at, at + MAX_FAMILIES))) });
    }
    this.senders.delete(sender);
  }

  private newSender(onEvent: (event: SenderEvent) => void): Sender {
    const { queue, transport, logger, requestTimeoutMs } = this.options;
    const settings = { ...DEFAULT_SENDER_SETTINGS, ...queue, requestTimeoutMs, sampleAgeLimitMs: queue.sampleAgeLimitMs ?? Infinity };
    const sender = new Sender({ transport, version: this.version, logger, settings, onEvent });
    this.senders.add(sender);
    return sender;
  }

  private told(event: SenderEvent): void {
    if (event.kind === 'fell_back') this.version = '1';
    if (event.kind === 'retry' || event.kind === 'delivered') this.isFailing = event.kind === 'retry';
    this.options.onEvent(event);
  }

  private forward(): void {
    this.settle();
    this.saving ??= systemClock.after(SAVE_MS, () => this.saveNow());
    this.changed();
  }

  private saveNow(): void {
    this.saving = undefined;
    const { cursor } = this;
    if (this.saved?.segment === cursor.segment && this.saved.offset === cursor.offset) return;
    this.saved = { segment: cursor.segment, offset: cursor.offset };
    replaceFile(this.options.cursorPath, Buffer.from(JSON.stringify(this.saved)), { sync: false });
    this.options.spool.prune();
  }

  private changed(): void {
    for (const resolve of this.waiting.splice(0)) resolve();
  }
}

function loadCursor(path: string): Cursor | undefined {
  const content = readWhole(path);
  if (content === undefined) return undefined;
  const { segment, offset }: Partial<Cursor> = JSON.parse(content.toString('utf8'));
  return segment === undefined || offset === undefined ? undefined : { segment, offset };
}
