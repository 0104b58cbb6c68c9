import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { request } from 'node:http';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { QueryGrant, QueryLimits } from '../../src/model/desired-state.js';
import { REASON_HEADER } from '../../src/model/reasons.js';
import { eventually } from '../support/eventually.js';
import { startExporter } from '../support/exporter.js';
import type { Behaviour, Exporter } from '../support/exporter.js';
import type { HttpAnswer } from '../support/http.js';
import { openRequest } from '../support/http.js';
import { freePort } from '../support/ports.js';
import { startPrometheus } from '../support/prometheus.js';
import type { RunningPrometheus } from '../support/prometheus.js';
import { queryState, startQueryDoor, TENANT_HEADER } from '../support/query-door.js';
import type { QueryDoor } from '../support/query-door.js';
import { createTempDir } from '../support/temp-dir.js';
import type { TempDir } from '../support/temp-dir.js';

/** Rules, alerts and metadata of a shared Prometheus; backends that fail in all the ways that backends do. */

const OWN: readonly QueryGrant[] = [{ backends: undefined, metrics: ['.*'], labels: { ns: 'a' } }];

function json(answer: HttpAnswer): { readonly data?: unknown; readonly errorType?: string; readonly error?: string } {
  return JSON.parse(answer.body.toString('utf8'));
}

const RULES = {
  groups: [
    { name: 'mixed', rules: [
      { alert: 'OwnDown', expr: 'up{ns="a"} < 2', labels: { severity: 'page' }, annotations: { summary: 'value {{ $value }}' } },
      { alert: 'AnyDown', expr: 'up < 2', annotations: { summary: 'foreign text' } },
      { alert: 'ForeignDown', expr: 'up{ns="b"} < 2', labels: { severity: 'foreign' } },
      { alert: 'Asks', expr: 'up{ns="a"} < 2', annotations: { summary: '{{ with query "foreign_metric" }}{{ . | first | value }}{{ end }}' } },
      { record: 'own:sum', expr: 'sum(own_metric{ns="a"})' },
      { record: 'foreign:sum', expr: 'sum(foreign_metric)' },
    ] },
    { name: 'foreign_group', rules: [{ record: 'foreign:max', expr: 'max(foreign_metric)' }] },
    { name: 'own_group', rules: [{ record: 'own:max', expr: 'max(own_metric{ns="a"})' }] },
  ],
};

