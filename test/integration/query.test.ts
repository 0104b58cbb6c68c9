import { execFile } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { QueryGrant } from '../../src/model/desired-state.js';
import { REASON_HEADER } from '../../src/model/reasons.js';
import { startPrometheus } from '../support/prometheus.js';
import type { RunningPrometheus } from '../support/prometheus.js';
import { queryState, startQueryDoor } from '../support/query-door.js';
import { createTempDir } from '../support/temp-dir.js';
import { TENANT_HEADER } from '../support/query-door.js';
import type { QueryDoor } from '../support/query-door.js';
import { binary } from '../support/binaries.js';
import type { HttpAnswer } from '../support/http.js';
import { remoteWrite } from '../conformance/promql/remote-write.js';
import type { Series } from '../conformance/promql/remote-write.js';
import { ADVERSARIAL_QUERIES, REFUSED_QUERIES } from './query-attacks.js';

/**
 * The query door before a real Prometheus that holds two tenants' series. A second Prometheus holds the own ones only: what the
 * door says of all must be what that one says.
 */

const END = Math.floor(Date.now() / 60_000) * 60;
/** Whatever is another's has one of these in it. */
const FOREIGN = /foreign|424242/;

function series(labels: Readonly<Record<string, string>>, value: (minute: number) => number): Series {
  return { labels, samples: Array.from({ length: 31 }, (_, index) => ({ timestampMs: (END - 1800 + 60 * index) * 1000, value: value(index) })), histograms: [] };
}

const OWN: readonly Series[] = [
  series({ __name__: 'x', ns: 'a', pod: '1', job: 'j' }, (minute) => minute),
  series({ __name__: 'x', ns: 'a', pod: '2', job: 'j' }, (minute) => 2 * minute),
  series({ __name__: 'y', ns: 'a', pod: '1', job: 'k' }, () => 7),
  series({ __name__: 'requests_total', ns: 'a', pod: '1', job: 'j' }, (minute) => 60 * minute),
  series({ __name__: 'odd', ns: 'a', path: 'a|b"c\\d\ne,f', job: 'j' }, () => 1),
  series({ __name__: 'buckets', ns: 'a', le: '1', job: 'j' }, (minute) => minute),
  series({ __name__: 'buckets', ns: 'a', le: '+Inf', job: 'j' }, (minute) => 2 * minute),
  { labels: { __name__: 'native', ns: 'a', job: 'j' }, samples: [], histograms: Array.from({ length: 31 }, (_, index) => ({ timestampMs: (END - 1800 + 60 * index) * 1000, buckets: [index, 2 * index], sum: index })) },
  series({ __name__: 'target_info', ns: 'a', job: 'j', version: '1' }, () => 1),
];
const FOREIGN_SERIES: readonly Series[] = [
  series({ __name__: 'x', ns: 'b', pod: 'foreign', job: 'foreign' }, () => 424242),
  series({ __name__: 'x', pod: 'foreign', job: 'j' }, () => 424242),
  series({ __name__: 'x', ns: 'a|b', pod: 'foreign', job: 'j' }, () => 424242),
  series({ __name__: 'secret', ns: 'b', token: 'foreign', job: 'j' }, () => 424242),
  series({ __name__: 'foreign_metric', ns: 'b', foreign_label: 'foreign', job: 'j' }, () => 424242),
  series({ __name__: 'target_info', ns: 'b', job: 'j', version: 'foreign', foreign_label: 'foreign' }, () => 1),
  series({ __name__: 'foreign.utf8', 'ns': 'b', 'foreign.label': 'foreign' }, () => 424242),
];

const BY_LABEL: readonly QueryGrant[] = [{ backends: ['main'], metrics: ['.*'], labels: { ns: 'a' } }];
const UNION: readonly QueryGrant[] = [{ backends: undefined, metrics: ['x{ns="a"}', 'y{job="k"}', '(requests|buck).*', 'odd', 'native', 'target_info{ns="a"}'], labels: { ns: 'a' } }, { backends: ['main'], metrics: ['{ns="a",pod=~".+"}', 'b{'], labels: {} }];

async function load(all: readonly Series[]): Promise<RunningPrometheus> {
  const server = await startPrometheus({ config: {}, args: ['--web.enable-remote-write-receiver'] });
  await remoteWrite(server.url, all);
  return server;
}

function text({ body }: HttpAnswer): string {
  return body.toString('utf8');
}

