import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import { connect, createServer as createTcpServer } from 'node:net';
import type { Socket } from 'node:net';
import { createTestPki, readPair } from '../../../test/support/certificates.js';
import type { TestPki } from '../../../test/support/certificates.js';
import { eventually } from '../../../test/support/eventually.js';
import { fetchRaw } from '../../../test/support/http.js';
import type { HttpAnswer, HttpRequest } from '../../../test/support/http.js';
import { manualClock } from '../../../test/support/manual-clock.js';
import { freePort, portOf } from '../../../test/support/ports.js';
import { basic, bearer, BILLING_TOKEN, OLD_TOKEN, SHOP_PASSWORD, siteSettings, startSiteDoor } from '../../../test/support/site-door.js';
import type { SiteDoorRig } from '../../../test/support/site-door.js';
import { createTempDir } from '../../../test/support/temp-dir.js';
import type { SitePush } from '../../model/site-push.js';
import type { SiteDoorOptions } from './door.js';

/** The door before a Pushgateway that notes what comes. What a real one makes of it: test/integration/push-site.test.ts. */

let backend: Server;
let received: { readonly url: string; readonly answer: ServerResponse }[];
/** Whether it answers at once. */
let answers: boolean;
let backendUrl: string;
const stack: AsyncDisposable[] = [];

beforeEach(async () => {
  received = [];
  answers = true;
  backend = createServer((request: IncomingMessage, response) => {
    received.push({ url: request.url ?? '', answer: response });
    if (answers) request.resume().on('end', () => response.end());
  });
  backend.listen(0, '127.0.0.1');
  await once(backend, 'listening');
  backendUrl = `http://127.0.0.1:${portOf(backend)}`;
});
afterEach(async () => {
  for (const { answer } of received) answer.destroy();
  for (const each of stack.splice(0).toReversed()) await each[Symbol.asyncDispose]();
  backend.close();
  backend.closeAllConnections();
});

async function door(over: Partial<SitePush> = {}, options: Partial<SiteDoorOptions> = {}): Promise<SiteDoorRig> {
  const rig = await startSiteDoor(await siteSettings({ url: backendUrl, ...over }), options);
  stack.push(rig);
  return rig;
}

async function tlsDoor(): Promise<{ readonly rig: SiteDoorRig; readonly pki: TestPki; readonly ca: Buffer }> {
  const dir = await createTempDir();
  stack.push(dir);
  const pki = await createTestPki(dir.path);
  const rig = await door({
    tls: { certificate: await readFile(pki.gateway.certificateFile, 'utf8'), key: await readFile(pki.gateway.keyFile, 'utf8'), clientCa: await readFile(pki.clientsCaFile, 'utf8') },
  });
  return { rig, pki, ca: await readFile(pki.serverCaFile) };
}

async function put(rig: SiteDoorRig, headers: Readonly<Record<string, string>> = {}, over: Partial<HttpRequest> = {}): Promise<HttpAnswer> {
  return fetchRaw({ url: `${await rig.url()}/metrics/job/nightly`, method: 'PUT', headers, body: 'rows 1\n', ...over });
}

/** Waits for the end of the connection; all that came, or what broke it. */
async function everything(socket: Socket): Promise<string> {
  let text = '';
  socket.setEncoding('latin1').on('data', (chunk: string) => {
    text += chunk;
  });
  const { promise, resolve } = Promise.withResolvers<string>();
  socket.on('close', () => resolve(text)).on('error', (error) => resolve(`${text}\n${String(error)}`));
  return promise;
}

async function dial(rig: SiteDoorRig): Promise<Socket> {
  const socket = connect(Number(new URL(await rig.url()).port), '127.0.0.1');
  await once(socket, 'connect');
  return socket;
}

const SHOP_GROUP = '/metrics/job@base64/bmlnaHRseQ/tenant@base64/c2hvcA';
const BILLING_GROUP = '/metrics/job@base64/bmlnaHRseQ/tenant@base64/YmlsbGluZw';

