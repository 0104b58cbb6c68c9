import { describe, expect, it } from '@jest/globals';
import { desiredState } from '../../test/support/desired-state.js';
import type { Backend, QueryGrant, QueryLimits } from '../model/desired-state.js';
import type { Plan } from './endpoint.js';
import { viewOf } from './grants.js';
import type { Refusal } from './refusal.js';
import { formOf, isAllowed, routeOf } from './route.js';

/** What the backend is asked instead of what the caller asked: the whole pure part, from URL and body to plan. */

function grant(metrics: readonly string[], labels: Readonly<Record<string, string>> = {}): QueryGrant {
  return { backends: undefined, metrics, labels };
}

const OWN = [grant(['.*'], { ns: 'a' })];
const UNION = [grant(['x{ns="a"}', 'y{ns="b"}'])];

interface Asked {
  readonly body?: string;
  readonly grants?: readonly QueryGrant[];
  readonly limits?: QueryLimits;
  readonly union?: Backend['union'];
}

function plan(url: string, { body = '', grants = OWN, limits = {}, union }: Asked = {}): Plan | Refusal | 'no endpoint' {
  const state = {
    ...desiredState({ tenants: [{ name: 't', query: grants, limits: { requestsPerSecond: 1, burst: 1, query: limits } }] }),
    backends: [{ name: 'main', url: 'http://prometheus.example:9090', timeoutMs: 300_000, union }],
  };
  const route = routeOf(`/query/main${url}`);
  const view = viewOf(state, 't', 'main');
  if (view === undefined) throw new Error('no view');
  if (route?.endpoint === undefined) return 'no endpoint';
  const form = formOf(Buffer.from(body), route.query);
  const made = form.ok ? route.endpoint.plan({ ...view, form: form.value, json: undefined, message: undefined, segment: route.segment }) : form;
  return made.ok ? made.value : made.error;
}

/** The value of each parameter that leaves, repeated ones as a list; the reason where nothing leaves. */
function leaving(url: string, asked: Asked = {}): unknown {
  const made = plan(url, asked);
  if (made === 'no endpoint') return made;
  if ('reason' in made) return made.reason;
  if (made.kind !== 'forward') return made.kind === 'answer' ? JSON.parse(made.reply.body) : made.kind;
  return Object.fromEntries(Object.entries(Object.groupBy(made.request.parameters, ([name]) => name)).map(([name, pairs = []]) => [name, pairs.length > 1 ? pairs.map(([, value]) => value) : pairs[0]?.[1]]));
}

describe('the table', () => {
  it.each([
    '/api/v1/write', '/api/v1/otlp/v1/metrics', '/api/v1/admin/tsdb/delete_series', '/api/v1/targets/', '/api/v1/targets/relabel_steps', '/api/v1/scrape_pools/config', '/api/v1/status/config', '/api/v1/status/tsdb',
    '/api/v1/status/flags', '/api/v1/notifications', '/-/reload', '/-/quit', '/metrics', '/debug/pprof/heap', '/graph', '/', '/api/v1/search/metrics',
    '/api/v1//query', '//api/v1/query', '/api/v1/query/', '/api/v1/./query', '/api/v1/x/../query', '/api/v1/%2e%2e/v1/query', '/api%2fv1/query', '/api/v1/rules/', '/api/v1/alerts/', '/api/v1/QUERY',
    '/api/v1/label/../values', '/api/v1/label/%2e%2e/values', '/api/v1/label/a%2fb/values', '/api/v1/label//values', '/api/v1/quer%2579', '/api/v1/query%00', '/api/v1/query;x', '/api/v1/quer%ff',
  ])('does not have %s', (path) => {
    expect(plan(`${path}?query=up`)).toBe('no endpoint');
  });

  it('knows a path however it is encoded, once', () => {
    expect(leaving('/api/v1/quer%79?query=up')).toMatchObject({ query: 'up{ns="a"}' });
  });

  it.each(['PUT', 'DELETE', 'HEAD', 'OPTIONS', 'PATCH', 'get'])('takes no %s', (method) => {
    const endpoint = routeOf('/query/main/api/v1/query')?.endpoint;
    expect(endpoint !== undefined && isAllowed(endpoint, method)).toBe(false);
  });

  it('answers for health itself', () => {
    expect(plan('/-/healthy')).toMatchObject({ kind: 'answer', reply: { status: 200 } });
    expect(plan('/-/ready')).toMatchObject({ kind: 'answer', reply: { status: 200 } });
  });
});

