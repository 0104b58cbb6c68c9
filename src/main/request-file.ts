import type { Door, Question } from '../authz/question.js';
import { certificateInfo } from '../lib/certificate.js';
import { err, ok } from '../lib/result.js';
import type { Result } from '../lib/result.js';

/**
 * A request as an operator has it at hand (the head of an HTTP request, as `curl -v` shows it, with or without its `> `), read as
 * the question that Envoy would ask about it.
 */
export function questionFrom(text: string, certificatePem: string | undefined, ownNames: readonly string[]): Result<Question, string> {
  const [requestLine = '', ...lines] = text.split(/\r?\n/).map((line) => line.replace(/^> ?/, '')).filter((line) => line !== '');
  const [, method, target] = /^([A-Z]+) (\S+)(?: HTTP\/[\d.]+)?$/.exec(requestLine) ?? [];
  if (method === undefined || target === undefined) return err('must begin with a request line such as "GET /scrape/site-a/node HTTP/1.1"');
  const headers = new Map(lines.map((line) => [line.slice(0, line.indexOf(':')).trim().toLowerCase(), line.slice(line.indexOf(':') + 1).trim()]));
  const absolute = method === 'CONNECT' ? undefined : URL.parse(target);
  const host = method === 'CONNECT' ? target : (absolute?.host ?? headers.get('host') ?? '');
  const path = method === 'CONNECT' ? '' : absolute === null || absolute === undefined ? target : absolute.pathname + absolute.search;
  const certificate = certificatePem === undefined ? ok(undefined) : readCertificate(certificatePem);
  if (!certificate.ok) return certificate;
  return ok({
    door: doorOf(method, host, path, ownNames),
    method,
    path,
    host,
    authorization: headers.get('authorization'),
    proxyAuthorization: headers.get('proxy-authorization'),
    scrapeTimeout: headers.get('x-prometheus-scrape-timeout-seconds'),
    upgrade: headers.get('upgrade'),
    token: undefined,
    assertedTenant: headers.get('x-tenant-namespace'),
    ...(certificate.value ?? { principal: '', clientCertificate: undefined, peerIssuer: undefined, peerSerial: undefined }),
  });
}

/** As the routes have it (xds/resources/routes-scrape.ts). */
function doorOf(method: string, host: string, path: string, ownNames: readonly string[]): Door {
  if (method === 'CONNECT') return 'connect';
  if (!ownNames.includes(host.replace(/:\d+$/, '').toLowerCase())) return 'proxy';
  if (path.startsWith('/scrape/')) return 'path';
  if (path.startsWith('/query/') || path.startsWith('/api/v1/')) return 'query';
  if (path.startsWith('/push/')) return 'push';
  return path.split('?')[0] === '/sd' ? 'sd' : 'none';
}

type FromCertificate = Pick<Question, 'principal' | 'clientCertificate' | 'peerIssuer' | 'peerSerial'>;

/** What Envoy would say of this certificate, had it come in a handshake. */
function readCertificate(pem: string): Result<FromCertificate, string> {
  const info = certificateInfo(pem);
  if (!info.ok) return err(`the certificate ${info.error}`);
  const of = (type: string): string[] => info.value.sans.filter((san) => san.type === type).map(({ value }) => value);
  const [uris, names] = [of('uri'), of('dns')];
  return ok({
    principal: uris[0] ?? names[0] ?? '',
    clientCertificate: ['Hash=0', ...(uris.length === 0 ? ['URI='] : uris.map((uri) => `URI=${uri}`)), ...names.map((name) => `DNS=${name}`)].join(';'),
    // Node lists the attributes in the order of the certificate, RFC 2253 (and Envoy) from the end.
    peerIssuer: info.value.issuer.split(', ').toReversed().join(','),
    peerSerial: info.value.serialNumber.replace(/^0+/, ''),
  });
}