describe('a push', () => {
  it.each([
    ['with a password', basic('shop', SHOP_PASSWORD), SHOP_GROUP],
    ['with a token', bearer(BILLING_TOKEN), BILLING_GROUP],
  ])('%s is that tenant’s, by the short path and by the long one', async (_what, headers, group) => {
    const rig = await door();
    expect(await put(rig, headers)).toMatchObject({ status: 200 });
    expect(await put(rig, headers, { url: `${await rig.url()}/push/batch/metrics/job/nightly` })).toMatchObject({ status: 200 });
    expect(received.map(({ url }) => url)).toEqual([group, group]);
  });

  it.each([
    ['by nobody', {}, 401, 'no_credentials'],
    ['with a wrong password', basic('shop', 'guess'), 401, 'bad_credentials'],
    ['of a user that there is not', basic('nobody', 'guess'), 401, 'bad_credentials'],
    ['with a token that there is not', bearer('0123456789abcdef'), 401, 'bad_credentials'],
    ['with a token that is over', bearer(OLD_TOKEN), 401, 'bad_credentials'],
    ['with credentials of another kind', { authorization: 'Digest username="shop"' }, 401, 'bad_credentials'],
    ['with two credentials in one header', { authorization: `${basic('shop', SHOP_PASSWORD).authorization}, ${bearer(BILLING_TOKEN).authorization}` }, 401, 'bad_credentials'],
    ['that says itself whose it is', { 'x-scrapeway-tenant': 'shop', 'x-tenant-namespace': 'shop' }, 401, 'no_credentials'],
  ])('%s is refused, whatever it asks for', async (_what, headers, status, reason) => {
    const rig = await door();
    for (const path of ['/metrics/job/nightly', '/push/batch/metrics/job/nightly', '/push/none/x', '/', '/api/v1/admin/wipe']) {
      const answer = await put(rig, headers, { url: `${await rig.url()}${path}` });
      expect(answer).toMatchObject({ status, headers: { 'x-scrapeway-reason': reason, 'www-authenticate': 'Basic realm="scrapeway", Bearer realm="scrapeway"' } });
    }
    expect(received).toEqual([]);
    expect(await rig.metric(`scrapeway_agent_push_refusals_total{reason="${reason}"}`)).toBe(5);
  });

  it('with two headers of credentials is refused', async () => {
    const rig = await door();
    const socket = await dial(rig);
    const header = `Authorization: ${bearer(BILLING_TOKEN).authorization}\r\n`;
    socket.write(`PUT /metrics/job/nightly HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n${header}${header}\r\n`);
    expect(await everything(socket)).toMatch(/^HTTP\/1\.1 401 [^]*bad_credentials/);
  });

  it('is refused alike for a user that there is not and for a wrong password', async () => {
    const rig = await door();
    const [one, other] = await Promise.all([put(rig, basic('shop', 'guess')), put(rig, basic('nobody', 'guess'))]);
    const alike = ({ status, headers, body }: HttpAnswer): unknown => ({ status, headers: { ...headers, date: '' }, body: body.toString() });
    expect(alike(one)).toEqual(alike(other));
  });

  it.each(['/metrics', '/', '/push/batch/metrics', '/push/other/metrics/job/a', '/api/v1/write', '/-/quit', '/api/v1/admin/wipe'])('of a tenant goes nowhere by %s', async (path) => {
    const rig = await door();
    expect((await put(rig, bearer(BILLING_TOKEN), { url: `${await rig.url()}${path}` })).status).toBeGreaterThanOrEqual(400);
    expect(received).toEqual([]);
  });

  it('is counted as at the gateway', async () => {
    const rig = await door();
    await put(rig, bearer(BILLING_TOKEN));
    expect(await rig.metric('scrapeway_push_requests_total{tenant="billing",target="batch",result="ok"}')).toBe(1);
  });
});

