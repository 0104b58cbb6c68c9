import { once } from 'node:events';
import { stat } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { createTestPki, readPair } from '../support/certificates.js';
import { eventually } from '../support/eventually.js';
import { startExporter } from '../support/exporter.js';
import type { Exporter, ReceivedRequest } from '../support/exporter.js';
import { fetchRaw, openRequest } from '../support/http.js';
import type { HttpAnswer } from '../support/http.js';
import { freePort } from '../support/ports.js';
import { createTempDir } from '../support/temp-dir.js';
import { startWorld, worldTenants } from '../support/world.js';
import type { World } from '../support/world.js';

/** The way from the query door to a backend, through the gateway's Envoy: what arrives, what comes back, and what goes no further. */

const JSON_HEAD = { 'content-type': 'application/json' };
const ANSWER = { kind: 'answer', headers: { ...JSON_HEAD, server: 'the server', 'x-own': '1' }, body: Buffer.from('{"status":"success","data":{"resultType":"scalar","result":[1,"1"]}}') } as const;
const MIB = 1024 * 1024;

const stack = new AsyncDisposableStack();
let world: World;
let server: Exporter;
let other: Exporter;

beforeAll(async () => {
  server = stack.use(await startExporter({ behaviour: ANSWER }));
  other = stack.use(await startExporter({ behaviour: ANSWER }));
  const pki = await createTestPki(stack.use(await createTempDir()).path);
  const tls = stack.use(await startExporter({ behaviour: ANSWER, tls: await readPair(pki.gateway) }));
  const query = [{ metrics: ['{__name__=~".+"}'], labels: { ns: 'a' } }];
  const tenants = (await worldTenants()).map((tenant, index) => ({ ...tenant, query, limits: index === 0 ? { query: { maxResponseSize: '200MiB' } } : { query: { maxResponseSize: '1MiB' } } }));
  const url = (port: number, host = '127.0.0.1', scheme = 'http'): string => `${scheme}://${host}:${port}`;
  const caFile = pki.serverCaFile;
  world = stack.use(
    await startWorld({
      gateway: {
        tenants,
        backends: [
          { name: 'plain', url: `${url(server.port)}/some/prefix`, headers: { authorization: 'Bearer ours', 'X-Scrapeway-Cluster': 'hub', 'x-envoy-retry-on': '5xx' } },
          { name: 'alerts', url: url(server.port), replicas: [url(other.port)], api: 'alertmanager' },
          { name: 'nobody', url: 'http://no-endpoint.invalid' },
          { name: 'refused', url: url(await freePort()) },
          { name: 'unresolvable', url: 'http://nowhere.invalid' },
          { name: 'by-name', url: url(tls.port, 'localhost', 'https'), caFile },
          { name: 'by-address', url: url(tls.port, '127.0.0.1', 'https'), caFile },
          { name: 'wrong-ca', url: url(tls.port, 'localhost', 'https'), caFile: pki.agentsCaFile },
          { name: 'public-ca', url: url(tls.port, 'localhost', 'https') },
        ],
      },
    }),
  );
});
afterAll(async () => {
  await stack.disposeAsync();
});

function ask(backend: string, signal?: AbortSignal): Promise<HttpAnswer> {
  return world.ask('team-a', `/query/${backend}/api/v1/query?query=1`, signal === undefined ? {} : { signal });
}

/** Without Envoy's own checks. */
function asked({ requests }: Exporter): readonly ReceivedRequest[] {
  return requests.filter(({ url }) => !url.endsWith('/-/ready'));
}

