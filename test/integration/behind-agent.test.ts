import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { readFile } from 'node:fs/promises';
import { startAgent } from '../support/agent.js';
import { createTestPki } from '../support/certificates.js';
import type { TestPki } from '../support/certificates.js';
import { dialConnect } from '../support/dial-connect.js';
import { eventually } from '../support/eventually.js';
import { startExporter, textAnswer } from '../support/exporter.js';
import type { Exporter } from '../support/exporter.js';
import { dump } from '../support/export-rig.js';
import { startGateway } from '../support/gateway.js';
import type { RunningGateway } from '../support/gateway.js';
import { fetchRaw, openRequest } from '../support/http.js';
import type { HttpAnswer, HttpRequest } from '../support/http.js';
import { startPrometheus } from '../support/prometheus.js';
import type { RunningPrometheus } from '../support/prometheus.js';
import { startPushgateway } from '../support/push-servers.js';
import type { RunningServer } from '../support/push-servers.js';
import type { ConfigFile, RunningScrapeway } from '../support/scrapeway.js';
import { createTempDir } from '../support/temp-dir.js';
import type { TempDir } from '../support/temp-dir.js';
import { PASSWORD, worldTenants } from '../support/world.js';

/**
 * Servers of a site, used through its agents' tunnels: a Prometheus that is queried, one that takes exports, a Pushgateway. All as shipped: Envoy,
 * two data threads, a site with two agents, one with a single one. `canary` notes whatever reaches it.
 */

const stack = new AsyncDisposableStack();
let dir: TempDir;
let pki: TestPki;
let ca: Buffer;
let source: RunningPrometheus;
let receiver: RunningPrometheus;
let pushed: RunningServer;
let canary: Exporter;
let gateway: RunningGateway;
let startedMs: number;
/** Of one process. */
const START_MS = 240_000;
const agents = new Map<string, RunningScrapeway>();

async function start(name: string): Promise<void> {
  const service = (own: string, url: string, ...allow: readonly string[]): ConfigFile => ({ name: own, url, allow });
  const agent = await startAgent({
    dir: dir.path,
    pki,
    name,
    gatewayPort: gateway.ports.agents,
    startTimeoutMs: START_MS,
    targets: [{ name: 'web', url: `http://127.0.0.1:${canary.port}/metrics` }],
    config: {
      services: [
        service('prometheus', source.url, 'query'),
        service('receiver', receiver.url, 'remote_write'),
        service('pushgateway', pushed.url, 'pushgateway'),
        { ...service('canary', `http://127.0.0.1:${canary.port}/base`, 'query'), headers: { 'x-of-the-agent': 'yes' } },
      ],
    },
  });
  agents.set(name, agent);
  await agent.waitUntilReady(START_MS);
}

async function kill(name: string): Promise<void> {
  agents.get(name)?.process.signal('SIGKILL');
  await agents.get(name)?.process.exited;
}

const behind = (name: string, own: string, service: string, more: ConfigFile = {}): ConfigFile => ({ name: own, agent: { name, service }, ...more });

