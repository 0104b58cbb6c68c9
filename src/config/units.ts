import { isIP } from 'node:net';

/**
 * Notations of the configuration: durations and sizes with units, addresses with ports. The schema has checked their shape;
 * undefined means that it did not, or that the number is out of all bounds.
 */

const SIZE = /^(\d+)(B|KiB|MiB|GiB)$/;
const UNITS_BYTES: Readonly<Record<string, number>> = { B: 1, KiB: 2 ** 10, MiB: 2 ** 20, GiB: 2 ** 30 };
const HOST_NAME = /^[A-Za-z0-9](?:[A-Za-z0-9._-]{0,251}[A-Za-z0-9])?$/;

/** Bytes of `64MiB`. */
export function parseSize(text: string): number | undefined {
  const [, digits, unit = ''] = SIZE.exec(text) ?? [];
  const bytes = Number(digits) * (UNITS_BYTES[unit] ?? Number.NaN);
  return Number.isSafeInteger(bytes) ? bytes : undefined;
}

export interface HostPort {
  /** IPv6 addresses without brackets. */
  readonly host: string;
  readonly port: number;
}

/** `host:port`, `10.0.0.1:443`, `[::1]:443`. */
export function parseHostPort(text: string): HostPort | undefined {
  const [, bracketed, plain, digits] = /^(?:\[([0-9A-Fa-f:.]+)\]|([^:[\]]+)):(\d{1,5})$/.exec(text) ?? [];
  const host = bracketed ?? plain ?? '';
  const port = Number(digits);
  const hostIsFine = bracketed === undefined ? isHost(host) : isIP(host) === 6;
  return hostIsFine && port <= 65_535 ? { host, port } : undefined;
}

/** A host name or an IPv4 address (what looks like one must be one). */
export function isHost(text: string): boolean {
  return /^[\d.]+$/.test(text) ? isIP(text) === 4 : HOST_NAME.test(text) && !text.includes('..');
}
