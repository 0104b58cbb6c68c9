import { longerBytes, longerUints } from './typed-arrays.js';

/**
 * Byte strings by number: each is kept once, behind the others in one piece of memory, so that a hundred thousand of them cost what they
 * say and nothing for the garbage collector to look at. Nothing is ever removed: who has too many makes a new table of those in use.
 */
export class ByteStrings {
  /** What all of them stand in; another one after some `add`. */
  memory = bufferOf(new Uint8Array(1024));
  /** Where each begins; one more for the end of the last. */
  private starts = new Uint32Array(64);
  private hashes = new Uint32Array(64);
  /** Open addressing: number + 1, 0 is empty; at most half full. */
  private slots = new Uint32Array(128);
  private count = 0;

  get size(): number {
    return this.count;
  }

  lengthOf(number: number): number {
    return (this.starts[number + 1] ?? 0) - (this.starts[number] ?? 0);
  }

  /** Where it begins in `memory`. */
  startOf(number: number): number {
    return this.starts[number] ?? 0;
  }

  /** Of its content: the same in each life of the process. */
  hashOf(number: number): number {
    return this.hashes[number] ?? 0;
  }

  /** Until the next one is added. */
  get(number: number): Buffer {
    const start = this.startOf(number);
    return this.memory.subarray(start, start + this.lengthOf(number));
  }

  /** The number of these bytes, which are kept if they are new. */
  add(source: Uint8Array, start = 0, end = source.length): number {
    const hash = hashOf(source, start, end);
    const slot = this.slotOf(hash, source, start, end);
    const known = this.slots[slot] ?? 0;
    return known > 0 ? known - 1 : this.append(slot, hash, source.subarray(start, end));
  }

  /** Undefined: there is none. */
  find(source: Uint8Array): number | undefined {
    const known = this.slots[this.slotOf(hashOf(source, 0, source.length), source, 0, source.length)] ?? 0;
    return known > 0 ? known - 1 : undefined;
  }

  /** Whether it stands in `source` at `start`. */
  isAt(number: number, source: Uint8Array, start: number): boolean {
    const { memory } = this;
    const end = this.starts[number + 1] ?? 0;
    for (let own = this.starts[number] ?? 0, other = start; own < end; own += 1, other += 1) if (memory[own] !== source[other]) return false;
    return true;
  }

  private slotOf(hash: number, source: Uint8Array, start: number, end: number): number {
    const mask = this.slots.length - 1;
    for (let slot = hash & mask; ; slot = (slot + 1) & mask) {
      const known = this.slots[slot] ?? 0;
      if (known === 0) return slot;
      if (this.hashes[known - 1] === hash && this.lengthOf(known - 1) === end - start && this.isAt(known - 1, source, start)) return slot;
    }
  }

  private append(slot: number, hash: number, content: Uint8Array): number {
    const number = this.count;
    const start = this.starts[number] ?? 0;
    if (start + content.length > this.memory.length) this.memory = bufferOf(longerBytes(new Uint8Array(this.memory.buffer), start + content.length));
    if (number + 2 > this.starts.length) this.starts = longerUints(this.starts, number + 2);
    if (number + 1 > this.hashes.length) this.hashes = longerUints(this.hashes, number + 1);
    this.memory.set(content, start);
    this.starts[number + 1] = start + content.length;
    this.hashes[number] = hash;
    this.count = number + 1;
    if (this.count * 2 > this.slots.length) this.spread();
    else this.slots[slot] = this.count;
    return number;
  }

  private spread(): void {
    this.slots = new Uint32Array(this.slots.length * 2);
    const mask = this.slots.length - 1;
    for (let number = 0; number < this.count; number += 1) {
      let slot = this.hashOf(number) & mask;
      while (this.slots[slot] !== 0) slot = (slot + 1) & mask;
      this.slots[slot] = number + 1;
    }
  }
}

function bufferOf({ buffer }: Uint8Array<ArrayBuffer>): Buffer<ArrayBuffer> {
  return Buffer.from(buffer);
}

/** FNV-1a, with its bits mixed at the end. */
function hashOf(source: Uint8Array, start: number, end: number): number {
  let hash = 0x811c_9dc5;
  for (let at = start; at < end; at += 1) hash = Math.imul(hash ^ (source[at] ?? 0), 0x0100_0193);
  return mixed(hash);
}

/** The last step of MurmurHash3: all bits of the result depend on all of what it was. */
export function mixed(hash: number): number {
  const first = Math.imul(hash ^ (hash >>> 16), 0x85eb_ca6b);
  const second = Math.imul(first ^ (first >>> 13), 0xc2b2_ae35);
  return (second ^ (second >>> 16)) >>> 0;
}
