/**
 * Which headers pass the agent, in each direction. Everything end-to-end passes unchanged and in order; hop-by-hop headers
 * (RFC 9110 §7.6.1) end here, and nothing that starts with `x-scrapeway-` crosses the agent either way.
 */
import { INTERNAL_PREFIX } from '../tunnel/streams.js';

const HOP_BY_HOP: ReadonlySet<string> = new Set(['connection', 'keep-alive', 'proxy-connection', 'proxy-authenticate', 'proxy-authorization', 'te', 'transfer-encoding', 'upgrade']);
/** Made by the HTTP client itself, from the target and the (empty) body. */
const CLIENT_OWN: ReadonlySet<string> = new Set(['host', 'content-length', 'expect']);
export const SCRAPE_TIMEOUT_HEADER = 'x-prometheus-scrape-timeout-seconds';

/**
 * Headers for the target, flat name-value pairs as undici takes them. `received` is the stream's list (names in lower case,
 * pseudo headers included); `own` are the agent's for this target and win; the scrape timeout becomes what is left of it.
 */
export function headersToTarget(received: readonly string[], own: Readonly<Record<string, string>>, remainingMs: number): string[] {
  const ownNames = new Set(Object.keys(own).map((name) => name.toLowerCase()));
  const headers: string[] = [];
  for (let i = 0; i + 1 < received.length; i += 2) {
    const name = received[i] ?? '';
    const value = received[i + 1] ?? '';
    if (name.startsWith(':') || name.startsWith(INTERNAL_PREFIX) || HOP_BY_HOP.has(name) || CLIENT_OWN.has(name) || ownNames.has(name)) continue;
    // exporters may choose their own deadline by it: it must be ours, or they answer when nobody listens any more
    headers.push(name, name === SCRAPE_TIMEOUT_HEADER ? (remainingMs / 1000).toFixed(3) : value);
  }
  for (const [name, value] of Object.entries(own)) headers.push(name, value);
  return headers;
}

/** The one form of protobuf that Prometheus asks for: metric families, each with its length before it. */
export function isDelimitedProtobuf(type: string): boolean {
  const [name = '', ...parameters] = type.toLowerCase().replaceAll(/[\s"]/g, '').split(';');
  const has = (parameter: string): boolean => parameters.includes(parameter);
  return name === 'application/vnd.google.protobuf' && has('proto=io.prometheus.client.metricfamily') && has('encoding=delimited');
}

/** The same headers, offering only what the filter can read: no other protobuf, no compression but gzip. */
export function acceptFilterable(headers: readonly string[]): string[] {
  const filterable = [...headers];
  for (let i = 0; i + 1 < filterable.length; i += 2) {
    const value = filterable[i + 1] ?? '';
    if (filterable[i] === 'accept') filterable[i + 1] = value.split(',').filter((offer) => isDelimitedProtobuf(offer) || !/^\s*application\/vnd\.google\.protobuf/i.test(offer)).join(',') || 'text/plain;version=0.0.4';
    if (filterable[i] === 'accept-encoding') filterable[i + 1] = /\bgzip\b(?!\s*;\s*q=0(?:\.0*)?\s*(?:,|$))/i.test(value) ? 'gzip' : 'identity';
  }
  return filterable;
}

export type ResponseHeaders = Record<string, string | string[]>;

/**
 * Headers of the target's answer for the tunnel, from raw name-value pairs: names in lower case, repeated ones kept as lists
 * except those that HTTP allows once.
 */
export function headersFromTarget(raw: readonly (Buffer | string)[]): ResponseHeaders {
  const pairs: (readonly [string, string])[] = [];
  for (let i = 0; i + 1 < raw.length; i += 2) pairs.push([text(raw[i]).toLowerCase(), text(raw[i + 1])]);
  const named = new Set(pairs.filter(([name]) => name === 'connection').flatMap(([, value]) => value.toLowerCase().split(',').map((each) => each.trim())));
  const headers: ResponseHeaders = Object.create(null);
  for (const [name, value] of pairs) {
    if (name.startsWith(':') || name.startsWith(INTERNAL_PREFIX) || HOP_BY_HOP.has(name) || named.has(name)) continue;
    const before = headers[name];
    if (before === undefined) headers[name] = value;
    else if (!ONCE.has(name)) headers[name] = [...(Array.isArray(before) ? before : [before]), value];
  }
  return headers;
}

/** A second one of these is refused by HTTP/2 stacks; the first is what clients read. */
const ONCE: ReadonlySet<string> = new Set(['content-type', 'content-length', 'content-encoding', 'date', 'etag', 'expires', 'last-modified', 'location', 'retry-after', 'server', 'age', 'content-range']);

/** latin1, as HTTP/1 and Node's HTTP/2 have it: every byte survives. */
function text(value: Buffer | string | undefined): string {
  return typeof value === 'string' ? value : (value?.toString('latin1') ?? '');
}
