/**
 * CRC-32 with Castagnoli's polynomial (RFC 3720 B.4), which Node does not have. Eight bytes at a time ("slicing"): a table for each
 * distance from the end, so that the look-ups do not wait for each other.
 */
const SLICES = 8;
const TABLES = Array.from({ length: SLICES }, () => new Int32Array(256));
const [T0 = new Int32Array(256), T1 = T0, T2 = T0, T3 = T0, T4 = T0, T5 = T0, T6 = T0, T7 = T0] = TABLES;
for (let index = 0; index < 256; index += 1) {
  let value = index;
  for (let bit = 0; bit < 8; bit += 1) value = value & 1 ? (value >>> 1) ^ 0x82f6_3b78 : value >>> 1;
  T0[index] = value;
}
for (const [distance, table] of TABLES.entries()) {
  const before = TABLES[distance - 1];
  if (before === undefined) continue;
  for (let index = 0; index < 256; index += 1) {
    const value = before[index] ?? 0;
    table[index] = (value >>> 8) ^ (T0[value & 0xff] ?? 0);
  }
}

/** Of the memory that was looked at last: frames of one answer all stand in the same. */
let view: DataView = new DataView(new ArrayBuffer(0));

/** Of `bytes[start, end)`. */
export function crc32c(bytes: Uint8Array, start = 0, end = bytes.length): number {
  if (view.buffer !== bytes.buffer) view = new DataView(bytes.buffer);
  const words = view;
  const { byteOffset } = bytes;
  let crc = -1;
  let at = byteOffset + start;
  const until = byteOffset + end;
  for (; at + SLICES <= until; at += SLICES) {
    const low = crc ^ words.getInt32(at, true);
    const high = words.getInt32(at + 4, true);
    crc =
      (T7[low & 0xff] ?? 0) ^ (T6[(low >>> 8) & 0xff] ?? 0) ^ (T5[(low >>> 16) & 0xff] ?? 0) ^ (T4[low >>> 24] ?? 0) ^
      (T3[high & 0xff] ?? 0) ^ (T2[(high >>> 8) & 0xff] ?? 0) ^ (T1[(high >>> 16) & 0xff] ?? 0) ^ (T0[high >>> 24] ?? 0);
  }
  for (; at < until; at += 1) crc = (crc >>> 8) ^ (T0[(crc ^ words.getUint8(at)) & 0xff] ?? 0);
  return (crc ^ -1) >>> 0;
}