describe('with TLS', () => {
  it('a certificate of the right CA is a credential', async () => {
    const { rig, pki, ca } = await tlsDoor();
    expect(await put(rig, {}, { tls: { ca, ...(await readPair(await pki.client('shop'))) } })).toMatchObject({ status: 200 });
    expect(received.map(({ url }) => url)).toEqual([SHOP_GROUP]);
  });

  it('a password does without one', async () => {
    const { rig, ca } = await tlsDoor();
    expect(await put(rig, basic('shop', SHOP_PASSWORD), { tls: { ca } })).toMatchObject({ status: 200 });
  });

  it.each([
    ['of another tenant’s beside a token', 'client', 'shop', bearer(BILLING_TOKEN), 403, 'conflicting_credentials'],
    ['of nobody’s', 'client', 'stranger', {}, 401, 'bad_credentials'],
    ['of nobody’s beside a good token', 'client', 'stranger', bearer(BILLING_TOKEN), 401, 'bad_credentials'],
    ['of another CA', 'agent', 'shop', {}, 401, 'bad_credentials'],
    ['of another CA beside a good token', 'agent', 'shop', bearer(BILLING_TOKEN), 401, 'bad_credentials'],
  ] as const)('a certificate %s is refused', async (_what, kind, name, headers, status, reason) => {
    const { rig, pki, ca } = await tlsDoor();
    const answer = await put(rig, headers, { tls: { ca, ...(await readPair(await pki[kind](name))) } });
    expect(answer).toMatchObject({ status, headers: { 'x-scrapeway-reason': reason } });
    expect(received).toEqual([]);
  });
});

describe('a stranger', () => {
  it('who asks whether to send a body is refused before it, and a tenant is let on', async () => {
    const rig = await door();
    const head = (more: string): string => `PUT /metrics/job/nightly HTTP/1.1\r\nHost: a\r\nContent-Length: 7\r\nExpect: 100-continue\r\n${more}\r\n`;
    const stranger = await dial(rig);
    stranger.write(head(''));
    const [refused] = await once(stranger.setEncoding('latin1'), 'data');
    expect(refused).toMatch(/^HTTP\/1\.1 401 /);
    stranger.destroy();
    const tenant = await dial(rig);
    tenant.write(head(`Authorization: ${bearer(BILLING_TOKEN).authorization}\r\nConnection: close\r\n`));
    const [first] = await once(tenant, 'data');
    expect(String(first)).toMatch(/^HTTP\/1\.1 100 /);
    tenant.write('rows 1\n');
    expect(await everything(tenant)).toMatch(/^HTTP\/1\.1 200 /);
  });

  it('who sends a large body all the same reads why it was refused, and loses the connection', async () => {
    const rig = await door();
    const socket = await dial(rig);
    const answer = everything(socket);
    const bytes = 2 * 1024 * 1024;
    socket.write(`PUT /metrics/job/nightly HTTP/1.1\r\nHost: a\r\nContent-Length: ${bytes}\r\n\r\n`);
    socket.write(Buffer.alloc(bytes, 'x'));
    expect(await answer).toMatch(/^HTTP\/1\.1 401 [^]*connection: close[^]*no credentials\n$/i);
  });

  it('who is slow with the head of a request, or sends none, is cut off', async () => {
    const rig = await door({}, { headTimeoutMs: 200 });
    const [slow, silent] = [await dial(rig), await dial(rig)];
    slow.write('PUT /metrics/job/nightly HTTP/1.1\r\nHost: a\r\n');
    expect(await Promise.all([everything(slow), everything(silent)])).toEqual([expect.stringMatching(/^HTTP\/1\.1 408 /), expect.stringMatching(/^(HTTP\/1\.1 408 |$)/)]);
  });

  it('who sends a head that is too large is refused', async () => {
    const rig = await door();
    const socket = await dial(rig);
    socket.write(`PUT /metrics/job/nightly HTTP/1.1\r\nHost: a\r\nX: ${'x'.repeat(20_000)}\r\n\r\n`);
    expect(await everything(socket)).toMatch(/^HTTP\/1\.1 431 /);
  });

  it.each([false, true])('who holds all connections keeps nobody out; with TLS: %s', async (withTls) => {
    const { rig, ca } = withTls ? await tlsDoor() : { rig: await door(), ca: undefined };
    rig.door.configure({ ...rig.settings, listen: { host: '127.0.0.1', port: await freePort() }, limits: { ...rig.settings.limits, maxConnections: 2 } });
    const held = [await dial(rig), await dial(rig), await dial(rig)].map(everything);
    expect(await put(rig, bearer(BILLING_TOKEN), { ...(ca && { tls: { ca } }) })).toMatchObject({ status: 200 });
    // the first for the third, the second for the push
    expect(await Promise.all(held.slice(0, 2))).toEqual(['', '']);
    expect(await rig.metric('scrapeway_agent_push_dropped_connections_total')).toBe(2);
  });

  it('cannot take the place of a push under way', async () => {
    answers = false;
    const settings = await siteSettings({ url: backendUrl });
    const rig = await door({ limits: { ...settings.limits, maxConnections: 1 } });
    const underWay = put(rig, bearer(BILLING_TOKEN));
    await eventually(() => expect(received).toHaveLength(1));
    expect(await everything(await dial(rig))).toMatch(/^$|ECONNRESET/);
    received[0]?.answer.end();
    expect(await underWay).toMatchObject({ status: 200 });
    expect(await rig.metric('scrapeway_agent_push_dropped_connections_total')).toBe(1);
  });

  it('who guesses passwords makes others wait no longer than the line is', async () => {
    const rig = await door({}, { passwords: { matches: () => 'busy' } });
    expect(await put(rig, basic('shop', SHOP_PASSWORD))).toMatchObject({ status: 503, headers: { 'x-scrapeway-reason': 'authz_busy' } });
    expect(await put(rig, bearer(BILLING_TOKEN))).toMatchObject({ status: 200 });
  });
});

