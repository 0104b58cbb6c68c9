import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { readFile } from 'node:fs/promises';
import { textAnswer } from '../support/exporter.js';
import { exchangeRaw } from '../support/raw-tls.js';
import { PASSWORD, startWorld } from '../support/world.js';
import type { World } from '../support/world.js';

/**
 * A client with team-a's own, valid credentials that wants team-b's target: whatever it writes on the wire, team-b's exporter
 * hears nothing, and no answer tells that the target exists.
 */

let world: World;
let ca: Buffer;
beforeAll(async () => {
  world = await startWorld();
  world.siteB.exporter.behave(textAnswer('foreign_secret 1\n'));
  ca = await readFile(world.pki.serverCaFile);
});
afterAll(async () => {
  await world[Symbol.asyncDispose]();
});

const BASIC = `Basic ${Buffer.from(`team-a:${PASSWORD}`).toString('base64')}`;
const OURS = `Authorization: ${BASIC}\r\nProxy-Authorization: ${BASIC}\r\n`;

function send(bytes: string): Promise<string> {
  return exchangeRaw({ host: '127.0.0.1', port: world.gateway.ports.scrape, servername: 'localhost', ca }, bytes);
}

function head(requestLine: string, headers = '', host = 'localhost'): string {
  return `${requestLine} HTTP/1.1\r\nHost: ${host}\r\n${OURS}${headers}Connection: close\r\n\r\n`;
}

/** Every way that we could think of to write the foreign target into a path of the gateway's own. */
const PATHS = [
  '/scrape/site-b/web', '/scrape/site-b/web/', '/scrape/site-b/web/metrics', '/scrape//site-b/web', '//scrape/site-b/web', '/scrape/site-b//web',
  '/./scrape/site-b/web', '/scrape/./site-b/web', '/x/../scrape/site-b/web', '/scrape/site-a/../site-b/web', '/scrape/site-a/web/../../site-b/web',
  '/scrape/site-a/web/../../../scrape/site-b/web', '/scrape/site-a/./../site-b/web', '/scrape/site-a/..;/site-b/web', '/scrape/site-a/web;/../../site-b/web',
  '/scrape/site-a%2f..%2fsite-b/web', '/scrape/site-a%2F..%2Fsite-b%2Fweb', '/scrape/site-a/%2e%2e/site-b/web', '/scrape/site-a/%2E%2E/site-b/web', '/scrape/site-a/.%2e/site-b/web',
  '/scrape/site-a/web/%2e%2e/%2e%2e/site-b/web', '/scrape/site-a/..%5csite-b/web', '/scrape/site-a\\..\\site-b\\web', '/scrape\\site-b\\web', '/scrape/site-a/web%00/../../site-b/web',
  '/scrape/%73ite-b/web', '/scrape/site%2db/web', '/scrape/site-b%20/web', '/scrape/ site-b/web', '/scrape/site-b/%77eb', '/%73crape/site-b/web', '/SCRAPE/site-b/web', '/scrape/SITE-B/web', '/scrape/site-b/WEB',
  '/scrape/site-a,site-b/web', '/scrape/site-a;site-b/web', '/scrape/site-a@site-b/web', '/scrape/site-a:site-b/web', '/scrape/site-a#/site-b/web', '/scrape/site-b#/web', '/scrape/site-b?/web', '/scrape/site-b%3f/web',
  '/scrape/site-b/web?agent=site-a', '/scrape/site-b/web?tenant=team-b', '/scrape/site-a/web?agent=site-b', '/scrape/site-a/web/../../../../scrape/site-b/web', '/scrape/site-a/web/..%2f..%2f..%2fscrape%2fsite-b%2fweb',
  '/scrape/site-a/%252e%252e/site-b/web', '/scrape/site-a/%c0%ae%c0%ae/site-b/web', '/scrape/site-a/%u002e%u002e/site-b/web', '/scrape/site-a/..%00/site-b/web', '/scrape/site-a/...//site-b/web', '/scrape/site-a/.../site-b/web',
  '/sd/../scrape/site-b/web', '/sd/scrape/site-b/web', '/-/healthy/../scrape/site-b/web', '/-/healthy/../../scrape/site-b/web', '/tunnel', '/tunnel/../scrape/site-b/web', '/control', '/.control/control', '/scrape/.control/control',
  '/scrape/site-b/.control', '/scrape/../site-b/web', '/site-b/web', '/web', '*', '', '/', '/scrape', '/scrape/', '/scrape/site-b', '/scrape/site-b/',
];