describe('rules, alerts and metadata', () => {
  let files: TempDir;
  let exporters: readonly Exporter[];
  let prometheus: RunningPrometheus;
  let door: QueryDoor;

  beforeAll(async () => {
    files = await createTempDir();
    const ruleFile = files.join('rules.yml');
    await writeFile(ruleFile, JSON.stringify(RULES));
    exporters = await Promise.all([
      '# HELP own_metric Ours.\n# TYPE own_metric gauge\nown_metric 1\n# HELP shared Help of a.\n# TYPE shared counter\nshared_total 1 # {trace_id="own"} 1.0\n# HELP h Times.\n# TYPE h histogram\nh_bucket{le="+Inf"} 1\nh_sum 1\nh_count 1\n# EOF\n',
      '# HELP foreign_metric A foreign help.\n# TYPE foreign_metric gauge\nforeign_metric 424242\n# HELP shared A foreign help.\n# TYPE shared counter\nshared_total 424242 # {trace_id="foreign"} 1.0\n# EOF\n',
    ].map((body) => startExporter({ behaviour: { kind: 'answer', headers: { 'content-type': 'application/openmetrics-text; version=1.0.0; charset=utf-8' }, body: Buffer.from(body) } })));
    const [a, b] = exporters;
    const targets = [{ targets: [`127.0.0.1:${a?.port}`], labels: { ns: 'a' } }, { targets: [`127.0.0.1:${b?.port}`], labels: { ns: 'b' } }];
    const config = { global: { scrape_interval: '1s', evaluation_interval: '1s' }, rule_files: [ruleFile], scrape_configs: [{ job_name: 'all', static_configs: targets }] };
    prometheus = await startPrometheus({ config, args: ['--web.external-url=http://prometheus.example/deep/prefix/', '--web.route-prefix=/', '--enable-feature=exemplar-storage'] });
    door = await startQueryDoor(queryState([{ name: 'main', url: `${prometheus.url}/` }], [{ name: 't', query: OWN }]));
    await prometheus.waitForUp(2);
    await eventually(async () => expect((await prometheus.query('ALERTS{alertname="AnyDown"}')).length).toBe(2), { timeoutMs: 20_000 });
  });
  afterAll(async () => {
    await door[Symbol.asyncDispose]();
    await prometheus.stop();
    await Promise.all(exporters.map((exporter) => exporter.close()));
    await files[Symbol.asyncDispose]();
  });

  it('shows rules that ask for own series only', async () => {
    const answer = await door.ask('t', '/query/main/api/v1/rules');
    expect(json(answer).data).toMatchObject({ groups: [
      { name: 'mixed', rules: [{ name: 'OwnDown', alerts: [{ labels: { ns: 'a' }, annotations: { summary: 'value 1' } }] }, { name: 'own:sum', type: 'recording' }] },
      { name: 'own_group', rules: [{ name: 'own:max' }] },
    ] });
    expect(answer.body.toString('utf8')).not.toMatch(/foreign|424242/);
  });

  it('selects and pages rules', async () => {
    const groups = async (query: string): Promise<unknown> => json(await door.ask('t', `/query/main/api/v1/rules?${query}`)).data;
    expect(await groups('type=record&rule_group[]=mixed')).toMatchObject({ groups: [{ rules: [{ name: 'own:sum' }] }] });
    expect(await groups('match[]={severity="page"}')).toMatchObject({ groups: [{ rules: [{ name: 'OwnDown' }] }] });
    expect(await groups('exclude_alerts=true&rule_name[]=OwnDown')).toMatchObject({ groups: [{ rules: [{ alerts: [] }] }] });
    const first = await groups('group_limit=1');
    expect(first).toMatchObject({ groups: [{ name: 'mixed' }], groupNextToken: expect.any(String) });
    const token = typeof first === 'object' && first !== null && 'groupNextToken' in first ? String(first.groupNextToken) : '';
    expect(await groups(`group_limit=1&group_next_token=${token}`)).toEqual({ groups: [expect.objectContaining({ name: 'own_group' })] });
  });

  it('shows alerts whose series the tenant could ask for, with no more than these say', async () => {
    const answer = await door.ask('t', '/query/main/api/v1/alerts');
    const alert = (alertname: string, parts: object): unknown => expect.objectContaining({ state: 'firing', labels: expect.objectContaining({ alertname, ns: 'a' }), ...parts });
    expect(json(answer).data).toEqual({ alerts: [
      alert('OwnDown', { annotations: { summary: 'value 1' } }), alert('AnyDown', { annotations: {} }), alert('Asks', { annotations: {} }),
    ] });
    expect(answer.body.toString('utf8')).not.toMatch(/foreign|424242/);
  });

  it('tells what own metrics are, and of shared ones not what others say', async () => {
    const metadata = async (query = ''): Promise<unknown> => json(await door.ask('t', `/query/main/api/v1/metadata${query}`)).data;
    expect(await metadata()).toEqual({
      own_metric: [{ type: 'gauge', help: 'Ours.', unit: '' }],
      shared: [{ type: 'counter', help: '', unit: '' }],
      h: [{ type: 'histogram', help: 'Times.', unit: '' }],
    });
    expect(await metadata('?metric=foreign_metric')).toEqual({});
    expect(await metadata('?metric=own_metric&limit=1')).toHaveProperty('own_metric');
  });

  it.each(['shared_total', '{__name__=~".+"}', 'rate(shared_total[1m]) or shared_total{ns!="x"}'])('gives the exemplars of own series only: %s', async (text) => {
    const answer = await door.post('t', '/query/main/api/v1/query_exemplars', { query: text, start: `${Date.now() / 1000 - 600}`, end: `${Date.now() / 1000}` });
    expect(json(answer).data).toEqual([{ seriesLabels: expect.objectContaining({ ns: 'a' }), exemplars: [expect.objectContaining({ labels: { trace_id: 'own' } })] }]);
  });

  it.each(['shared_total{ns="b"}', 'foreign_metric or shared_total{ns="b"}'])('gives no other exemplars: %s', async (text) => {
    const answer = await door.post('t', '/query/main/api/v1/query_exemplars', { query: text, start: `${Date.now() / 1000 - 600}`, end: `${Date.now() / 1000}` });
    expect([answer.status, json(answer).data]).toEqual([200, []]);
  });

  it('gives none for a query without selectors, in the words of Prometheus', async () => {
    const answer = await door.post('t', '/query/main/api/v1/query_exemplars', { query: '1 + 1', start: '0', end: '1' });
    expect([answer.status, answer.body.length]).toEqual([204, 0]);
  });

  it('says so when the backend is away', async () => {
    const dead = `http://127.0.0.1:${await freePort()}`;
    await using alone = await startQueryDoor(queryState([{ name: 'main', url: dead }], [{ name: 't', query: OWN }]));
    const answer = await alone.post('t', '/query/main/api/v1/query', { query: '1+1' });
    expect([answer.status, answer.headers[REASON_HEADER], json(answer).errorType]).toEqual([503, 'query_backend_away', 'unavailable']);
    expect(await alone.registry.metrics()).toMatch(/scrapeway_query_backend_failures_total [1-9]/);
  });
});

const HUGE = Buffer.alloc(100_000, 'x');
const JSON_HEAD = { 'content-type': 'application/json' };