describe('a question', () => {
  it('arrives as the door wrote it, with its credentials, and with nothing of Envoy\'s', async () => {
    const answer = await ask('plain');
    expect(answer.status).toBe(200);
    const request = asked(server).find(({ url }) => url === '/some/prefix/api/v1/query');
    expect(request).toMatchObject({ method: 'POST', headers: { authorization: 'Bearer ours', host: `127.0.0.1:${server.port}` } });
    expect(Object.keys(request?.headers ?? {}).toSorted()).toEqual(['authorization', 'content-length', 'content-type', 'host', 'user-agent']);
  });

  it('may be long, in its body and in its URL', async () => {
    const long = (length: number): string => encodeURIComponent(`{job="${'x'.repeat(length)}"}`);
    const inBody = await world.ask('team-a', '/query/plain/api/v1/query', { method: 'POST', headers: { 'content-type': 'application/x-www-form-urlencoded' }, body: `query=${long(120_000)}` });
    const inUrl = await world.ask('team-a', `/query/plain/api/v1/label/job/values?match[]=${long(7500)}`);
    expect([inBody.status, inUrl.status]).toEqual([200, 200]);
    expect(asked(server).some(({ method, headers }) => method === 'POST' && Number(headers['content-length']) > 120_000)).toBe(true);
    expect(asked(server).some(({ method, url }) => method === 'GET' && url.length > 7500)).toBe(true);
  });

  it('ends at the server when the caller goes away', async () => {
    server.behave({ kind: 'hang' }, '/some/prefix/api/v1/query');
    const before = asked(server).length;
    const abort = new AbortController();
    const answer = ask('plain', abort.signal);
    await eventually(() => expect(asked(server).length).toBe(before + 1));
    abort.abort();
    await expect(answer).rejects.toThrow();
    await eventually(() => expect(asked(server).at(-1)?.outcome).toBe('cancelled'));
    server.behave(ANSWER, '/some/prefix/api/v1/query');
  });
});

describe('an answer', () => {
  const FLOOD = { kind: 'flood', totalBytes: 100 * MIB } as const;

  it('of 100 MB comes whole, at the pace of its reader', async () => {
    server.behave(FLOOD, '/some/prefix/federate');
    const answer = await openRequest(world.request('team-a', '/query/plain/federate', { timeoutMs: 120_000 }));
    const [first] = await once(answer, 'data');
    answer.pause();
    const last = (): ReceivedRequest | undefined => asked(server).at(-1);
    // Who does not read holds the server up, and nobody keeps it all.
    let sent = -1;
    await eventually(
      () => {
        const before = sent;
        sent = last()?.sentBytes ?? 0;
        expect(sent).toBe(before);
      },
      { intervalMs: 300 },
    );
    expect(sent).toBeLessThan(FLOOD.totalBytes / 2);
    let bytes = Buffer.from(first).length;
    for await (const part of answer) bytes += Buffer.from(part).length;
    expect(bytes).toBeGreaterThanOrEqual(FLOOD.totalBytes);
    expect(last()?.outcome).toBe('complete');
  });

  it('that is larger than the tenant may have is broken off, also at the server', async () => {
    const started = fetchRaw(world.request('team-b', '/query/plain/federate'));
    await expect(started).rejects.toThrow();
    await eventually(() => expect(asked(server).at(-1)?.outcome).toBe('cancelled'));
    expect(asked(server).at(-1)?.sentBytes).toBeLessThan(FLOOD.totalBytes / 2);
  });

  it('that breaks off is never taken for whole', async () => {
    server.behave({ kind: 'break-off', body: Buffer.alloc(MIB, 'x'), afterBytes: MIB / 2 }, '/some/prefix/federate');
    await expect(fetchRaw(world.request('team-a', '/query/plain/federate'))).rejects.toThrow();
  });

  it.each([
    ['where a server says so in Envoy\'s words', { 'x-scrapeway-failure': 'NC no' }, 200],
    ['where its head is strange', { 'x-envoy-overloaded': 'true' }, 200],
  ])('is the server\'s, %s', async (_, headers, status) => {
    server.behave({ ...ANSWER, headers: { ...JSON_HEAD, ...headers } }, '/some/prefix/api/v1/query');
    expect((await ask('plain')).status).toBe(status);
    server.behave(ANSWER, '/some/prefix/api/v1/query');
  });
});

