import { ByteStrings, mixed } from '../lib/byte-strings.js';
import { longerBytes, longerFloats, longerUints } from '../lib/typed-arrays.js';
import { FieldCursor } from '../lib/wire.js';
import { METRIC_NAME_LABEL } from '../promql/ast.js';
import { sortLabels } from '../remotewrite/series.js';
import type { Label } from '../remotewrite/series.js';

/**
 * How far each series has been handed over, by its labels at the receiver: a sample that is not later than the last one of its series is
 * not sent. So nothing is sent twice and nothing out of order, whatever is read twice, late, or from another replica, and also where
 * relabelling makes one series of two.
 *
 * A table of columns, in memory: a series is a number, its labels are numbers of texts, as in a request of remote write 2.0. On disk it is
 * a copy of some moment (`positions-file.ts`) and what was appended to the spool since.
 */

const LIVE = 1;
const HAS_VALUE = 2;
const LABEL_OVERHEAD = 3;
/** Below that many there is nothing to gain. */
const FEW = 1000;

export class Positions {
  /** Texts of labels, and of metadata. Their numbers hold until `compact`. */
  symbols = new ByteStrings();
  private refs = new Uint32Array(1024);
  /** Where the refs of each begin; one more for the end of the last. */
  private starts = new Uint32Array(64);
  private hashes = new Uint32Array(64);
  private slots = new Uint32Array(128);
  private lastTimes = new Float64Array(64);
  private values = new Float64Array(64);
  private flags = new Uint8Array(64);
  private rounds = new Uint32Array(64);
  private sizes = new Uint32Array(64);
  private count = 0;
  private forgotten = 0;
  private scratch = new Uint32Array(64);
  private readonly nameLabel = this.symbols.add(Buffer.from(METRIC_NAME_LABEL));

  /** Numbers are below it. */
  get size(): number {
    return this.count;
  }

  /** The number of the series with these labels. */
  of(labels: readonly Label[]): number {
    const all = sortLabels(labels);
    for (const [index, { name, value }] of all.entries()) {
      this.scratchAt(index * 2, this.symbols.add(Buffer.from(name)));
      this.scratchAt(index * 2 + 1, this.symbols.add(Buffer.from(value)));
    }
    return this.numberOf(this.scratch, 0, all.length * 2);
  }

  /** The same, of the fields of labels as they are in remote write 1.0, in order. */
  ofPacked(bytes: Buffer, start: number, end: number): number {
    const fields = new FieldCursor(bytes).enter(start, end);
    const inner = new FieldCursor(bytes);
    let length = 0;
    for (; fields.next(); length += 2) {
      this.scratchAt(length, this.symbols.add(bytes, 0, 0));
      this.scratchAt(length + 1, this.scratch[length] ?? 0);
      inner.enter(fields.start, fields.end);
      while (inner.next()) if (inner.field === 1 || inner.field === 2) this.scratchAt(length + inner.field - 1, this.symbols.add(bytes, inner.start, inner.end));
    }
    return this.numberOf(this.scratch, 0, length);
  }

  /** The same, of the numbers of its texts. */
  ofRefs(refs: readonly number[]): number {
    return this.numberOf(Uint32Array.from(refs), 0, refs.length);
  }

  /** Time of its last sample; −Infinity: there was none. */
  lastMs(number: number): number {
    return this.lastTimes[number] ?? -Infinity;
  }

  /** Its last sample was no stale marker. */
  isLive(number: number): boolean {
    return ((this.flags[number] ?? 0) & LIVE) !== 0;
  }

  /** Of the last sample, where that is a number and of this life of the process; for people to look at. */
  value(number: number): number | undefined {
    return ((this.flags[number] ?? 0) & HAS_VALUE) !== 0 ? this.values[number] : undefined;
  }

  /** Which shard's: a hash of the labels, the same in each life of the process. */
  hash(number: number): number {
    return this.hashes[number] ?? 0;
  }

  move(number: number, lastMs: number, isLive: boolean, value?: number): void {
    this.lastTimes[number] = lastMs;
    this.flags[number] = (isLive ? LIVE : 0) | (value === undefined ? 0 : HAS_VALUE);
    if (value !== undefined) this.values[number] = value;
  }

  /** The collection `round` has seen it. */
  see(number: number, round: number): void {
    this.rounds[number] = round;
  }

  /** Those that have not ended and were not seen in this round. */
  *unseen(round: number): Iterable<number> {
    for (let number = 0; number < this.count; number += 1) if (this.isLive(number) && this.rounds[number] !== round) yield number;
  }

  get live(): number {
    let count = 0;
    for (let number = 0; number < this.count; number += 1) if (this.isLive(number)) count += 1;
    return count;
  }

  /** Names of those that have not ended. */
  liveNames(): ReadonlySet<string> {
    const names = new Set<number>();
    for (let number = 0; number < this.count; number += 1) {
      const name = this.isLive(number) ? this.nameOf(number) : undefined;
      if (name !== undefined) names.add(name);
    }
    return new Set([...names].map((name) => this.textOf(name)));
  }

  /** Its names and values, in turn, are those that `refAt` gives from here to `refsEnd`. */
  refsStart(number: number): number {
    return this.starts[number] ?? 0;
  }

  refsEnd(number: number): number {
    return this.starts[number + 1] ?? 0;
  }