beforeAll(async () => {
  startedMs = Date.now();
  const lines = Array.from({ length: 100 }, (_, index) => `load{ns="${index % 2 === 0 ? 'a' : 'b'}",core="${index}"} ${index}\n`);
  const target = stack.use(await startExporter({ behaviour: textAnswer(`# TYPE load gauge\n${lines.join('')}`) }));
  canary = stack.use(await startExporter({ behaviour: { kind: 'answer', headers: { 'content-type': 'application/json' }, body: Buffer.from('{"status":"success","data":{"resultType":"vector","result":[]}}') } }));
  source = stack.use(await startPrometheus({ config: { global: { scrape_interval: '500ms', scrape_timeout: '500ms' }, scrape_configs: [{ job_name: 'app', honor_labels: true, static_configs: [{ targets: [`127.0.0.1:${target.port}`] }] }] } }));
  receiver = stack.use(await startPrometheus({ config: {}, args: ['--web.enable-remote-write-receiver'] }));
  pushed = stack.use(await startPushgateway());
  dir = stack.use(await createTempDir());
  pki = await createTestPki(dir.join('pki'));
  ca = await readFile(pki.serverCaFile);
  await source.waitForUp(1);
  const [teamA, teamB] = await worldTenants();
  const everything = { query: [{ metrics: ['.*'], labels: { ns: 'a' } }], push: ['batch'], exports: [{ name: 'slice', backend: 'main', destination: 'own', interval: '1s', metrics: ['load'], queue: { max_backoff: '200ms' } }] };
  gateway = stack.use(await startGateway({
    dir: dir.path,
    pki,
    startTimeoutMs: START_MS,
    tenants: [{ ...teamA, ...everything }, { ...teamB }],
    agents: ['paris-1', 'paris-2', 'lyon'].map((name) => ({ name, tenants: ['team-a'] })),
    config: {
      gateway: { id: 'test', names: ['localhost'] },
      dataThreads: 2,
      discovery: { settle: '2s' },
      tunnel: { reconnectGrace: '1s' },
      sites: [{ name: 'paris', agents: ['paris-1', 'paris-2'] }],
      backends: [
        behind('paris', 'main', 'prometheus'),
        behind('lyon', 'lyon', 'prometheus'),
        behind('lyon', 'canary', 'canary', { headers: { 'x-of-the-gateway': 'yes' } }),
        behind('lyon', 'hasty', 'canary', { timeout: '1s' }),
        behind('lyon', 'unknown', 'no-such'),
        behind('lyon', 'closed', 'receiver'),
      ],
      exportDestinations: [{ ...behind('paris', 'own', 'receiver'), kind: 'remote_write', tenantLabel: 'tenant' }],
      pushTargets: [{ ...behind('lyon', 'batch', 'pushgateway'), kind: 'pushgateway', tenantLabel: 'tenant' }],
      exports: { folder: dir.join('exports') },
    },
  }));
  await Promise.all(['paris-1', 'paris-2', 'lyon'].map(start));
}, 4 * START_MS);
afterAll(async () => {
  await Promise.all([...agents.values()].map((agent) => agent.stop()));
  await stack.disposeAsync();
});

const AUTHORIZATION = { authorization: `Basic ${Buffer.from(`team-a:${PASSWORD}`).toString('base64')}` };

function request(path: string, more: Partial<HttpRequest> = {}): HttpRequest {
  return { url: `${gateway.scrapeUrl}${path}`, tls: { ca, servername: 'localhost' }, ...more, headers: { ...AUTHORIZATION, ...more.headers } };
}

const ask = (path: string, more: Partial<HttpRequest> = {}): Promise<HttpAnswer> => fetchRaw(request(path, more));

function post(path: string, form: Readonly<Record<string, string>>): Promise<HttpAnswer> {
  return ask(path, { method: 'POST', headers: { 'content-type': 'application/x-www-form-urlencoded' }, body: new URLSearchParams(form).toString() });
}

interface ApiAnswer {
  readonly status: string;
  readonly error?: string;
  readonly errorType?: string;
  readonly data?: unknown;
}

function json({ body }: HttpAnswer): ApiAnswer {
  return JSON.parse(body.toString('utf8'));
}

const inWords = (answer: HttpAnswer): string => `${answer.status} ${String(answer.headers['x-scrapeway-reason'])} ${json(answer).error ?? ''}`;