/** Headers that name another tenant, agent, target, path, or hop. */
const SPOOFS = [
  'X-Scrapeway-Tenant: team-b', 'x-scrapeway-tenant: team-b', 'X_Scrapeway_Tenant: team-b', 'X-Scrapeway-Agent: site-b', 'X-Scrapeway-Target: web', 'X-Scrapeway-Path: /metrics', 'X-Scrapeway-Credential: certificate:spiffe://scrapeway/tenant/team-b',
  'X-Scrapeway-Peer-Issuer: CN=x', 'X-Scrapeway-Peer-Serial: 1', 'X-Scrapeway-Timeout-Ms: 1', 'X-Scrapeway-Door: agent', 'X-Forwarded-Client-Cert: Hash=1;Subject="";URI=spiffe://scrapeway/tenant/team-b', 'X-Forwarded-For: 127.0.0.1',
  'X-Forwarded-Host: web.site-b.scrapeway', 'X-Forwarded-Proto: http', 'Forwarded: host=web.site-b.scrapeway', 'X-Original-URL: /scrape/site-b/web', 'X-Rewrite-URL: /scrape/site-b/web', 'X-Envoy-Original-Path: /scrape/site-b/web',
  'X-Envoy-Internal: true', 'X-Envoy-Upstream-Rq-Timeout-Ms: 1', 'X-Envoy-Upstream-Alt-Stat-Name: x', 'X-Envoy-Retry-On: 5xx', 'X-Envoy-Decorator-Operation: x', 'X-Envoy-Force-Trace: 1', 'X-Envoy-Original-Dst-Host: 127.0.0.1:1', 'X-Tenant-Namespace: team-b', 'X-Tenant: team-b',
  'Connection: x-scrapeway-tenant, authorization', 'Connection: x-scrapeway-agent', 'Connection: x-forwarded-client-cert', 'Host: web.site-b.scrapeway', 'Upgrade: scrapeway-tunnel\r\nConnection: upgrade', 'Upgrade: h2c\r\nConnection: upgrade, http2-settings\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA',
  'Upgrade: websocket\r\nConnection: upgrade', 'TE: trailers', 'Expect: 100-continue', 'Max-Forwards: 0', 'Trailer: x-scrapeway-tenant', 'Authorization: Bearer x', 'Proxy-Authorization: Bearer x', 'Tunnel-Instance: 00000000', ':authority: web.site-b.scrapeway', ':path: /scrape/site-b/web',
];

/** Whole requests that parsers read in different ways. */
const SMUGGLING = [
  'POST /scrape/site-a/web HTTP/1.1\r\nHost: localhost\r\nContent-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /scrape/site-b/web HTTP/1.1\r\nHost: localhost\r\n\r\n',
  'GET /scrape/site-a/web HTTP/1.1\r\nHost: localhost\r\nContent-Length: 44\r\nContent-Length: 0\r\n\r\nGET /scrape/site-b/web HTTP/1.1\r\nHost: x\r\n\r\n',
  'GET /scrape/site-a/web HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: xchunked\r\n\r\nGET /scrape/site-b/web HTTP/1.1\r\nHost: localhost\r\n\r\n',
  'GET /scrape/site-a/web HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\nGET /scrape/site-b/web HTTP/1.1\r\nHost: localhost\r\n\r\n',
  'GET /scrape/site-b/web HTTP/1.0\r\n\r\n', 'GET /scrape/site-b/web HTTP/0.9\r\n\r\n', 'GET /scrape/site-b/web\r\n\r\n', 'GET  /scrape/site-b/web HTTP/1.1\r\nHost: localhost\r\n\r\n', 'GET\t/scrape/site-b/web\tHTTP/1.1\r\nHost: localhost\r\n\r\n',
  'GET /scrape/site-b/web HTTP/1.1\nHost: localhost\n\n', 'GET /scrape/site-b/web HTTP/1.1\r\nHost: localhost\r\nHost: web.site-b.scrapeway\r\n\r\n', 'GET /scrape/site-b/web HTTP/1.1\r\n\r\n', 'GET /scrape/site-b/web HTTP/2.0\r\nHost: localhost\r\n\r\n',
  'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'get /scrape/site-b/web HTTP/1.1\r\nHost: localhost\r\n\r\n', 'GET /scrape/site-b/web HTTP/1.1\r\nHost: localhost\r\n X: folded\r\n\r\n', 'GET /scrape/site-b/web HTTP/1.1\r\nHost: localhost\r\nX-\u0000: 1\r\n\r\n',
];

