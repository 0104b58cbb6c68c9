/** Typed arrays that have become too short: twice as long at least, with what they had. */

export function longerFloats(array: Float64Array<ArrayBuffer>, length: number): Float64Array<ArrayBuffer> {
  const next = new Float64Array(roomFor(array.length, length));
  next.set(array);
  return next;
}

export function longerInts(array: Int32Array<ArrayBuffer>, length: number): Int32Array<ArrayBuffer> {
  const next = new Int32Array(roomFor(array.length, length));
  next.set(array);
  return next;
}

export function longerUints(array: Uint32Array<ArrayBuffer>, length: number): Uint32Array<ArrayBuffer> {
  const next = new Uint32Array(roomFor(array.length, length));
  next.set(array);
  return next;
}

export function longerBytes(array: Uint8Array<ArrayBuffer>, length: number): Uint8Array<ArrayBuffer> {
  const next = new Uint8Array(roomFor(array.length, length));
  next.set(array);
  return next;
}

/** How long one that was so long becomes. */
export function roomFor(had: number, needed: number): number {
  return Math.max(Math.ceil(had * 1.5), needed, 64);
}