describe('a Prometheus behind a site with two agents', () => {
  it('answers an instant query with what the tenant may see', async () => {
    const answer = await ask('/query/main/api/v1/query?query=count(load)%20or%20load%7Bns%3D%22b%22%7D');
    expect(json(answer)).toMatchObject({ status: 'success', data: { resultType: 'vector', result: [{ metric: {}, value: [expect.any(Number), '50'] }] } });
  });

  it('answers a range query by POST, whole and exactly as the server itself', async () => {
    const end = Math.floor(Date.now() / 1000) - 1;
    const form = { start: `${end - 10}`, end: `${end}`, step: '1' };
    const own = await post('/query/main/api/v1/query_range', { query: 'load', ...form });
    const direct = await fetchRaw({ url: `${source.url}/api/v1/query_range?${new URLSearchParams({ query: 'load{ns="a"}', ...form }).toString()}` });
    expect([own.status, json(own)]).toEqual([200, json(direct)]);
  });

  it('answers what Grafana asks for: labels, values, series, build', async () => {
    expect(json(await ask('/query/main/api/v1/label/ns/values')).data).toEqual(['a']);
    expect(json(await ask('/query/main/api/v1/labels')).data).toEqual(['__name__', 'core', 'instance', 'job', 'ns']);
    expect(json(await post('/query/main/api/v1/series', { 'match[]': 'load{core=~"1|2"}' })).data).toHaveLength(1);
    expect(json(await ask('/query/main/api/v1/status/buildinfo')).data).toMatchObject({ version: expect.any(String) });
  });

  it('goes on answering when one of the agents is killed, and when it is back', async () => {
    await kill('paris-1');
    for (let times = 0; times < 5; times += 1) expect((await ask('/query/main/api/v1/query?query=load')).status).toBe(200);
    await start('paris-1');
    await kill('paris-2');
    for (let times = 0; times < 5; times += 1) expect((await ask('/query/main/api/v1/query?query=load')).status).toBe(200);
  }, 2 * START_MS);
});

describe('a Prometheus behind one agent', () => {
  it('is away with its agent, with a reason, and back with it', async () => {
    expect((await ask('/query/lyon/api/v1/query?query=load')).status).toBe(200);
    await kill('lyon');
    const away = await ask('/query/lyon/api/v1/query?query=load');
    expect(inWords(away)).toBe('503 query_backend_away no replica of the backend can be reached: agent_away: the agent is not connected');
    expect(json(away)).toMatchObject({ status: 'error', errorType: 'unavailable' });
    await start('lyon');
    expect((await ask('/query/lyon/api/v1/query?query=load')).status).toBe(200);
  }, 2 * START_MS);

  it.each([
    ['that the agent does not have', 'unknown', 'service_unknown: the agent has no such service'],
    ['that is not open for queries', 'closed', "agent_denied: not on the agent's allow-list"],
  ])('is away where it is a service %s', async (_case, backend, why) => {
    expect(inWords(await ask(`/query/${backend}/api/v1/query?query=load`))).toBe(`503 query_backend_away no replica of the backend can be reached: ${why}`);
  });

  it('is reached with the headers of both, and with none of the tenant\'s', async () => {
    await ask('/query/canary/api/v1/query?query=load', { headers: { 'x-of-the-tenant': 'yes', cookie: 'x' } });
    const { method, url, headers } = canary.requests.at(-1) ?? {};
    expect([method, url]).toEqual(['POST', '/base/api/v1/query']);
    expect(headers).toMatchObject({ 'x-of-the-agent': 'yes', 'x-of-the-gateway': 'yes', 'user-agent': 'scrapeway', host: `127.0.0.1:${canary.port}` });
    expect(Object.keys(headers ?? {}).filter((name) => /tenant|cookie|authorization|^x-scrapeway|forwarded/.test(name))).toEqual([]);
  });

  it('that does not answer fails the query in time, with a reason, and the caller who goes away ends it', async () => {
    canary.behave({ kind: 'hang' }, '/base/api/v1/query');
    const late = await ask('/query/hasty/api/v1/query?query=load');
    expect([late.status, late.headers['x-scrapeway-reason'], json(late).errorType]).toEqual([503, 'query_timeout', 'timeout']);
    const abort = new AbortController();
    const before = canary.requests.length;
    const call = openRequest(request('/query/canary/api/v1/query?query=load', { signal: abort.signal })).catch(() => undefined);
    await eventually(() => expect(canary.requests.length).toBe(before + 1));
    abort.abort();
    await call;
    await eventually(() => expect(canary.requests.at(-1)?.outcome).toBe('cancelled'));
  });
});