function apiError(status: number, errorType: string, error: string): Behaviour {
  return { kind: 'answer', status, headers: JSON_HEAD, body: Buffer.from(JSON.stringify({ status: 'error', errorType, error, data: 'foreign' })) };
}

describe('a backend that misbehaves', () => {
  async function withBackend(behaviour: Behaviour, limits: QueryLimits, run: (door: QueryDoor, backend: Exporter) => Promise<void>): Promise<void> {
    await using backend = await startExporter({ behaviour });
    const grants = [{ name: 't', query: OWN, limits }, { name: 'u', query: OWN, limits }];
    await using door = await startQueryDoor(queryState([{ name: 'main', url: `http://127.0.0.1:${backend.port}/some/prefix/`, headers: { authorization: 'Bearer ours' } }], grants));
    await run(door, backend);
  }
  const query = (door: QueryDoor, tenant = 't', signal?: AbortSignal): Promise<HttpAnswer> =>
    door.ask(tenant, '/query/main/api/v1/query?query=x', { headers: { authorization: 'Bearer theirs', cookie: 'c' }, ...(signal === undefined ? {} : { signal }) });

  it.each([
    ['its own error', apiError(422, 'execution', 'expanding series: cannot open /foreign/block'), 422, undefined, 'the query failed in the backend'],
    ['a refusal with foreign names', apiError(400, 'bad_data', 'no such tenant foreign'), 400, undefined, 'the backend does not accept the query'],
    ['an error of the evaluation', apiError(422, 'execution', 'multiple matches for labels: many-to-one matching must be explicit (group_left/group_right)'), 422, undefined, 'multiple matches for labels'],
    ['a time-out', apiError(503, 'timeout', 'query timed out in expression evaluation'), 503, undefined, 'query timed out in expression evaluation'],
    ['an unknown type of error', apiError(400, 'foreign', 'foreign'), 502, 'query_backend_failed', 'the backend failed'],
    ['a login page', { kind: 'answer', headers: { 'content-type': 'text/html' }, body: Buffer.from('<p>foreign') }, 502, 'query_backend_failed', 'the backend failed'],
    ['a redirect', { kind: 'answer', status: 302, headers: { location: 'http://foreign.example/' }, body: Buffer.from('') }, 502, 'query_backend_failed', 'the backend failed'],
    ['401', { kind: 'answer', status: 401, body: Buffer.from('foreign') }, 502, 'query_backend_failed', 'the backend failed'],
    ['still starting', { kind: 'answer', status: 503, headers: { 'content-type': 'text/plain' }, body: Buffer.from('foreign') }, 503, 'query_backend_away', 'no replica'],
    ['no HTTP', { kind: 'garbage', bytes: Buffer.from('foreign\r\n\r\n') }, 503, 'query_backend_away', 'no replica'],
    ['a reset', { kind: 'reset' }, 503, 'query_backend_away', 'no replica'],
    ['silence', { kind: 'hang' }, 503, 'query_timeout', 'did not answer in time'],
  ] as const)('%s', async (_, behaviour, status, reason, message) => {
    await withBackend(behaviour, { timeoutMs: 500 }, async (door) => {
      const answer = await query(door);
      expect([answer.status, answer.headers[REASON_HEADER]]).toEqual([status, reason]);
      expect(json(answer)).toMatchObject({ status: 'error', error: expect.stringContaining(message) });
      expect(answer.body.toString('utf8')).not.toMatch(/foreign|127\.0\.0\.1/);
    });
  });

  it('gets our credentials and none of the caller\'s', async () => {
    await withBackend({ kind: 'answer', headers: { ...JSON_HEAD, 'set-cookie': 'foreign', 'x-foreign': '1' }, body: Buffer.from('{"status":"success"}') }, {}, async (door, backend) => {
      const answer = await query(door);
      expect(answer.status).toBe(200);
      expect(Object.keys(answer.headers)).toEqual(['content-type', 'content-length', 'date', 'connection']);
      const [asked] = backend.requests;
      expect(asked).toMatchObject({ method: 'POST', url: '/some/prefix/api/v1/query', headers: { authorization: 'Bearer ours' } });
      expect(asked?.headers).not.toHaveProperty('cookie');
    });
  });

  it.each([
    ['breaks off', { kind: 'break-off', body: HUGE, afterBytes: 50_000 }],
    ['never ends', { kind: 'flood' }],
  ] as const)('and whose answer %s is never passed on as whole', async (_, behaviour) => {
    await using backend = await startExporter({ behaviour });
    await using door = await startQueryDoor(queryState([{ name: 'main', url: `http://127.0.0.1:${backend.port}` }], [{ name: 't', query: [{ backends: undefined, metrics: ['up'], labels: {} }], limits: { maxResponseBytes: 1_000_000, timeoutMs: 5000 } }]));
    await expect(door.ask('t', '/query/main/federate').then(({ status }) => status === 200)).rejects.toThrow();
    const [, bytes] = /^scrapeway_query_response_bytes_total (\d+)$/m.exec(await door.registry.metrics()) ?? [];
    expect(Number(bytes)).toBeGreaterThan(0);
    expect(Number(bytes)).toBeLessThanOrEqual(1_000_000);
  });

  it('is told when the caller has gone', async () => {
    await withBackend({ kind: 'hang' }, {}, async (door, backend) => {
      const abort = new AbortController();
      const asked = query(door, 't', abort.signal);
      await eventually(() => expect(backend.requests).toHaveLength(1));
      abort.abort();
      await expect(asked).rejects.toThrow();
      await eventually(() => expect(backend.requests[0]?.outcome).toBe('cancelled'));
      await eventually(async () => expect(await door.registry.metrics()).toContain('scrapeway_query_requests_total{endpoint="/api/v1/query",outcome="cancelled"} 1'));
    });
  });

  it('loses a query whose rights are taken away, and keeps those of others', async () => {
    await withBackend({ kind: 'hang' }, { timeoutMs: 1000 }, async (door, backend) => {
      const [revoked, other] = [query(door), query(door, 'u')];
      await eventually(() => expect(backend.requests).toHaveLength(2));
      door.service.setState(queryState([{ name: 'main', url: `http://127.0.0.1:${backend.port}/some/prefix/`, headers: { authorization: 'Bearer ours' } }], [{ name: 't', query: [] }, { name: 'u', query: OWN }]));
      expect([(await revoked).status, (await revoked).headers[REASON_HEADER]]).toEqual([403, 'query_no_backend']);
      expect((await other).headers[REASON_HEADER]).toBe('query_timeout');
    });
  });

  it('counts rights from the end of a slow request, not from its beginning', async () => {
    await withBackend({ kind: 'hang' }, { timeoutMs: 300 }, async (door, backend) => {
      const { port } = new URL(door.url);
      const slow = request({ port, method: 'POST', path: '/query/main/api/v1/query', headers: { [TENANT_HEADER]: 't', 'content-type': 'application/x-www-form-urlencoded', expect: '100-continue' } });
      const answered = once(slow, 'response');
      slow.write('query=');
      await once(slow, 'continue');
      door.service.setState(queryState([{ name: 'main', url: `http://127.0.0.1:${backend.port}` }], []));
      slow.end('x');
      const [answer] = await answered;
      expect([answer.statusCode, answer.headers[REASON_HEADER]]).toEqual([403, 'query_no_backend']);
      expect(backend.requests).toHaveLength(0);
      answer.resume();
    });
  });

  it('holds up its tenant only: so many queries at once, some in line, no more', async () => {
    await withBackend({ kind: 'hang' }, { maxConcurrent: 1, timeoutMs: 1000 }, async (door, backend) => {
      const answers = Array.from({ length: 6 }, () => query(door));
      const busy = await Promise.any(answers.map(async (answer) => ((await answer).status === 429 ? answer : Promise.reject(new Error('not this one')))));
      expect([busy.headers[REASON_HEADER], busy.headers['retry-after'], json(busy).errorType]).toEqual(['query_busy', '1', 'too_many_requests']);
      expect(backend.requests).toHaveLength(1);
      const other = query(door, 'u');
      await eventually(() => expect(backend.requests).toHaveLength(2));
      expect((await Promise.all([...answers, other])).map(({ status }) => status).sort()).toEqual([429, 503, 503, 503, 503, 503, 503]);
    });
  });

  it('survives callers that go away at any moment', async () => {
    await withBackend({ kind: 'flood', totalBytes: 3_000_000 }, {}, async (door) => {
      await Promise.all(Array.from({ length: 60 }, async (_, index) => {
        const abort = new AbortController();
        const answer = await openRequest({ url: door.url, target: '/query/main/federate', headers: { [TENANT_HEADER]: 't' }, signal: abort.signal }).catch(() => undefined);
        answer?.on('error', () => {});
        for (let piece = 0; piece < index % 7 && answer !== undefined; piece += 1) await once(answer, 'data');
        abort.abort();
      }));
      await eventually(async () => expect(await door.registry.metrics()).toMatch(/scrapeway_query_in_flight 0\n/));
      expect((await query(door, 'nobody')).status).toBe(403);
    });
  });

  it('streams: the head is there before the end', async () => {
    await withBackend({ kind: 'flood' }, {}, async (door) => {
      const answer = await openRequest({ url: door.url, target: '/query/main/federate', headers: { 'x-test-tenant': 't' } });
      answer.on('error', () => {});
      await once(answer, 'data');
      expect(answer.statusCode).toBe(200);
      answer.destroy();
    });
  });
});
