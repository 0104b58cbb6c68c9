/**
 * Typed arrays that have become too short: half as long again at least, with what they had and zeros behind. The old one is given up at
 * once and is empty then: left to the garbage collector, all that a growing table has ever been would be in memory at a time.
 */

export function longerFloats(array: Float64Array<ArrayBuffer>, length: number): Float64Array<ArrayBuffer> {
  return new Float64Array(array.buffer.transfer(roomFor(array.length, length) * Float64Array.BYTES_PER_ELEMENT));
}

export function longerInts(array: Int32Array<ArrayBuffer>, length: number): Int32Array<ArrayBuffer> {
  return new Int32Array(array.buffer.transfer(roomFor(array.length, length) * Int32Array.BYTES_PER_ELEMENT));
}

export function longerUints(array: Uint32Array<ArrayBuffer>, length: number): Uint32Array<ArrayBuffer> {
  return new Uint32Array(array.buffer.transfer(roomFor(array.length, length) * Uint32Array.BYTES_PER_ELEMENT));
}

export function longerBytes(array: Uint8Array<ArrayBuffer>, length: number): Uint8Array<ArrayBuffer> {
  return new Uint8Array(array.buffer.transfer(roomFor(array.length, length)));
}

function roomFor(had: number, needed: number): number {
  return Math.max(Math.ceil(had * 1.5), needed, 64);
}
