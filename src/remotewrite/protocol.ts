import { err, ok } from '../lib/result.js';
import type { Result } from '../lib/result.js';

/**
 * The two versions of remote write as HTTP sees them: how each is asked for, and how a request tells which it is. The content type
 * decides; the version header is only for people (specification 2.0, "Protocol").
 */

export type Version = '1' | '2';

export const VERSION_HEADER = 'x-prometheus-remote-write-version';

/** What a receiver of 2.0 says that it has written. */
export const WRITTEN_HEADERS = {
  samples: 'x-prometheus-remote-write-samples-written',
  histograms: 'x-prometheus-remote-write-histograms-written',
  exemplars: 'x-prometheus-remote-write-exemplars-written',
} as const;

/** The headers that make a request one of this version. No configuration may replace them. */
export function protocolHeaders(version: Version): Readonly<Record<string, string>> {
  return {
    'content-encoding': 'snappy',
    'content-type': version === '1' ? 'application/x-protobuf' : 'application/x-protobuf;proto=io.prometheus.write.v2.Request',
    [VERSION_HEADER]: version === '1' ? '0.1.0' : '2.0.0',
  };
}

/** Names of headers that `protocolHeaders` sets, and those that a receiver needs right: lower case. */
export const PROTOCOL_HEADER_NAMES: ReadonlySet<string> = new Set([...Object.keys(protocolHeaders('1')), 'user-agent', 'content-length', 'transfer-encoding', 'host', 'connection']);

/**
 * Which version a request is of. A missing content encoding passes as snappy, which is what Prometheus does for old senders. The error
 * is one sentence for the sender (status 415).
 */
export function versionOf(contentType: string | undefined, contentEncoding: string | undefined): Result<Version, string> {
  if (contentEncoding !== undefined && contentEncoding.trim().toLowerCase() !== 'snappy') return err('the content encoding must be snappy');
  const [type = '', ...parameters] = (contentType ?? '').split(';').map((part) => part.trim());
  if (type.toLowerCase() !== 'application/x-protobuf') return err('the content type must be application/x-protobuf');
  const proto = parameters.map((each) => /^proto=(.*)$/i.exec(each)?.[1]).find((each) => each !== undefined);
  if (proto === undefined || proto === 'prometheus.WriteRequest') return ok('1');
  if (proto === 'io.prometheus.write.v2.Request') return ok('2');
  return err('the content type names a message that is not one of remote write 1.0 or 2.0');
}

/** `Retry-After`: how long to wait, ms, at most `maxMs`; undefined where it says nothing that can be understood. */
export function retryAfterMs(value: string | undefined, nowMs: number, maxMs: number): number | undefined {
  if (value === undefined) return undefined;
  const waitMs = /^\d+$/.test(value.trim()) ? Number(value) * 1000 : Date.parse(value) - nowMs;
  return Number.isNaN(waitMs) ? undefined : Math.min(Math.max(waitMs, 0), maxMs);
}