  /** A symbol. */
  refAt(at: number): number {
    return this.refs[at] ?? 0;
  }

  /** The same, all at once; until the next series is added. */
  refsOf(number: number): Uint32Array {
    return this.refs.subarray(this.starts[number], this.starts[number + 1]);
  }

  /** Symbol of its name. */
  nameOf(number: number): number | undefined {
    const { refs, starts } = this;
    const end = starts[number + 1] ?? 0;
    for (let at = starts[number] ?? 0; at < end; at += 2) if (refs[at] === this.nameLabel) return refs[at + 1];
    return undefined;
  }

  /** Of its labels in a request of 1.0, about. */
  labelBytes(number: number): number {
    return this.sizes[number] ?? 0;
  }

  labelsOf(number: number): readonly Label[] {
    const refs = this.refsOf(number);
    return Array.from({ length: refs.length / 2 }, (_, index) => ({ name: this.textOf(refs[index * 2] ?? 0), value: this.textOf(refs[index * 2 + 1] ?? 0) }));
  }

  /** Forgets series that no window which begins there can bring again. Their numbers stay taken until `compact`. */
  forgetBefore(windowStartMs: number): void {
    this.forgotten = 0;
    for (let number = 0; number < this.count; number += 1) {
      if (this.lastMs(number) >= windowStartMs) continue;
      this.lastTimes[number] = -Infinity;
      this.flags[number] = 0;
      this.rounds[number] = FORGOTTEN;
      this.forgotten += 1;
    }
  }

  /** Makes room where most are forgotten. Returns whether it did: all numbers are others then. */
  compact(): boolean {
    if (this.forgotten * 2 < this.count || this.forgotten < FEW) return false;
    const fresh = new Positions();
    const symbols = new Map<number, number>();
    const moved = (ref: number): number => {
      const known = symbols.get(ref) ?? fresh.symbols.add(this.symbols.get(ref));
      symbols.set(ref, known);
      return known;
    };
    for (let number = 0; number < this.count; number += 1) {
      if (this.rounds[number] === FORGOTTEN) continue;
      const refs = this.refsOf(number).map(moved);
      const next = fresh.numberOf(refs, 0, refs.length);
      fresh.move(next, this.lastMs(number), this.isLive(number), this.value(number));
      fresh.see(next, this.rounds[number] ?? 0);
    }
    Object.assign(this, fresh);
    return true;
  }

  private textOf(symbol: number): string {
    return this.symbols.get(symbol).toString('utf8');
  }

  private scratchAt(index: number, value: number): void {
    if (index >= this.scratch.length) this.scratch = longerUints(this.scratch, index + 1);
    this.scratch[index] = value;
  }

  private numberOf(refs: Uint32Array, start: number, end: number): number {
    let hash = 0;
    for (let at = start; at < end; at += 1) hash = Math.imul(hash ^ this.symbols.hashOf(refs[at] ?? 0), 0x0100_0193);
    hash = mixed(hash);
    const mask = this.slots.length - 1;
    for (let slot = hash & mask; ; slot = (slot + 1) & mask) {
      const known = this.slots[slot] ?? 0;
      if (known === 0) return this.append(slot, hash, refs.subarray(start, end));
      if (this.hashes[known - 1] === hash && this.hasRefs(known - 1, refs, start, end)) return known - 1;
    }
  }

  private hasRefs(number: number, refs: Uint32Array, start: number, end: number): boolean {
    const from = this.starts[number] ?? 0;
    if ((this.starts[number + 1] ?? 0) - from !== end - start) return false;
    for (let at = start; at < end; at += 1) if (this.refs[from + at - start] !== refs[at]) return false;
    return true;
  }

  private append(slot: number, hash: number, refs: Uint32Array): number {
    const number = this.count;
    const from = this.starts[number] ?? 0;
    this.reserve(number + 2, from + refs.length);
    this.refs.set(refs, from);
    this.starts[number + 1] = from + refs.length;
    this.hashes[number] = hash;
    this.lastTimes[number] = -Infinity;
    this.sizes[number] = refs.reduce((sum, ref) => sum + this.symbols.lengthOf(ref) + LABEL_OVERHEAD, 0);
    this.count = number + 1;
    if (this.count * 2 > this.slots.length) this.spread();
    else this.slots[slot] = this.count;
    return number;
  }

  private reserve(rows: number, refs: number): void {
    if (refs > this.refs.length) this.refs = longerUints(this.refs, refs);
    if (rows <= this.starts.length) return;
    this.starts = longerUints(this.starts, rows);
    const { length } = this.starts;
    this.hashes = longerUints(this.hashes, length);
    this.lastTimes = longerFloats(this.lastTimes, length);
    this.values = longerFloats(this.values, length);
    this.flags = longerBytes(this.flags, length);
    this.rounds = longerUints(this.rounds, length);
    this.sizes = longerUints(this.sizes, length);
  }

  private spread(): void {
    this.slots = new Uint32Array(this.slots.length * 2);
    const mask = this.slots.length - 1;
    for (let number = 0; number < this.count; number += 1) {
      let slot = this.hash(number) & mask;
      while (this.slots[slot] !== 0) slot = (slot + 1) & mask;
      this.slots[slot] = number + 1;
    }
  }
}

/** A round that no collection has. */
const FORGOTTEN = 0xffff_ffff;
