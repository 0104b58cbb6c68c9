import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { startExporter, textAnswer } from '../support/exporter.js';
import type { HttpAnswer } from '../support/http.js';
import { startPrometheus } from '../support/prometheus.js';
import { queryState, startQueryDoor } from '../support/query-door.js';
import type { QueryDoor } from '../support/query-door.js';

/** What a real Prometheus scrapes, and how it finds labels: of two tenants' targets each sees its own. */

const stack = new AsyncDisposableStack();
let door: QueryDoor;

const grant = (metrics: readonly string[], labels: Readonly<Record<string, string>> = {}) => [{ backends: undefined, metrics, labels }];

beforeAll(async () => {
  const exporter = stack.use(await startExporter({ behaviour: textAnswer('# HELP load Mine.\n# TYPE load gauge\nload 1\n# HELP secret Hidden.\n# TYPE secret gauge\nsecret{kind="foreign"} 3\n') }));
  const job = (ns: string) => ({ job_name: `job-${ns}`, params: { token: ['foreign'] }, static_configs: [{ targets: [`127.0.0.1:${exporter.port}`], labels: { ns } }] });
  const prometheus = stack.use(await startPrometheus({ config: { global: { scrape_interval: '1s', scrape_timeout: '1s' }, scrape_configs: [job('a'), job('foreign')] }, args: ['--enable-feature=search-api'] }));
  await prometheus.waitForUp(2);
  door = stack.use(await startQueryDoor(queryState([{ name: 'main', url: prometheus.url }], [
    { name: 'a', query: grant(['.*'], { ns: 'a' }) },
    { name: 'narrow', query: grant(['up', 'load'], { ns: 'a' }) },
    { name: 'without-up', query: grant(['load'], { ns: 'a' }) },
    { name: 'nothing', query: grant([]) },
  ])));
});
afterAll(async () => {
  await stack.disposeAsync();
});

async function data(tenant: string, path: string): Promise<unknown> {
  const answer = await door.ask(tenant, `/query/main/api/v1/${path}`);
  expect(answer.status).toBe(200);
  const { data: value }: { readonly data: unknown } = JSON.parse(answer.body.toString());
  return value;
}

describe('targets', () => {
  it.each(['', '?state=any', '?state=active', '?scrapePool=job-a'])('%s are those whose "up" the tenant may see', async (query) => {
    const value = await data('a', `targets${query}`);
    expect(value).toMatchObject({ activeTargets: [{ labels: { job: 'job-a', ns: 'a' }, discoveredLabels: {}, health: 'up', scrapePool: 'job-a' }], droppedTargets: [], droppedTargetCounts: {} });
    expect(JSON.stringify(value)).not.toContain('foreign');
  });

  it.each(['?state=dropped', '?scrapePool=job-foreign'])('%s are none', async (query) => {
    expect(await data('a', `targets${query}`)).toEqual({ activeTargets: [], droppedTargets: [], droppedTargetCounts: {} });
  });

  it('of whom "up" is not, are not, and neither are their pools', async () => {
    expect(await data('without-up', 'targets')).toMatchObject({ activeTargets: [] });
    expect(await data('without-up', 'scrape_pools')).toEqual({ scrapePools: [] });
    expect(await data('a', 'scrape_pools')).toEqual({ scrapePools: ['job-a'] });
  });

  it('have metadata of the metrics that the tenant may see of them', async () => {
    const names = async (tenant: string, query = ''): Promise<unknown> => data(tenant, `targets/metadata${query}`);
    expect(await names('narrow')).toEqual([{ target: expect.objectContaining({ ns: 'a' }), metric: 'load', type: 'gauge', help: 'Mine.', unit: '' }]);
    expect(await names('a', '?limit=1')).toHaveLength(1);
    expect(await names('a', '?match_target=' + encodeURIComponent('{ns="foreign"}'))).toEqual([]);
    expect(await names('narrow', '?metric=secret')).toEqual([]);
    expect(await names('a', '?metric=secret')).toHaveLength(1);
    expect(await names('nothing')).toEqual([]);
  });
});

describe('search', () => {
  const lines = ({ body }: HttpAnswer): readonly unknown[] => body.toString().trim().split('\n').map((line): unknown => JSON.parse(line));
  const end = { status: 'success', has_more: false };

  it.each([
    ['narrow', 'metric_names', [{ name: 'load' }, { name: 'up' }]],
    ['narrow', 'metric_names?search[]=secret', []],
    ['narrow', 'metric_names?match[]=secret', []],
    ['narrow', 'metric_names?include_metadata=true&search[]=load', [{ name: 'load' }]],
    ['narrow', 'label_names?search[]=kind', []],
    ['a', 'label_names?search[]=kind', [{ name: 'kind' }]],
    ['a', 'label_values?label=ns', [{ value: 'a' }]],
    ['a', 'label_values?label=ns&match[]={ns="foreign"}', []],
    ['nothing', 'label_values?label=ns', []],
  ])('by "%s" for %s', async (tenant, path, results) => {
    const found = lines(await door.ask(tenant, `/query/main/api/v1/search/${path}`));
    expect(found.slice(0, -1).flatMap((line) => Object.values(Object(line)).flat())).toEqual(results);
    expect(found.at(-1)).toEqual(end);
  });

  it.each(['label_values', 'label_names?sort_by=secret', 'metric_names?fuzz_threshold=x', 'metric_names?limit=-1', 'metric_names?match[]=('])('refuses %s', async (path) => {
    expect((await door.ask('a', `/query/main/api/v1/search/${path}`)).status).toBe(400);
  });
});