function json(answer: HttpAnswer): { readonly status: string; readonly data?: unknown; readonly errorType?: string; readonly error?: string } {
  return JSON.parse(text(answer));
}

/** Without what is no part of the result; in one order. */
function canonical(answer: HttpAnswer): unknown {
  const { status, data } = json(answer);
  if (typeof data !== 'object' || data === null || !('result' in data) || !('resultType' in data)) return { status, data };
  const { result, resultType } = data;
  return { status, resultType, result: Array.isArray(result) && resultType !== 'scalar' && resultType !== 'string' ? result.map((item) => JSON.stringify(item)).sort() : result };
}

describe('the query door', () => {
  let shared: RunningPrometheus;
  let own: RunningPrometheus;
  let door: QueryDoor;
  let direct: QueryDoor;

  beforeAll(async () => {
    [shared, own] = await Promise.all([load([...OWN, ...FOREIGN_SERIES]), load(OWN)]);
    const tenants = [
      { name: 'label', query: BY_LABEL },
      { name: 'union', query: UNION },
      { name: 'nothing', query: [{ backends: undefined, metrics: [], labels: {} }] },
      { name: 'other', query: [{ backends: ['other'], metrics: ['x'], labels: {} }] },
      { name: 'small', query: BY_LABEL, limits: { maxSteps: 10, maxQueryChars: 60, maxRangeMs: 3_600_000, maxDepth: 10, maxResponseBytes: 300 } },
    ];
    door = await startQueryDoor(queryState([{ name: 'main', url: shared.url }, { name: 'other', url: own.url }], tenants));
    // Everything that is there is one's own: the door itself, with nothing to hide.
    direct = await startQueryDoor(queryState([{ name: 'main', url: own.url }], [{ name: 'all', query: [{ backends: undefined, metrics: ['{__name__!=""}'], labels: {} }] }]));
  });
  afterAll(async () => {
    await Promise.all([door[Symbol.asyncDispose](), direct[Symbol.asyncDispose]()]);
    await Promise.all([shared.stop(), own.stop()]);
  });

  it('has before it a Prometheus that does hold what is foreign', async () => {
    expect((await shared.query('secret or foreign_metric')).length).toBe(2);
  });

  describe.each(['label', 'union'])('for the tenant "%s"', (tenant) => {
    let unsaid = 0;

    it.each(ADVERSARIAL_QUERIES)('says of %j what a server without the rest would say', async (query) => {
      const evaluations: readonly (readonly [string, Readonly<Record<string, string>>])[] = [
        ['query', { time: `${END}` }],
        ['query_range', { start: `${END - 900}`, end: `${END}`, step: '60' }],
      ];
      for (const [endpoint, times] of evaluations) {
        const through = await door.post(tenant, `/query/main/api/v1/${endpoint}`, { query, ...times });
        const wanted = await direct.post('all', `/query/main/api/v1/${endpoint}`, { query, ...times });
        if (through.headers[REASON_HEADER] === 'query_unenforceable' || through.headers[REASON_HEADER] === 'query_over_limit') {
          unsaid += 1;
          continue;
        }
        expect({ status: through.status, answer: canonical(through) }).toEqual({ status: wanted.status, answer: canonical(wanted) });
        if (!FOREIGN.test(query)) expect(text(through)).not.toMatch(FOREIGN);
      }
    });

    it('had to refuse hardly any of these', () => {
      expect(unsaid / ADVERSARIAL_QUERIES.length).toBeLessThan(tenant === 'label' ? 0.001 : 0.05);
    });

    it.each(REFUSED_QUERIES.map((query) => ({ query, title: JSON.stringify(query).slice(0, 60) })))('refuses $title', async ({ query }) => {
      const answer = await door.post(tenant, '/query/main/api/v1/query', { query });
      expect([400, 422]).toContain(answer.status);
      expect(json(answer).status).toBe('error');
    });

    it('lists its own series, labels and values only', async () => {
      const names = [...new Set(OWN.map(({ labels }) => labels.__name__ ?? ''))].sort();
      const values = (name: string): Promise<HttpAnswer> => door.ask(tenant, `/query/main/api/v1/label/${name}/values`);
      expect(json(await values('__name__')).data).toEqual(names);
      expect(json(await values('ns')).data).toEqual(['a']);
      expect(json(await values('pod')).data).toEqual(['1', '2']);
      expect(json(await values('token')).data).toEqual([]);
      expect(json(await values('U__foreign_2e_label')).data).toEqual([]);
      for (const method of ['GET', 'POST']) {
        expect(json(await door.ask(tenant, '/query/main/api/v1/labels', { method })).data).toEqual(['__name__', 'job', 'le', 'ns', 'path', 'pod', 'version']);
      }
      for (const match of ['{__name__=~".+"}', 'x', '{job="j"}', '{ns=~".*",__name__!=""}', '{ns!="b",job=~".+"}', 'secret', '{"foreign.utf8"}', '{"ns"="b"}', 'x{ns="b"}', '{token!=""}']) {
        const found = await door.post(tenant, '/query/main/api/v1/series', { 'match[]': match, start: `${END - 1800}` });
        const wanted = await direct.post('all', '/query/main/api/v1/series', { 'match[]': match, start: `${END - 1800}` });
        expect(sorted(json(found).data)).toEqual(sorted(json(wanted).data));
        expect(text(found)).not.toMatch(FOREIGN);
      }
    });

    it('federates its own series only', async () => {
      const all = await door.ask(tenant, '/query/main/federate');
      expect(all.status).toBe(200);
      expect(text(all)).toMatch(/^x\{.*ns="a"/m);
      expect(text(all)).not.toMatch(FOREIGN);
      expect(text(await door.ask(tenant, `/query/main/federate?match[]=${encodeURIComponent('{__name__=~"secret|foreign.*"}')}`))).toBe('');
    });
  });

  it('gives nothing to a tenant whose grants allow nothing', async () => {
    expect(json(await door.post('nothing', '/query/main/api/v1/query', { query: '{__name__!=""}' })).data).toMatchObject({ result: [] });
    expect(json(await door.ask('nothing', '/query/main/api/v1/labels')).data).toEqual([]);
  });

  it.each(['nobody', '', 'other'])('does not know "main" for "%s"', async (tenant) => {
    const answers = await Promise.all(['main', 'no-such'].map((backend) => door.ask(tenant, `/query/${backend}/api/v1/query?query=1`)));
    expect(new Set(answers.map(text)).size).toBe(1);
    expect(answers.map(({ status, headers }) => [status, headers[REASON_HEADER]])).toEqual([[403, 'query_no_backend'], [403, 'query_no_backend']]);
  });

  describe('as Grafana asks it', () => {
    it('answers health check, build information and form posts', async () => {
      expect(json(await door.post('label', '/query/main/api/v1/query', { query: '1+1', time: `${END}.123` })).data).toEqual({ resultType: 'scalar', result: [END + 0.123, '2'] });
      expect(json(await door.ask('label', '/query/main/api/v1/status/buildinfo')).data).toMatchObject({ goVersion: expect.stringMatching(/^go/) });
      const range = await door.post('label', '/query/main/api/v1/query_range', { query: 'sum(rate(requests_total[5m]))', start: `${END - 600}`, end: `${END}`, step: '60' });
      expect(json(range)).toMatchObject({ status: 'success', data: { resultType: 'matrix', result: [{ metric: {}, values: expect.any(Array) }] } });
      expect(range.headers['content-type']).toBe('application/json');
    });

    it('formats and parses', async () => {
      expect(json(await door.post('label', '/query/main/api/v1/format_query', { query: 'sum( x )' })).data).toBe('sum(x)');
      expect(json(await door.ask('label', '/query/main/api/v1/parse_query?query=x')).data).toMatchObject({ type: 'vectorSelector', name: 'x' });
    });

    it('is promtool', async () => {
      await using dir = await createTempDir();
      const client = dir.join('client.yml');
      await writeFile(client, JSON.stringify({ http_headers: { [TENANT_HEADER]: { values: ['label'] } } }));
      const server = `${door.url}/query/main`;
      for (const args of [['instant', server, 'count(x) or secret'], ['range', `--start=${END - 600}`, `--end=${END}`, server, 'x'], ['series', '--match=x', `--start=${END - 600}`, server], ['labels', server, 'pod']]) {
        const [kind = '', ...rest] = args;
        const { out, complaint } = await runPromtool(['query', kind, `--http.config.file=${client}`, ...rest]);
        expect([kind, complaint, out]).toEqual([kind, '', expect.stringMatching(/2/)]);
        expect(out).not.toMatch(FOREIGN);
      }
    });

    it('keeps warnings, infos and errors of the query', async () => {
      const info = await door.post('label', '/query/main/api/v1/query', { query: 'rate(x[5m])', time: `${END}` });
      expect(json(info)).toMatchObject({ infos: [expect.stringContaining('metric might not be a counter')] });
      const counted = await door.post('label', '/query/main/api/v1/query', { query: 'count_over_time(x[10m])', time: `${END}`, stats: 'all', limit: '1' });
      expect(json(counted)).toMatchObject({ warnings: ['results truncated due to limit'], data: { result: [expect.anything()], stats: { samples: { totalQueryableSamples: expect.any(Number) } } } });
      const failed = await door.post('label', '/query/main/api/v1/query', { query: 'x * on (job) x', time: `${END}` });
      expect([failed.status, json(failed).errorType]).toEqual([422, 'execution']);
      expect(json(failed).error).toContain('found duplicate series for the match group');
      expect(text(failed)).not.toMatch(FOREIGN);
    });
  });

  describe('reads a request in one way', () => {
    const OTHER = encodeURIComponent('secret');
    const form = { 'content-type': 'application/x-www-form-urlencoded' };

    it.each([
      ['a query in URL and body', `/query/main/api/v1/query?query=${OTHER}`, { method: 'POST', headers: form, body: 'query=secret' }],
      ['a parameter twice', `/query/main/api/v1/query?query=x&query=${OTHER}`, {}],
      ['match and match[]', '/query/main/api/v1/series?match=secret&match[]=secret&match%5B%5D={ns="b"}', {}],
      ['parameters of other products', '/query/main/api/v1/query?query=x&extra_filters[]={ns="b"}&extra_label=ns=b&dedup=0&partial_response=1&namespace=b', {}],
      ['headers of other products', '/query/main/api/v1/query?query=secret', { headers: { 'X-Scope-OrgID': 'b', 'X-Prom-Label-Policy': 'b:%7B%7D', 'THANOS-TENANT': 'b', 'x-tenant-namespace': 'b', 'x-scrapeway-tenant': 'b', connection: 'x-test-other' } }],
      ['an encoded path', `/query/main/api/v1/quer%79?query=${OTHER}`, {}],
    ])('%s', async (_, path, request) => {
      const answer = await door.ask('label', path, request);
      expect(answer.status).toBe(200);
      expect(text(answer)).not.toMatch(FOREIGN);
    });

    it.each([
      ['multipart', { method: 'POST', headers: { 'content-type': 'multipart/form-data; boundary=b' }, body: '--b\r\nContent-Disposition: form-data; name="query"\r\n\r\nsecret\r\n--b--\r\n' }],
      ['JSON', { method: 'POST', headers: { 'content-type': 'application/json' }, body: '{"query":"secret"}' }],
      ['a body of no type', { method: 'POST', body: 'query=secret' }],
      ['an encoded body', { method: 'POST', headers: { ...form, 'content-encoding': 'gzip' }, body: 'query=secret' }],
      ['another charset', { method: 'POST', headers: { 'content-type': 'application/x-www-form-urlencoded; charset=utf-16' }, body: 'query=secret' }],
      ['GET with a body', { method: 'GET', headers: { ...form, 'content-length': '12' }, body: 'query=secret' }],
      ['semicolons', { method: 'POST', headers: form, body: 'query=x;query=secret' }],
      ['bad escapes', { method: 'POST', headers: form, body: 'query=x&query=%zzsecret' }],
    ])('or not at all: %s', async (_, request) => {
      const answer = await door.ask('label', '/query/main/api/v1/query?query=x', request);
      expect([answer.status, answer.headers[REASON_HEADER], json(answer).errorType]).toEqual([400, 'query_malformed', 'bad_data']);
    });

    it.each(['/api/v1/targets/relabel_steps', '/api/v1/status/tsdb', '/api/v1/status/config', '/api/v1/admin/tsdb/snapshot', '/-/reload', '/-/quit', '/metrics', '/api/v1/write', '/api/v1/rules/', '/api/v1/../v1/query', '//api/v1/query'])('and knows no %s', async (path) => {
      for (const method of ['GET', 'POST']) {
        const answer = await door.ask('label', `/query/main${path}`, { method });
        expect([answer.status, answer.headers[REASON_HEADER]]).toEqual([404, 'query_no_endpoint']);
      }
    });

    it.each(['HEAD', 'PUT', 'DELETE', 'OPTIONS'])('and takes no %s', async (method) => {
      expect((await door.ask('label', '/query/main/api/v1/query?query=x', { method })).status).toBe(405);
    });
  });

  it.each([
    ['steps', 'query_range', { query: 'x', start: `${END - 600}`, end: `${END}`, step: '1' }],
    ['characters', 'query', { query: `x{pod="${'1'.repeat(60)}"}` }],
    ['range', 'query', { query: 'rate(x[2h])' }],
    ['depth', 'query', { query: `${'('.repeat(12)}x${')'.repeat(12)}` }],
    ['bytes of the answer', 'query_range', { query: 'x', start: `${END - 540}`, end: `${END}`, step: '60' }],
  ])('holds a tenant to its limit of %s', async (_, endpoint, form) => {
    const answer = await door.post('small', `/query/main/api/v1/${endpoint}`, form);
    expect([answer.status, answer.headers[REASON_HEADER], json(answer).errorType]).toEqual([422, 'query_over_limit', 'execution']);
  });

  it('reads no more of a body than a query can need', async () => {
    const answer = await door.post('small', '/query/main/api/v1/query', { query: 'x'.repeat(1_000_000) });
    expect([answer.status, answer.headers[REASON_HEADER]]).toEqual([422, 'query_over_limit']);
    expect(answer.headers.connection).toBe('close');
  });

  it('answers ranges from its cache as the backend would', async () => {
    const tenants = ['one', 'two'].map((name) => ({ name, query: BY_LABEL }));
    await using cached = await startQueryDoor(queryState([{ name: 'main', url: shared.url }], tenants), { maxBytes: 10_000_000, settleMs: 1 });
    const queries = ['x', 'sum by (pod) (rate(requests_total[5m]))', 'native', 'histogram_sum(native)', 'x > 20 or y', 'topk(1, x)', 'x @ end()', 'x[5m', 'absent(x offset 20m)', 'secret', '{job="j"}', 'rate(x[5m])', 'scalar(y)', '1'];
    const windows = [[1500, 900], [1200, 600], [1500, 300], [1200, 600], [1230, 630], [900, 0], [1800, 0], [1500, 900]];
    for (const [from = 0, to = 0] of windows) {
      for (const query of queries) {
        const form = { query, start: `${END - from}`, end: `${END - to}`, step: '60' };
        const path = '/query/main/api/v1/query_range';
        const [one, uncached] = [await cached.post('one', path, form), await door.post('label', path, form)];
        expect({ query, from, to, status: one.status, data: json(one).data }).toEqual({ query, from, to, status: uncached.status, data: json(uncached).data });
      }
    }
    const metrics = await cached.registry.metrics();
    const count = (result: string): number => Number(new RegExp(`scrapeway_query_cache_requests_total\\{result="${result}"\\} (\\d+)`).exec(metrics)?.[1]);
    expect(count('hit')).toBeGreaterThan(5);
    expect(count('partial')).toBeGreaterThan(10);
    const misses = count('miss');
    await cached.post('two', '/query/main/api/v1/query_range', { query: 'x', start: `${END - 1500}`, end: `${END - 900}`, step: '60' });
    expect(await cached.registry.metrics()).toContain(`scrapeway_query_cache_requests_total{result="miss"} ${misses + 1}`);
  });

  it('forgets a right at once', async () => {
    await using changing = await startQueryDoor(queryState([{ name: 'main', url: shared.url }], [{ name: 't', query: BY_LABEL }]));
    const found = async (): Promise<unknown> => json(await changing.post('t', '/query/main/api/v1/query', { query: 'count(x)', time: `${END}` })).data;
    expect(await found()).toMatchObject({ result: [{ value: [END, '2'] }] });
    changing.service.setState(queryState([{ name: 'main', url: shared.url }], [{ name: 't', query: [{ backends: undefined, metrics: ['x{pod="1"}'], labels: { ns: 'a' } }] }]));
    expect(await found()).toMatchObject({ result: [{ value: [END, '1'] }] });
  });
});

function sorted(data: unknown): unknown {
  return Array.isArray(data) ? data.map((item) => JSON.stringify(item)).sort() : data;
}

async function runPromtool(args: readonly string[]): Promise<{ readonly out: string; readonly complaint: string }> {
  const { stdout, stderr } = await promisify(execFile)(await binary('promtool'), [...args], { timeout: 20_000 });
  return { out: stdout, complaint: stderr };
}
