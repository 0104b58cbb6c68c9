/**
 * The frame layout of RFC 9113 §4.1 and §6, as constants and as functions over bytes. No state, no policy.
 */

export const FRAME_HEADER_BYTES = 9;
/** SETTINGS_MAX_FRAME_SIZE is left at its smallest legal value on both sides: a frame of any peer fits any other's (§4.2). */
export const MAX_FRAME_PAYLOAD_BYTES = 16_384;
export const DEFAULT_WINDOW_BYTES = 65_535;
export const MAX_WINDOW_BYTES = 0x7fff_ffff;
export const MAX_STREAM_ID = 0x7fff_ffff;
export const CLIENT_PREFACE: Buffer = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'latin1');

export const FrameType = {
  data: 0x0,
  headers: 0x1,
  priority: 0x2,
  rstStream: 0x3,
  settings: 0x4,
  pushPromise: 0x5,
  ping: 0x6,
  goaway: 0x7,
  windowUpdate: 0x8,
  continuation: 0x9,
} as const;

export const Flag = {
  endStream: 0x1,
  ack: 0x1,
  endHeaders: 0x4,
  padded: 0x8,
  priority: 0x20,
} as const;

/** RFC 9113 §7. */
export const ErrorCode = {
  noError: 0x0,
  protocolError: 0x1,
  internalError: 0x2,
  flowControlError: 0x3,
  settingsTimeout: 0x4,
  streamClosed: 0x5,
  frameSizeError: 0x6,
  refusedStream: 0x7,
  cancel: 0x8,
  compressionError: 0x9,
  connectError: 0xa,
  enhanceYourCalm: 0xb,
  inadequateSecurity: 0xc,
  http11Required: 0xd,
} as const;

const ERROR_NAMES: ReadonlyMap<number, string> = new Map(
  Object.entries(ErrorCode).map(([name, code]) => [code, name.replaceAll(/[A-Z]/g, (c) => `_${c}`).toUpperCase()] as const),
);

/** `CANCEL`, `FLOW_CONTROL_ERROR`, …; the number in hexadecimal where it has no name. For logs and metrics. */
export function errorName(code: number): string {
  return ERROR_NAMES.get(code) ?? `0x${code.toString(16)}`;
}

/** What a peer did wrong, and how far it reaches: `streamId` 0 is the connection. */
export interface Violation {
  readonly streamId: number;
  readonly code: number;
  /** For the log, never for the peer's client. */
  readonly detail: string;
}

export function connectionViolation(code: number, detail: string): Violation {
  return { streamId: 0, code, detail };
}

export function streamViolation(streamId: number, code: number, detail: string): Violation {
  return { streamId, code, detail };
}

export function readUint24(bytes: Uint8Array, at: number): number {
  return ((bytes[at] ?? 0) << 16) | ((bytes[at + 1] ?? 0) << 8) | (bytes[at + 2] ?? 0);
}

export function readUint32(bytes: Uint8Array, at: number): number {
  return (bytes[at] ?? 0) * 0x100_0000 + readUint24(bytes, at + 1);
}

/** A stream identifier or window increment: the reserved first bit is ignored (§4.1). */
export function readUint31(bytes: Uint8Array, at: number): number {
  return (((bytes[at] ?? 0) & 0x7f) << 24) | readUint24(bytes, at + 1);
}

export function writeUint32(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value >>> 24;
  bytes[at + 1] = value >>> 16;
  bytes[at + 2] = value >>> 8;
  bytes[at + 3] = value;
}

/** The nine bytes in front of every payload. */
export function writeFrameHeader(bytes: Uint8Array, at: number, header: FrameHeader): void {
  writeFrameHeaderParts(bytes, at, header.length, header.type, header.flags, header.streamId);
}

export interface FrameHeader {
  readonly length: number;
  readonly type: number;
  readonly flags: number;
  readonly streamId: number;
}

/** As `writeFrameHeader`, without an object: the hot path. */
export function writeFrameHeaderParts(bytes: Uint8Array, at: number, length: number, type: number, flags: number, streamId: number): void {
  bytes[at] = length >>> 16;
  bytes[at + 1] = length >>> 8;
  bytes[at + 2] = length;
  bytes[at + 3] = type;
  bytes[at + 4] = flags;
  writeUint32(bytes, at + 5, streamId);
}

/** Where the content of a DATA or HEADERS payload lies, padding and the priority fields taken off. */
export interface Content {
  start: number;
  end: number;
}

/**
 * Strips padding (§6.1). Writes the bounds into `content` (reused: this runs for every DATA frame).
 * False: the padding is as long as the payload or longer, a connection error (PROTOCOL_ERROR).
 */
export function stripPadding(bytes: Uint8Array, start: number, end: number, flags: number, content: Content): boolean {
  content.start = start;
  content.end = end;
  if ((flags & Flag.padded) === 0) return true;
  if (start >= end) return false;
  content.start = start + 1;
  content.end = end - (bytes[start] ?? 0);
  return content.start <= content.end;
}