describe('another configuration', () => {
  it('counts from the next push on: who has no credential any more is nobody', async () => {
    const rig = await door();
    expect(await put(rig, bearer(BILLING_TOKEN))).toMatchObject({ status: 200 });
    const port = rig.door.port();
    rig.door.configure({ ...rig.settings, tenants: rig.settings.tenants.filter(({ name }) => name === 'shop') });
    expect(await put(rig, bearer(BILLING_TOKEN))).toMatchObject({ status: 401 });
    expect(rig.door.port()).toBe(port);
  });

  it('counts for whoever’s password is being checked', async () => {
    const checks: PromiseWithResolvers<'right'>[] = [];
    const matches = (): Promise<'right'> => {
      const check = Promise.withResolvers<'right'>();
      checks.push(check);
      return check.promise;
    };
    const rig = await door({}, { passwords: { matches } });
    const answer = put(rig, basic('shop', SHOP_PASSWORD));
    await eventually(() => expect(checks).toHaveLength(1));
    rig.door.configure({ ...rig.settings, tenants: rig.settings.tenants.filter(({ name }) => name === 'billing') });
    checks[0]?.resolve('right');
    expect(await answer).toMatchObject({ status: 401 });
    expect(received).toEqual([]);
  });

  it('with another address listens there, and ends what is under way where it was', async () => {
    answers = false;
    const rig = await door();
    const before = await rig.url();
    const underWay = put(rig, bearer(BILLING_TOKEN));
    await eventually(() => expect(received).toHaveLength(1));
    rig.door.configure({ ...rig.settings, listen: { host: '127.0.0.2', port: 0 } });
    await eventually(() => expect(rig.door.port()).toBeDefined());
    await expect(fetchRaw({ url: before })).rejects.toThrow();
    received[0]?.answer.end();
    expect(await underWay).toMatchObject({ status: 200, headers: { connection: 'close' } });
    expect(await fetchRaw({ url: `http://127.0.0.2:${rig.door.port()}/` })).toMatchObject({ status: 401 });
  });

  it('with another certificate shows that one, at the same address', async () => {
    const { rig, ca } = await tlsDoor();
    const listen = { host: '127.0.0.1', port: await freePort() };
    rig.door.configure({ ...rig.settings, listen });
    const url = `https://localhost:${listen.port}/metrics/job/nightly`;
    await eventually(async () => expect(await put(rig, bearer(BILLING_TOKEN), { url, tls: { ca } })).toMatchObject({ status: 200 }));
    const dir = await createTempDir();
    stack.push(dir);
    const next = await createTestPki(dir.path);
    const tls = { certificate: await readFile(next.gateway.certificateFile, 'utf8'), key: await readFile(next.gateway.keyFile, 'utf8'), clientCa: undefined };
    rig.door.configure({ ...rig.settings, listen, tls });
    const nextCa = await readFile(next.serverCaFile);
    await eventually(async () => expect(await put(rig, bearer(BILLING_TOKEN), { url, tls: { ca: nextCa } })).toMatchObject({ status: 200 }));
    await expect(put(rig, bearer(BILLING_TOKEN), { url, tls: { ca } })).rejects.toThrow();
  });

  it('without the door closes it; one with it opens it again', async () => {
    const rig = await door();
    const before = await rig.url();
    rig.door.configure(undefined);
    expect(rig.door.port()).toBeUndefined();
    await expect(fetchRaw({ url: before })).rejects.toThrow();
    expect(await rig.metric('scrapeway_agent_push_down')).toBe(0);
    rig.door.configure(rig.settings);
    expect(await put(rig, bearer(BILLING_TOKEN))).toMatchObject({ status: 200 });
  });

  it('that comes and goes faster than anybody listens ends as the last one says', async () => {
    const clock = manualClock();
    const rig = await door({ listen: { host: 'localhost', port: await freePort() } }, { clock });
    rig.door.configure(undefined);
    rig.door.configure(rig.settings);
    rig.door.configure(undefined);
    rig.door.configure(rig.settings);
    const url = `http://localhost:${rig.settings.listen.port}/metrics/job/nightly`;
    await eventually(async () => {
      clock.advance(2_000);
      expect(await fetchRaw({ url, method: 'PUT', headers: bearer(BILLING_TOKEN), body: 'rows 1\n' })).toMatchObject({ status: 200 });
    });
    rig.door.configure(undefined);
    await expect(fetchRaw({ url })).rejects.toThrow();
  });
});

