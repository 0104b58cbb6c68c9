import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { hash } from '@node-rs/bcrypt';
import { writeFile } from 'node:fs/promises';
import { startExporter, textAnswer } from '../support/exporter.js';
import { startPrometheus } from '../support/prometheus.js';
import { promtool } from '../support/promtool.js';
import { PASSWORD, startWorld } from '../support/world.js';
import type { World } from '../support/world.js';

/** The query door of the shipped gateway: Envoy, ext_authz, the query service, a real Prometheus with the data of two teams. */

const stack = new AsyncDisposableStack();
let world: World;

beforeAll(async () => {
  const mine = stack.use(await startExporter({ behaviour: textAnswer('# TYPE load gauge\nload{namespace="team-a"} 1\nload{namespace="team-b"} 2\nsecret{namespace="team-b"} 3\n') }));
  const prometheus = stack.use(
    await startPrometheus({
      config: { global: { scrape_interval: '1s', scrape_timeout: '1s' }, scrape_configs: [{ job_name: 'all', honor_labels: true, static_configs: [{ targets: [`127.0.0.1:${mine.port}`] }] }] },
    }),
  );
  await prometheus.waitForUp(1);
  const credentials = async (user: string) => [{ basic: { user, passwordHash: await hash(PASSWORD, { cost: 4 }) } }];
  world = stack.use(
    await startWorld({
      gateway: {
        backends: [{ name: 'main', url: prometheus.url }],
        tenants: [
          { name: 'team-a', credentials: await credentials('team-a'), query: [{ metrics: ['.*'], labels: { namespace: 'team-a' } }] },
          { name: 'team-b', credentials: [{ certificate: { uri: 'spiffe://scrapeway/tenant/team-b' } }] },
        ],
      },
    }),
  );
});
afterAll(async () => {
  await stack.disposeAsync();
});

async function query(expression: string, base = '/api/v1'): Promise<unknown> {
  const answer = await world.ask('team-a', `${base}/query`, {
    method: 'POST',
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
    body: `query=${encodeURIComponent(expression)}`,
  });
  const parsed: { data?: { result?: { metric?: Record<string, string>; value?: [number, string] }[] } } = JSON.parse(answer.body.toString());
  return parsed.data?.result?.map(({ metric, value }) => [metric?.['namespace'], value?.[1]]);
}

describe('a tenant', () => {
  it.each(['/api/v1', '/query/main/api/v1'])('sees its own series at %s, as if there were no others', async (base) => {
    expect(await query('load', base)).toEqual([['team-a', '1']]);
    expect(await query('secret', base)).toEqual([]);
    expect(await query('sum(load)', base)).toEqual([[undefined, '1']]);
    expect(await query('load * on() group_left secret', base)).toEqual([]);
    expect(await query('count({__name__=~".+"})', base)).toEqual([[undefined, '1']]);
  });

  it('browses its own labels only', async () => {
    const values = await world.ask('team-a', '/api/v1/label/namespace/values');
    expect(JSON.parse(values.body.toString())).toMatchObject({ status: 'success', data: ['team-a'] });
    const names = await world.ask('team-a', '/api/v1/label/__name__/values');
    expect(JSON.parse(names.body.toString())).toMatchObject({ data: ['load'] });
  });

  it('is served as Grafana asks: buildinfo, and 1+1 for its health check', async () => {
    expect((await world.ask('team-a', '/api/v1/status/buildinfo')).status).toBe(200);
    expect((await world.ask('team-a', '/api/v1/query?query=1%2B1')).body.toString()).toContain('"scalar"');
  });

  it.each(['/api/v1/admin/tsdb/delete_series?match[]=load', '/api/v1/status/config', '/api/v1/write', '/query/main/-/reload', '/query/main/debug/pprof/heap', '/query/other/api/v1/query?query=1', '/api/v1/nothing'])('gets nothing at %s', async (path) => {
    const answer = await world.ask('team-a', path, { method: 'POST' });
    expect(answer.status).toBeGreaterThanOrEqual(400);
    expect(answer.body.toString()).not.toMatch(/team-b|scrape_configs/);
  });
});

describe('who has no query door', () => {
  it('finds nothing there', async () => {
    const answer = await world.ask('team-b', '/api/v1/query?query=load');
    expect([answer.status, answer.headers['x-scrapeway-reason']]).toEqual([404, 'door_forbidden']);
  });

  it('and who is nobody is asked who he is', async () => {
    expect((await world.ask(undefined, '/api/v1/query?query=load')).status).toBe(401);
  });
});

it('promtool queries through the door', async () => {
  const config = world.dir.join('http.yml');
  await writeFile(config, JSON.stringify({ tls_config: { ca_file: world.pki.serverCaFile }, basic_auth: { username: 'team-a', password: PASSWORD } }));
  expect(await promtool(['query', 'instant', `--http.config.file=${config}`, world.gateway.scrapeUrl, 'load'])).toBe('');
});

it('another Prometheus reads through the door, with its samples where they were', async () => {
  const remoteRead = { url: `${world.gateway.scrapeUrl}/api/v1/read`, read_recent: true, basic_auth: { username: 'team-a', password: PASSWORD }, tls_config: { ca_file: world.pki.serverCaFile } };
  await using reader = await startPrometheus({ config: { remote_read: [remoteRead] } });
  expect((await reader.query('{__name__=~".+"}')).map(({ metric, value }) => [metric['__name__'], metric['namespace'], value?.[1]])).toEqual([['load', 'team-a', '1']]);
});
