import { sanKey } from '../credentials/san.js';
import type { ClientCertificate } from '../credentials/san.js';
import { err, ok } from '../lib/result.js';
import type { Result } from '../lib/result.js';

/**
 * Who a client certificate names, read from what our own Envoy says of it: `x-forwarded-client-cert` (every SAN, with its type) and
 * `source.principal` (one SAN, whole).
 *
 * Both are needed. Envoy 1.40 writes SANs into XFCC as they are, so a certificate with the one URI
 * `spiffe://x/team-a/job;URI=spiffe://x/team-b` reads as one with two URIs, and a CA that lets its users choose the end of a name
 * would let them choose a tenant. Hence: a name counts only where it is known to be whole. The principal is; and where XFCC shows
 * one URI and one DNS name at most, and the principal is among them, nothing in it was split. Otherwise the principal alone.
 */

/**
 * Reads XFCC as Envoy writes it under SANITIZE_SET: one element, `Key=value` pairs parted by semicolons, a value with separators in
 * double quotes with backslash escapes (the subject), all URIs before all DNS names. Anything else is an error: either it is not
 * from our Envoy, or a name holds a separator.
 */
export function readClientCertificate(xfcc: string, principal: string): Result<ClientCertificate, string> {
  const pairs = splitPairs(xfcc);
  if (pairs === undefined) return err('not one well-formed element');
  const uris: string[] = [];
  const dnsNames: string[] = [];
  for (const [key, value] of pairs) {
    if (!KEYS.has(key)) return err('an unknown key');
    if (key === 'URI' && dnsNames.length > 0) return err('a URI after a DNS name');
    if (value === '') continue; // `URI=` is how Envoy writes "no URI"
    if (key === 'URI') uris.push(value);
    if (key === 'DNS') dnsNames.push(value);
  }
  const first = uris[0] ?? dnsNames[0];
  if (first !== undefined && first !== principal) return err('the first name is not whole');
  const shown = [...uris.map((uri) => sanKey('uri', uri)), ...dnsNames.map((name) => sanKey('dns', name))];
  const nothingWasSplit = uris.length <= 1 && dnsNames.length <= 1;
  return ok({ shown, whole: nothingWasSplit ? shown : shown.slice(0, 1) });
}

const KEYS = new Set(['By', 'Hash', 'Cert', 'Chain', 'Subject', 'URI', 'DNS']);

/** One `Key=value` or `Key="quoted value"` with the separator that follows; a comma would begin a second element. */
const PAIR = /([A-Za-z]+)=(?:"((?:[^"\\]|\\.)*)"|([^";,]*))(;|$)/sy;

function splitPairs(element: string): [key: string, value: string][] | undefined {
  const pairs: [string, string][] = [];
  PAIR.lastIndex = 0;
  for (;;) {
    const found = PAIR.exec(element);
    if (found === null) return undefined;
    const [, key = '', quoted, plain = '', separator] = found;
    pairs.push([key, quoted === undefined ? plain : quoted.replaceAll(/\\(.)/gs, '$1')]);
    if (separator === '') return pairs;
  }
}