describe('receivers behind agents', () => {
  it('an export arrives whole', async () => {
    const untilMs = Date.now();
    const expected = await dump(source.url, 'load{ns="a"}', startedMs - 1000, untilMs);
    expect(expected.size).toBe(50);
    await receiver.process.until('it has what the source has', async () => {
      const found = await dump(receiver.url, '{__name__=~".+"}', startedMs - 1000, untilMs);
      expect(new Map([...found].map(([labels, points]) => [labels.replace(',tenant=team-a', ''), points]))).toEqual(expected);
    }, { timeoutMs: 30_000, intervalMs: 300 });
  });

  it('a push reaches the Pushgateway, under the tenant\'s own group', async () => {
    const answer = await ask('/push/batch/metrics/job/nightly', { method: 'PUT', body: 'rows 7\n' });
    expect([answer.status, answer.body.toString()]).toEqual([200, '']);
    const { body } = await fetchRaw({ url: `${pushed.url}/metrics` });
    expect(body.toString()).toContain('rows{instance="",job="nightly",tenant="team-a"} 7');
  });
});

describe('a tenant who may scrape everything of the agent', () => {
  const seen = (): number => canary.requests.filter(({ url }) => url !== '/metrics').length;

  it('finds no service in service discovery', async () => {
    const found = (await ask('/sd')).body.toString('utf8');
    expect(found).toContain('"lyon"');
    expect(found).not.toMatch(/canary|prometheus"|receiver|pushgateway|service/);
  });

  it.each([
    '/scrape/lyon/canary', '/scrape/lyon/.service.canary', '/scrape/lyon/.service.canary/api/v1/query', '/scrape/lyon/%2eservice.canary', '/scrape/lyon/service.canary', '/scrape/lyon/.service.canary/base/api/v1/query',
    '/scrape/lyon/web/../.service.canary', '/scrape/lyon/web/api/v1/query', '/scrape/lyon/web/base/api/v1/query', '/scrape/.service.canary/web', '/scrape/lyon/.control',
    'http://canary.lyon.scrapeway/api/v1/query', 'http://.service.canary.lyon.scrapeway/api/v1/query', 'http://canary.lyon.scrapeway/base/api/v1/query', 'http://web.lyon.scrapeway/base/api/v1/query',
  ])('reaches none by %s', async (path) => {
    const before = seen();
    const stamps = { 'x-scrapeway-agent': 'lyon', 'x-scrapeway-service': 'canary', 'x-scrapeway-target': '.service.canary', 'x-scrapeway-tenant': '', 'x-scrapeway-path': '/api/v1/query', 'x-scrapeway-last': 'x' };
    const isProxied = path.startsWith('http:');
    const proxied = isProxied ? { target: path, headers: { ...stamps, host: new URL(path).host, 'proxy-authorization': AUTHORIZATION.authorization } } : { headers: stamps };
    for (const method of ['GET', 'POST']) {
      const { status } = await ask(isProxied ? '/' : path, { method, ...proxied });
      expect(status).toBeGreaterThanOrEqual(400);
    }
    expect(seen()).toBe(before);
  });

  it.each(['canary.lyon.scrapeway:80', '.service.canary.lyon.scrapeway:80', `.service.canary:80`])('reaches none by CONNECT %s', async (authority) => {
    const before = seen();
    const connected = await dialConnect({ port: gateway.ports.scrape, authority, headers: { 'proxy-authorization': AUTHORIZATION.authorization }, tls: { ca, servername: 'localhost' } });
    connected.socket.destroy();
    expect(connected.status).not.toBe(200);
    expect(seen()).toBe(before);
  });
});