describe('parameters', () => {
  it('are those of the body before those of the URL, and of several the first', () => {
    expect(leaving('/api/v1/query?query=from_url', { body: 'query=from_body&query=second' })).toMatchObject({ query: 'from_body{ns="a"}' });
    expect(leaving('/api/v1/query?query=one&query=two')).toMatchObject({ query: 'one{ns="a"}' });
  });

  it('leave only where they are known', () => {
    const extra = 'extra_filters[]={ns="b"}&extra_label=ns%3Db&dedup=false&partial_response=true&storeMatch[]={a="b"}&max_source_resolution=1h&namespace=b&match[]=secret&debug=true';
    expect(leaving(`/api/v1/query?query=up&${extra}`)).toEqual({ query: 'up{ns="a"}', timeout: '120' });
    expect(leaving('/api/v1/labels?match=secret&match%5B%5D=up')).toEqual({ 'match[]': 'up{ns="a"}' });
  });

  it.each(['query=a;query=b', 'query=%zz', 'query=%', 'query=%ff', 'query=up&x=1;y', `${'a=1&'.repeat(1001)}query=up`])('that servers read in different ways are refused: %.30s', (query) => {
    expect(leaving(`/api/v1/query?${query}`)).toBe('query_malformed');
  });

  it.each(['time=x', 'time=NaN', 'time=0x10', 'time=1e300', 'timeout=0', 'timeout=-1s', 'limit=-1', 'limit=1.5', 'lookback_delta=x', 'time=2020-01-01', 'timeout=1x'])('that are unreadable are refused: %s', (parameter) => {
    expect(leaving(`/api/v1/query?query=up&${parameter}`)).toBe('query_malformed');
  });

  it('get the shorter of both timeouts', () => {
    expect(leaving('/api/v1/query?query=1&timeout=5s')).toMatchObject({ timeout: '5' });
    expect(leaving('/api/v1/query?query=1&timeout=1h', { limits: { timeoutMs: 2000 } })).toMatchObject({ timeout: '2' });
  });
});

describe('queries', () => {
  it('without selectors pass', () => {
    expect(leaving('/api/v1/query', { body: 'query=1%2B1&time=1700000000.123' })).toEqual({ query: '1 + 1', time: '1700000000.123', timeout: '120' });
  });

  it('are restricted in each selector', () => {
    expect(leaving('/api/v1/query_range?start=0&end=60&step=15s&query=topk(scalar(secret),up)')).toMatchObject({ query: 'topk(scalar(secret{ns="a"}), up{ns="a"})', start: '0', end: '60', step: '15s' });
    expect(leaving('/api/v1/query_exemplars?start=0&end=60&query=up')).toEqual({ query: 'up{ns="a"}', start: '0', end: '60' });
  });

  it.each([
    ['query=info(up)', 'query_invalid'],
    ['query={job="j"}[5m]', 'query_unenforceable'],
    ['query=up{', 'query_invalid'],
    ['query=', 'query_invalid'],
    ['', 'query_invalid'],
  ])('that cannot be are refused: %s', (query, reason) => {
    expect(leaving(`/api/v1/query?${query}`, { grants: UNION })).toBe(reason);
  });

  it.each([
    ['maxQueryChars', '/api/v1/query?query=sum(up)', { maxQueryChars: 6 }],
    ['maxDepth', '/api/v1/query?query=((((((up))))))', { maxDepth: 5 }],
    ['maxBranches', '/api/v1/query?query={__name__!=""}', { maxBranches: 1 }],
    ['maxRangeMs', '/api/v1/query?query=rate(up[1h])', { maxRangeMs: 3_599_000 }],
    ['maxRangeMs', '/api/v1/query?query=max_over_time(rate(up[30m])[31m:1m])', { maxRangeMs: 3_600_000 }],
    ['maxRangeMs', '/api/v1/query_range?query=up&start=0&end=3601&step=60', { maxRangeMs: 3_600_000 }],
    ['maxSteps', '/api/v1/query_range?query=up&start=0&end=100&step=1', { maxSteps: 100 }],
    ['maxSteps', '/api/v1/query?query=max_over_time(up[1000s:1s])', { maxSteps: 999 }],
  ] as const)('are held to %s: %s', (_, url, limits) => {
    expect(leaving(url, { limits, grants: UNION })).toBe('query_over_limit');
    const limited = leaving(url, { grants: UNION });
    expect(limited).not.toBe('query_over_limit');
  });
});