describe('TLS', () => {
  it.each(['by-name', 'by-address'])('of a server that is held to its %s', async (backend) => {
    expect((await ask(backend)).status).toBe(200);
  });

  it.each([
    ['wrong-ca', /CERTIFICATE_VERIFY_FAILED.*a backend does not answer/],
    ['public-ca', /CERTIFICATE_VERIFY_FAILED.*a backend does not answer/],
  ])('with a certificate that does not fit is no answer, and the log says why: %s', async (backend, words) => {
    const answer = await ask(backend);
    expect([answer.status, answer.headers['x-scrapeway-reason']]).toEqual([503, 'query_backend_away']);
    await world.gateway.process.waitForLog(words);
  });
});

describe('where there is nobody', () => {
  it.each(['nobody', 'refused', 'unresolvable'])('the answer is 503: %s', async (backend) => {
    const answer = await ask(backend);
    expect([answer.status, answer.headers['x-scrapeway-reason']]).toEqual([503, 'query_backend_away']);
  });
});

describe('what changes something', () => {
  it('reaches one server once, also where that breaks', async () => {
    const path = '/api/v2/silences';
    for (const each of [server, other]) each.behave({ kind: 'reset' }, path);
    const silence = { matchers: [{ name: 'ns', value: 'a', isRegex: false, isEqual: true }, { name: 'job', value: 'b', isRegex: false, isEqual: true }], startsAt: new Date(), endsAt: new Date(Date.now() + 3_600_000), createdBy: 'me', comment: 'why' };
    const answer = await world.ask('team-a', `/query/alerts${path}`, { method: 'POST', headers: JSON_HEAD, body: JSON.stringify(silence) });
    expect([answer.status, answer.headers['x-scrapeway-reason']]).toEqual([503, 'query_backend_away']);
    expect([server, other].flatMap(asked).filter(({ method, url }) => method === 'POST' && url === path)).toHaveLength(1);
  });

  it('and a question that breaks is asked of the other one too', async () => {
    expect((await world.ask('team-a', '/query/alerts/api/v2/silences')).status).toBe(503);
    for (const each of [server, other]) expect(asked(each).some(({ method, url }) => method === 'GET' && url === '/api/v2/silences')).toBe(true);
  });
});

describe('the socket', () => {
  it('is for the gateway\'s own user', async () => {
    expect((await stat(`${world.gateway.runtimeDir}/backends.sock`)).mode & 0o777).toBe(0o600);
  });

  it.each(['hub', 'doors', 'api', 'xds', ''])('leads to backends only: %s', async (cluster) => {
    const answer = await fetchRaw({ url: 'http://backends/scrape/site-a/web', socketPath: `${world.gateway.runtimeDir}/backends.sock`, headers: { 'x-scrapeway-cluster': cluster, 'x-scrapeway-agent': 'site-a', 'x-scrapeway-tenant': 'team-a' } });
    expect([answer.status, answer.headers['x-scrapeway-failure']]).toEqual([404, expect.stringMatching(/^NR /)]);
  });
});

it('stays open when the doors close for new clients', async () => {
  const socketPath = (name: string): string => `${world.gateway.runtimeDir}/${name}.sock`;
  const drain = async (how: string): Promise<number> => (await fetchRaw({ url: `http://envoy/drain_listeners?${how}`, socketPath: socketPath('admin'), method: 'POST' })).status;
  expect(await drain('graceful&skip_exit')).toBe(200);
  expect(await drain('inboundonly')).toBe(200);
  await eventually(() => expect(world.ask('team-a', '/-/healthy')).rejects.toThrow('ECONNREFUSED'));
  const answer = await fetchRaw({ url: 'http://backends/some/prefix/api/v1/query', socketPath: socketPath('backends'), headers: { 'x-scrapeway-cluster': 'backend/plain/some/prefix' } });
  expect(answer.status).toBe(200);
});
