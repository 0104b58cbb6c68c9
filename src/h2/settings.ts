import { connectionViolation, DEFAULT_WINDOW_BYTES, ErrorCode, MAX_FRAME_PAYLOAD_BYTES, MAX_WINDOW_BYTES, readUint32 } from './frames.js';
import type { Violation } from './frames.js';
import { DEFAULT_TABLE_BYTES } from './hpack/decoder.js';

/**
 * SETTINGS (RFC 9113 §6.5): what we announce, and what the peer has announced.
 *
 * A switch announces HEADER_TABLE_SIZE 0: with no dynamic table, every header block stands for itself and can be checked,
 * changed and sent on without a state per hop (DESIGN §2.4).
 */

export type Role = 'client' | 'server';

export const SettingId = {
  headerTableSize: 0x1,
  enablePush: 0x2,
  maxConcurrentStreams: 0x3,
  initialWindowSize: 0x4,
  maxFrameSize: 0x5,
  maxHeaderListSize: 0x6,
} as const;

const ENTRY_BYTES = 6;
const LARGEST_FRAME_SIZE = 0xff_ffff;

/** What this end announces. */
export interface LocalSettings {
  /** Streams that the peer may have open at a time; 0 for a client, to which nothing is pushed. */
  readonly maxConcurrentStreams: number;
  /** What the peer may send on a new stream before we grant more, bytes. */
  readonly initialWindowBytes: number;
  /** Limit of a decoded header list, bytes by RFC 9113 §6.5.2; a message over it fails, alone. */
  readonly maxHeaderListBytes: number;
  /** Dynamic table that the peer may use towards us, bytes: 0 for a switch, otherwise at most the default of 4096. */
  readonly headerTableBytes: number;
}

/** What the peer has announced; the protocol's defaults until then. */
export interface PeerSettings {
  headerTableBytes: number;
  maxConcurrentStreams: number;
  initialWindowBytes: number;
  maxFramePayloadBytes: number;
}

export function defaultPeerSettings(): PeerSettings {
  return {
    headerTableBytes: DEFAULT_TABLE_BYTES,
    maxConcurrentStreams: Number.POSITIVE_INFINITY,
    initialWindowBytes: DEFAULT_WINDOW_BYTES,
    maxFramePayloadBytes: MAX_FRAME_PAYLOAD_BYTES,
  };
}

/** The payload of our SETTINGS frame. */
export function encodeSettings(settings: LocalSettings, role: Role): Buffer {
  const entries: [id: number, value: number][] = [
    [SettingId.headerTableSize, settings.headerTableBytes],
    [SettingId.initialWindowSize, settings.initialWindowBytes],
    [SettingId.maxHeaderListSize, settings.maxHeaderListBytes],
  ];
  if (role === 'client') entries.push([SettingId.enablePush, 0]);
  else entries.push([SettingId.maxConcurrentStreams, settings.maxConcurrentStreams]);
  const payload = Buffer.allocUnsafe(entries.length * ENTRY_BYTES);
  entries.forEach(([id, value], i) => {
    payload.writeUInt16BE(id, i * ENTRY_BYTES);
    payload.writeUInt32BE(value, i * ENTRY_BYTES + 2);
  });
  return payload;
}

/** Applies the payload of a peer's SETTINGS frame to `peer`, in order; unknown settings are ignored (§6.5.2). `role` is ours. */
export function applySettings(bytes: Uint8Array, start: number, end: number, peer: PeerSettings, role: Role): Violation | undefined {
  if ((end - start) % ENTRY_BYTES !== 0) return connectionViolation(ErrorCode.frameSizeError, 'SETTINGS of a broken length');
  for (let at = start; at < end; at += ENTRY_BYTES) {
    const id = ((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0);
    const bad = applySetting(id, readUint32(bytes, at + 2), peer, role);
    if (bad !== undefined) return bad;
  }
  return undefined;
}

function applySetting(id: number, value: number, peer: PeerSettings, role: Role): Violation | undefined {
  switch (id) {
    case SettingId.headerTableSize:
      peer.headerTableBytes = value;
      return undefined;
    case SettingId.enablePush:
      // Either value is legal of a client, of a server only 0. We never push, so the value itself is of no interest.
      return value > (role === 'server' ? 1 : 0) ? connectionViolation(ErrorCode.protocolError, 'bad SETTINGS_ENABLE_PUSH') : undefined;
    case SettingId.maxConcurrentStreams:
      peer.maxConcurrentStreams = value;
      return undefined;
    case SettingId.initialWindowSize:
      if (value > MAX_WINDOW_BYTES) return connectionViolation(ErrorCode.flowControlError, 'SETTINGS_INITIAL_WINDOW_SIZE too large');
      peer.initialWindowBytes = value;
      return undefined;
    case SettingId.maxFrameSize:
      if (value < MAX_FRAME_PAYLOAD_BYTES || value > LARGEST_FRAME_SIZE) {
        return connectionViolation(ErrorCode.protocolError, 'SETTINGS_MAX_FRAME_SIZE out of range');
      }
      peer.maxFramePayloadBytes = value;
      return undefined;
    default:
      return undefined;
  }
}
