import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { hash } from '@node-rs/bcrypt';
import { startPrometheus } from '../support/prometheus.js';
import { eventually } from '../support/eventually.js';
import { PASSWORD, startWorld } from '../support/world.js';
import type { World } from '../support/world.js';
import { remoteWrite } from '../conformance/promql/remote-write.js';

/** A tenant whose rules are only tried out, at the shipped gateway: it sees all, and operator and tenant are told so. */

const NOW_MS = Date.now();
const HOUR_MS = 3_600_000;
const stack = new AsyncDisposableStack();
let world: World;

const tenant = async (queryDryRun: object | undefined): Promise<object> => ({
  name: 'team-a',
  credentials: [{ basic: { user: 'team-a', passwordHash: await hash(PASSWORD, { cost: 4 }) } }],
  query: [{ metrics: ['.*'], labels: { namespace: 'team-a' } }],
  queryDryRun,
});
const OTHERS = [{ name: 'team-b', credentials: [{ certificate: { uri: 'spiffe://scrapeway/tenant/team-b' } }] }];
const until = (ms: number): object => ({ until: new Date(ms).toISOString() });

beforeAll(async () => {
  const prometheus = stack.use(await startPrometheus({ config: {}, args: ['--web.enable-remote-write-receiver'] }));
  await remoteWrite(prometheus.url, ['team-a', 'team-b'].map((namespace) => ({ labels: { __name__: 'load', namespace }, samples: [{ timestampMs: NOW_MS, value: 1 }], histograms: [] })));
  world = stack.use(await startWorld({ gateway: { backends: [{ name: 'main', url: prometheus.url }, { name: 'other', url: prometheus.url }], tenants: [{ ...(await tenant(until(NOW_MS + HOUR_MS))), query: [{ backends: ['main'], metrics: ['.*'], labels: { namespace: 'team-a' } }] }, ...OTHERS] } }));
});
afterAll(async () => {
  await stack.disposeAsync();
});

const ask = async (path: string): Promise<{ readonly status: number; readonly dryRun: unknown; readonly text: string }> => {
  const { status, headers, body } = await world.ask('team-a', path);
  return { status, dryRun: headers['x-scrapeway-dry-run'], text: body.toString() };
};

describe('a dry run', () => {
  it('passes queries without the rules, and says in its answer that it did', async () => {
    const { dryRun, text } = await ask('/query/main/api/v1/query?query=load');
    expect([dryRun, text.includes('team-a'), text.includes('team-b')]).toEqual(['rewritten', true, true]);
    expect(await ask('/query/main/api/v1/query?query=1%2B1')).toMatchObject({ status: 200, dryRun: 'unchanged' });
  });

  it('opens no other backend, no other endpoint, and is for nobody else', async () => {
    expect(await ask('/query/other/api/v1/query?query=load')).toMatchObject({ status: 403, dryRun: undefined });
    expect(await ask('/query/main/api/v1/targets')).toMatchObject({ status: 404, dryRun: undefined });
    expect((await world.ask('team-b', '/query/main/api/v1/query?query=load')).status).toBe(404);
  });

  it('is in the log, when it begins and for each query, and in the metrics', async () => {
    await eventually(() => {
      const log = world.gateway.process.log();
      expect(log).toMatch(/DRY RUN: this tenant's queries see all series/);
      expect(log).toMatch(/"instead":"load\{namespace=\\"team-a\\"\}"/);
    });
    expect((await world.gateway.metric('scrapeway_query_dry_run_tenants')).get('')).toBe(1);
    expect((await world.gateway.metric('scrapeway_query_dry_run_requests_total')).get('{would="rewritten"}')).toBeGreaterThanOrEqual(1);
  });

  it.each([['its end has come', until(NOW_MS - 1)], ['it is taken out of the configuration', undefined]])('is over when %s', async (_, dryRun) => {
    await world.gateway.reconfigure({ tenants: [await tenant(until(NOW_MS + HOUR_MS)), ...OTHERS] });
    await eventually(async () => expect((await ask('/query/other/api/v1/query?query=load')).dryRun).toBe('rewritten'));
    await world.gateway.reconfigure({ tenants: [await tenant(dryRun), ...OTHERS] });
    await eventually(async () => {
      const { status, dryRun: header, text } = await ask('/query/main/api/v1/query?query=load');
      expect([status, header, text.includes('team-a'), text.includes('team-b')]).toEqual([200, undefined, true, false]);
    });
  });
});