describe('an address that somebody else has', () => {
  it('is tried again until it is free', async () => {
    const other = createTcpServer().listen(0, '127.0.0.1');
    await once(other, 'listening');
    const clock = manualClock();
    const rig = await door({ listen: { host: '127.0.0.1', port: portOf(other) } }, { clock });
    expect(await rig.metric('scrapeway_agent_push_down')).toBe(1);
    other.close();
    await once(other, 'close');
    await eventually(() => {
      clock.advance(2_000);
      expect(rig.door.port()).toBeDefined();
    });
    expect(await rig.metric('scrapeway_agent_push_down')).toBe(0);
  });
});

describe('an agent that stops', () => {
  it('answers what is under way and takes nothing any more', async () => {
    answers = false;
    const rig = await door();
    const url = await rig.url();
    const idle = everything(await dial(rig));
    const underWay = put(rig, bearer(BILLING_TOKEN));
    await eventually(() => expect(received).toHaveLength(1));
    const drained = rig.door.drain();
    await expect(fetchRaw({ url })).rejects.toThrow();
    received[0]?.answer.end();
    expect(await underWay).toMatchObject({ status: 200 });
    await drained;
    expect(await idle).toBe('');
  });

  it('does not wait for a handshake that is not done', async () => {
    const { rig } = await tlsDoor();
    const silent = everything(await dial(rig));
    await rig.door.drain();
    expect(await silent).toBe('');
  });
});
