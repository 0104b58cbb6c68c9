import type { Clock } from '../lib/clock.js';

/**
 * Many deadlines, one timer: they are kept in slots of a few milliseconds, and the slots that have passed are emptied together.
 * A scrape costs two set operations instead of a timer of its own.
 */

/** Granularity, ms: how late a deadline may be noticed, on top of the timer's own delay. */
const SLOT_MS = 8;

export interface Expiring {
  /** When, on the clock's time; not to be changed while armed. */
  readonly deadlineMs: number;
  onDeadline(): void;
}

export class Deadlines {
  readonly #clock: Clock;
  readonly #slots = new Map<number, Set<Expiring>>();
  #size = 0;
  #nextSlot = 0;
  #stopTimer: (() => void) | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get size(): number {
    return this.#size;
  }

  arm(item: Expiring): void {
    if (this.#stopTimer === undefined) this.#start();
    const slot = Math.max(slotOf(item.deadlineMs), this.#nextSlot);
    let items = this.#slots.get(slot);
    if (items === undefined) this.#slots.set(slot, (items = new Set()));
    items.add(item);
    this.#size += 1;
  }

  /** No-op where it is not armed (any more). */
  disarm(item: Expiring): void {
    // Armed late, it sits in a later slot than its own: those are few, and about to fire anyway.
    const items = this.#slots.get(slotOf(item.deadlineMs)) ?? this.#slots.get(this.#nextSlot);
    if (items?.delete(item) === true) this.#size -= 1;
  }

  stop(): void {
    this.#stopTimer?.();
    this.#stopTimer = undefined;
    this.#slots.clear();
    this.#size = 0;
  }

  #start(): void {
    this.#nextSlot = slotOf(this.#clock.nowMs());
    this.#stopTimer = this.#clock.after(SLOT_MS, () => this.#tick());
  }

  #tick(): void {
    const now = slotOf(this.#clock.nowMs());
    for (; this.#nextSlot < now; this.#nextSlot += 1) this.#expire(this.#nextSlot);
    this.#stopTimer = this.#size === 0 ? undefined : this.#clock.after(SLOT_MS, () => this.#tick());
  }

  #expire(slot: number): void {
    const items = this.#slots.get(slot);
    if (items === undefined) return;
    this.#slots.delete(slot);
    this.#size -= items.size;
    for (const item of items) item.onDeadline();
  }
}

/** The slot that ends at or after `ms`: nothing fires early. */
function slotOf(ms: number): number {
  return Math.floor(ms / SLOT_MS);
}