describe('rules beside the query', () => {
  const asked = { union: 'extra_filters' } as const;

  it('go with every query, and are never none', () => {
    expect(leaving('/api/v1/query?query=a%20or%20{job="j"}[5m:]', { ...asked, grants: UNION })).toBe('query_invalid');
    expect(leaving('/api/v1/query?query=sum({job="j"})%23&extra_filters[]={}&extra_filters={}&extra_label=a=b', { ...asked, grants: UNION })).toEqual({ query: 'sum({job="j"})', 'extra_filters[]': ['{ns="a",__name__="x"}', '{ns="b",__name__="y"}'], timeout: '120' });
    expect(leaving('/api/v1/query?query=x', { ...asked, grants: [grant([])] })).toMatchObject({ 'extra_filters[]': '{__scrapeway_denied__="1",__scrapeway_denied__="2"}' });
  });

  it('are not needed where there are selectors of their own', () => {
    expect(leaving('/api/v1/labels', asked)).toEqual({ 'match[]': '{ns="a"}' });
  });
});

describe('match[]', () => {
  it('is there even if nobody gave one', () => {
    for (const url of ['/api/v1/labels', '/api/v1/label/pod/values', '/federate']) expect(leaving(url)).toEqual({ 'match[]': '{ns="a"}' });
    expect(leaving('/api/v1/series')).toBe('query_malformed');
  });

  it('is each selector with each rule', () => {
    expect(leaving('/federate?match[]={job="j"}', { grants: UNION })).toEqual({ 'match[]': ['{job="j",__name__="x",ns="a"}', '{job="j",__name__="y",ns="b"}'].map((text) => expect.stringContaining(text.slice(0, 9))) });
    expect(leaving('/api/v1/series?match[]=x&match[]=y', { grants: UNION })).toEqual({ 'match[]': ['x{ns="a"}', 'y{ns="b"}'] });
  });

  it('selecting nothing is answered here: no selector at all would mean everything', () => {
    for (const url of ['/api/v1/series', '/api/v1/labels', '/api/v1/label/pod/values']) expect(leaving(`${url}?match[]=secret`, { grants: UNION })).toEqual({ status: 'success', data: [] });
    expect(plan('/federate?match[]=secret', { grants: UNION })).toMatchObject({ kind: 'answer', reply: { body: '' } });
    expect(leaving('/api/v1/labels', { grants: [grant([])] })).toEqual({ status: 'success', data: [] });
  });

  it.each(['{}', 'up offset 5m', 'up @ 5', 'up[5m]', 'sum(up)', 'a or b', '{ns=~".*"}', 'up{'])('%s is none', (match) => {
    expect(leaving(`/api/v1/series?match[]=${encodeURIComponent(match)}`)).toBe('query_invalid');
  });
});

describe('work that a few characters can make', () => {
  const many = (count: number, text: (index: number) => string): readonly string[] => Array.from({ length: count }, (_, index) => text(index));
  const heavy = (index: number): string => `x{a=~"(b{30}c{30}){20}${index}"}`;
  /** As a balanced tree: not deep. */
  const sum = (terms: readonly string[]): string => (terms.length < 2 ? terms.join('') : `(${sum(terms.slice(0, terms.length / 2))}+${sum(terms.slice(terms.length / 2))})`);
  const query = (text: string): string => `query=${encodeURIComponent(text)}`;
  const matches = (texts: readonly string[]): string => texts.map((text) => `match[]=${encodeURIComponent(text)}`).join('&');

  it.each<[name: string, url: string, body: string]>([
    ['one regular expression of hundreds of thousands', '/api/v1/query', query(`x{a=~"${'b{990}'.repeat(300)}"}`)],
    ['a thousand that are not small', '/api/v1/query', query(sum(many(1000, heavy)))],
    ['as many, as selectors', '/api/v1/series', matches(many(199, (index) => `x{a=~"(b{30}c{30}){20}(d{99}){2}${index}"}`))],
    ['thousands of selectors', '/api/v1/query', query(sum(many(5000, () => 'x')))],
    ['one of thousands of matchers', '/api/v1/query', query(`x{${many(5000, (index) => `l${index}="1"`).join(',')}}`)],
    ['hundreds of selectors', '/api/v1/series', matches(many(500, (index) => `x${index}`))],
    ['selectors that are longer than a query together', '/api/v1/series', matches(many(10, () => `x{a="${'b'.repeat(20_000)}"}`))],
    ['as conditions on rules', '/api/v1/rules?' + matches(many(199, (index) => `x{a=~"(b{30}c{30}){20}(d{99}){2}${index}"}`)), ''],
  ])('is refused before it is done: %s', (_name, url, body) => {
    expect(leaving(url, { body })).toBe('query_over_limit');
  });

  it('is done where a dashboard asks for it: a list of a thousand pods', () => {
    const pods = many(1000, (index) => String.raw`web-7d9f8b6c5d-${index}\\.eu.*`).join('|');
    expect(leaving('/api/v1/query', { body: query(`sum(rate(x{pod=~"${pods}"}[5m])) / sum(rate(y{pod=~"${pods}"}[5m]))`) })).toMatchObject({ query: expect.stringContaining('ns="a"') });
  });
});
