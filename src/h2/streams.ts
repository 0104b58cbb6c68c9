import { MAX_STREAM_ID } from './frames.js';
import type { Role } from './settings.js';
import type { Stream } from './stream.js';

/**
 * The open streams of one connection, and what is known of those that are not open: idle, gone, or gone by our own
 * RST_STREAM, after which the peer's frames still in flight are no fault of its (RFC 9113 §5.1).
 */

/** How many streams that we reset are told apart from others that are gone; older ones get the benefit of the doubt. */
const MAX_REMEMBERED_RESETS = 4096;

export type Absent = 'idle' | 'gone' | 'reset-by-us';

export class Streams<C> {
  readonly #open = new Map<number, Stream<C>>();
  readonly #peerParity: 0 | 1;
  /** Highest identifier that the peer has used. */
  lastPeerId = 0;
  #nextOwnId: number;
  #resets: Set<number> | undefined;
  #forgottenUpTo = 0;

  /** `firstOwnId` is the first identifier that we shall use as client (odd). */
  constructor(role: Role, firstOwnId: number) {
    this.#peerParity = role === 'server' ? 1 : 0;
    this.#nextOwnId = firstOwnId;
  }

  get size(): number {
    return this.#open.size;
  }

  get(id: number): Stream<C> | undefined {
    return this.#open.get(id);
  }

  values(): IterableIterator<Stream<C>> {
    return this.#open.values();
  }

  /** Identifiers that are left to open streams with; a connection must be renewed before there are none. */
  get idsLeft(): number {
    return Math.max(0, (MAX_STREAM_ID - this.#nextOwnId) / 2 + 1);
  }

  /** The next identifier of ours, or undefined when they have run out. */
  takeOwnId(): number | undefined {
    const id = this.#nextOwnId;
    if (id > MAX_STREAM_ID) return undefined;
    this.#nextOwnId = id + 2;
    return id;
  }

  add(stream: Stream<C>): void {
    this.#open.set(stream.id, stream);
  }

  delete(id: number): void {
    this.#open.delete(id);
  }

  /** May the peer begin a stream with this identifier, parity-wise? */
  isPeers(id: number): boolean {
    return (id & 1) === this.#peerParity;
  }

  /** We have reset `id` before the peer had finished: its frames in flight are to be ignored. */
  rememberReset(id: number): void {
    this.#resets ??= new Set();
    this.#resets.add(id);
    if (this.#resets.size <= MAX_REMEMBERED_RESETS) return;
    for (const oldest of this.#resets) {
      this.#resets.delete(oldest);
      this.#forgottenUpTo = Math.max(this.#forgottenUpTo, oldest);
      return;
    }
  }

  /** What is known of a stream that is not open. */
  absent(id: number): Absent {
    const idle = this.isPeers(id) ? id > this.lastPeerId : id >= this.#nextOwnId || this.#peerParity === 1;
    if (idle) return 'idle';
    return id <= this.#forgottenUpTo || this.#resets?.has(id) === true ? 'reset-by-us' : 'gone';
  }
}
