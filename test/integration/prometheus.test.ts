import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { startExporter, textAnswer } from '../support/exporter.js';
import type { Exporter } from '../support/exporter.js';
import { startAgent } from '../support/agent.js';
import { eventually } from '../support/eventually.js';
import { nativeHistogramBody, PROTOBUF_FORMAT } from '../support/native-histogram.js';
import { startPrometheus } from '../support/prometheus.js';
import type { RunningPrometheus } from '../support/prometheus.js';
import { startWorld } from '../support/world.js';
import type { World } from '../support/world.js';

/** A real Prometheus that comes as users' own do: by http_sd, by path and by proxy_url, for two tenants at once. */

let world: World;
let prometheus: RunningPrometheus;

beforeAll(async () => {
  world = await startWorld();
  const { scrapeUrl, ports } = world.gateway;
  const host = `localhost:${ports.scrape}`;
  const sd = (query: string, credentials: object): object => ({ http_sd_configs: [{ url: `${scrapeUrl}/sd${query}`, refresh_interval: '1s', ...credentials }] });
  prometheus = await startPrometheus({
    config: {
      global: { scrape_interval: '1s', scrape_timeout: '1s' },
      scrape_configs: [
        { job_name: 'a-sd', scheme: 'https', scrape_native_histograms: true, ...world.teamA, ...sd('', world.teamA) },
        { job_name: 'a-path', scheme: 'https', metrics_path: '/scrape/site-a/web', ...world.teamA, static_configs: [{ targets: [host] }] },
        { job_name: 'b-sd', scheme: 'https', ...world.teamB, ...sd('', world.teamB) },
        { job_name: 'b-sd-proxy', proxy_url: scrapeUrl, ...world.teamB, ...sd('?door=proxy', world.teamB) },
        { job_name: 'b-proxy', proxy_url: scrapeUrl, ...world.teamB, static_configs: [{ targets: ['web.site-b.scrapeway:80'] }] },
        { job_name: 'a-foreign', scheme: 'https', metrics_path: '/scrape/site-b/web', ...world.teamA, static_configs: [{ targets: [host] }] },
      ],
    },
  });
});
afterAll(async () => {
  await prometheus.stop();
  await world[Symbol.asyncDispose]();
});

it('every way in is up, the foreign one is refused, and Prometheus says why', async () => {
  await eventually(
    async () => {
      const health = Object.fromEntries((await prometheus.targets()).map((target) => [target.scrapePool, `${target.health} ${target.lastError}`.trim()]));
      expect(health).toEqual({
        'a-sd': 'up',
        'a-path': 'up',
        'b-sd': 'up',
        'b-sd-proxy': 'up',
        'b-proxy': 'up',
        'a-foreign': 'down server returned HTTP status 403 Forbidden',
      });
    },
    { timeoutMs: 30_000, intervalMs: 250 },
  );
});

it('discovered targets carry the exporter\'s address as instance, their own labels, agent and target', async () => {
  const instance = `127.0.0.1:${world.siteA.exporter.port}`;
  const target = (await prometheus.targets()).find(({ scrapePool }) => scrapePool === 'a-sd');
  expect(target?.labels).toEqual({ job: 'a-sd', instance, agent: 'site-a', target: 'web', env: 'prod' });
  const proxied = (await prometheus.targets()).find(({ scrapePool }) => scrapePool === 'b-sd-proxy');
  expect(proxied?.labels).toEqual({ job: 'b-sd-proxy', instance: `127.0.0.1:${world.siteB.exporter.port}`, agent: 'site-b', target: 'web', env: 'prod' });
});

it('native histograms come by protobuf', async () => {
  world.siteA.exporter.behave({ kind: 'answer', headers: { 'content-type': PROTOBUF_FORMAT }, body: nativeHistogramBody('demo_seconds') });
  await eventually(async () => expect(await prometheus.query('histogram_count(demo_seconds{job="a-sd"})')).toMatchObject([{ value: [expect.any(Number), '3'] }]), { timeoutMs: 15_000, intervalMs: 200 });
  world.siteA.exporter.behave(textAnswer());
});

describe('1,000 targets of one agent', () => {
  const TARGETS = 1000;
  let exporter: Exporter;
  beforeAll(async () => {
    // It would discover them too, and scrape all of them every second.
    await prometheus.stop();
    exporter = await startExporter();
  });
  afterAll(() => exporter.close());

  it('are listed, scraped and up', async () => {
    await world.gateway.reconfigure({
      agents: [
        { name: 'site-a', tenants: ['team-a'] },
        { name: 'site-b', tenants: ['team-b'] },
        { name: 'site-many', tenants: ['team-a'] },
      ],
    });
    const targets = Array.from({ length: TARGETS }, (_, index) => ({ name: `t${index}`, url: `http://127.0.0.1:${exporter.port}/metrics?i=${index}`, labels: { i: String(index) } }));
    await using agent = await startAgent({ dir: world.dir.path, pki: world.pki, name: 'site-many', gatewayPort: world.gateway.ports.agents, targets });
    await agent.waitUntilReady();
    const config = {
      global: { scrape_interval: '10s', scrape_timeout: '10s' },
      scrape_configs: [
        { job_name: 'many', scheme: 'https', ...world.teamA, http_sd_configs: [{ url: `${world.gateway.scrapeUrl}/sd`, refresh_interval: '1s', ...world.teamA }] },
      ],
    };
    await using many = await startPrometheus({ config });
    const up = await many.waitForUp(TARGETS + 1, 45_000);
    expect(new Set(up.map(({ labels }) => labels['target'])).size).toBe(TARGETS + 1);
    expect(new Set(exporter.requests.map(({ url }) => url)).size).toBe(TARGETS);
  });
});