/** The absolute form and CONNECT, with the foreign target named in every way. */
const AUTHORITIES = [
  'web.site-b.scrapeway', 'web.site-b.scrapeway:80', 'WEB.SITE-B.SCRAPEWAY', 'web.site-b.scrapeway.', 'web.site-b.scrapeway:0', 'web.site-b.scrapeway:99999', 'web%2esite-b.scrapeway', 'site-a.web.site-b.scrapeway', 'web.site-b.scrapeway@web.site-a.scrapeway',
  'web.site-a.scrapeway@web.site-b.scrapeway', 'web.site-a.scrapeway:80@web.site-b.scrapeway', 'web.site-a.scrapeway#web.site-b.scrapeway', 'web.site-a.scrapeway,web.site-b.scrapeway', '.site-b.scrapeway', 'web..scrapeway', '.scrapeway', 'scrapeway', '.control.site-b.scrapeway',
  '127.0.0.1:EXPORTER_B', '127.1:EXPORTER_B', '2130706433:EXPORTER_B', '0x7f000001:EXPORTER_B', '[::ffff:127.0.0.1]:EXPORTER_B', 'localhost.:EXPORTER_B', '0:EXPORTER_B', '169.254.169.254', '[::1]:EXPORTER_B', '127.0.0.1:ADMIN',
];

async function nobodyHeard(bytes: string): Promise<string> {
  const before = world.siteB.exporter.requests.length;
  const answer = await send(bytes);
  expect(world.siteB.exporter.requests).toHaveLength(before);
  expect(answer).not.toContain('foreign_secret');
  return answer;
}

/** What one answer shows of another: everything but the time and Envoy's own id of the request. */
function shown(answer: string): string {
  return answer.replace(/^date: .*\r\n/im, '');
}

describe('paths', () => {
  it.each(PATHS)('%s', async (path) => {
    await nobodyHeard(head(`GET ${path}`));
  });

  it.each(PATHS)('%s without credentials', async (path) => {
    const answer = await nobodyHeard(`GET ${path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n`);
    expect(answer).toMatch(/^HTTP\/1\.1 (?:400|401|404|407) |^$/);
  });
});

describe('headers', () => {
  it.each(SPOOFS)('%s', async (spoof) => {
    await nobodyHeard(head('GET /scrape/site-b/web', `${spoof}\r\n`));
    await nobodyHeard(head('GET http://web.site-b.scrapeway/metrics', `${spoof}\r\n`, 'web.site-b.scrapeway'));
  });

  it.each(SPOOFS.filter((spoof) => !/^(?:Upgrade|Host|Authorization|Proxy-Auth|Expect|X_|:)/.test(spoof)))('%s on a scrape of the own target: the target does not see it, and the client gets its own', async (spoof) => {
    const answer = await send(head('GET /scrape/site-a/web', `${spoof}\r\n`));
    expect(answer).toMatch(/^HTTP\/1\.1 (?:200|4\d\d) /);
    const received = world.siteA.exporter.requests.at(-1);
    expect(Object.keys(received?.headers ?? {}).filter((name) => /^x-(?:scrapeway|envoy|forwarded)|authorization/.test(name))).toEqual([]);
  });
});

describe('parsers', () => {
  it.each(SMUGGLING.map((bytes) => [JSON.stringify(bytes).slice(0, 100), bytes]))('%s', async (_shown, bytes) => {
    await nobodyHeard(bytes);
    await nobodyHeard(bytes.replace('\r\n', `\r\n${OURS}`));
  });
});

describe('authorities', () => {
  const named = (authority: string): string => authority.replace('EXPORTER_B', String(world.siteB.exporter.port)).replace('ADMIN', '9901');
  it.each(AUTHORITIES)('%s in absolute form, as host, and by CONNECT', async (authority) => {
    await nobodyHeard(head(`GET http://${named(authority)}/metrics`, '', named(authority)));
    await nobodyHeard(head(`GET http://${named(authority)}/metrics`));
    await nobodyHeard(head('GET /metrics', '', named(authority)));
    await nobodyHeard(`CONNECT ${named(authority)} HTTP/1.1\r\nHost: ${named(authority)}\r\n${OURS}\r\n`);
  });
});

describe('a foreign target and one that does not exist', () => {
  it.each([
    ['by path', (target: string) => head(`GET /scrape/${target}`)],
    ['by path, with a suffix', (target: string) => head(`GET /scrape/${target}/probe?module=x`)],
    ['by path, HEAD', (target: string) => head(`HEAD /scrape/${target}`)],
    ['by proxy', (target: string) => head('GET /metrics', '', `${target.split('/').toReversed().join('.')}.scrapeway`)],
  ])('give the same answer to the byte, %s', async (_name, request) => {
    const foreign = await nobodyHeard(request('site-b/web'));
    for (const nobody of ['site-b/none', 'site-x/web', 'site-a/none']) expect(shown(await nobodyHeard(request(nobody)))).toBe(shown(foreign));
    expect(foreign).toMatch(/^HTTP\/1\.1 403 .*\r\nx-scrapeway-reason: target_forbidden\r\n/is);
  });
});
