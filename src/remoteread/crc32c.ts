/**
 * CRC-32 with Castagnoli's polynomial (RFC 3720 B.4), which Node does not have. Eight bytes at a time ("slicing"): a table for each
 * distance from the end, so that the look-ups do not wait for each other.
 */
const SLICES = 8;
const TABLES = new Uint32Array(256 * SLICES);
for (let index = 0; index < 256; index += 1) {
  let value = index;
  for (let bit = 0; bit < 8; bit += 1) value = value & 1 ? (value >>> 1) ^ 0x82f6_3b78 : value >>> 1;
  TABLES[index] = value;
}
for (let at = 256; at < TABLES.length; at += 1) {
  const before = TABLES[at - 256] ?? 0;
  TABLES[at] = (before >>> 8) ^ (TABLES[before & 0xff] ?? 0);
}

/** Of `bytes[start, end)`. */
export function crc32c(bytes: Uint8Array, start = 0, end = bytes.length): number {
  let crc = -1;
  let at = start;
  for (; at + SLICES <= end; at += SLICES) crc = fourOf(4, crc ^ wordAt(bytes, at)) ^ fourOf(0, wordAt(bytes, at + 4));
  for (; at < end; at += 1) crc = (crc >>> 8) ^ look(0, (crc ^ (bytes[at] ?? 0)) & 0xff);
  return (crc ^ -1) >>> 0;
}

/** Of four bytes, the last of which has this distance from the end. */
function fourOf(distance: number, word: number): number {
  return look(distance + 3, word & 0xff) ^ look(distance + 2, (word >>> 8) & 0xff) ^ look(distance + 1, (word >>> 16) & 0xff) ^ look(distance, word >>> 24);
}

function look(distance: number, byte: number): number {
  return TABLES[distance * 256 + byte] ?? 0;
}

function wordAt(bytes: Uint8Array, at: number): number {
  return (bytes[at] ?? 0) | ((bytes[at + 1] ?? 0) << 8) | ((bytes[at + 2] ?? 0) << 16) | ((bytes[at + 3] ?? 0) << 24);
}
