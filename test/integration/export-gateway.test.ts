import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { readFile } from 'node:fs/promises';
import { hash } from '@node-rs/bcrypt';
import { createTestPki } from '../support/certificates.js';
import type { TestPki } from '../support/certificates.js';
import { startExporter, textAnswer } from '../support/exporter.js';
import { dump } from '../support/export-rig.js';
import { startFaultProxy } from '../support/fault-proxy.js';
import type { FaultProxy } from '../support/fault-proxy.js';
import { startGateway } from '../support/gateway.js';
import type { RunningGateway } from '../support/gateway.js';
import { fetchRaw } from '../support/http.js';
import { startPrometheus } from '../support/prometheus.js';
import type { RunningPrometheus } from '../support/prometheus.js';
import { createTempDir } from '../support/temp-dir.js';
import type { TempDir } from '../support/temp-dir.js';
import { PASSWORD } from '../support/world.js';
import type { ConfigFile } from '../support/scrapeway.js';

/** Exports of the shipped gateway, from its file, with what kills it and what is in its way. */

const stack = new AsyncDisposableStack();
let dir: TempDir;
let pki: TestPki;
let source: RunningPrometheus;
let receiver: RunningPrometheus;
let way: FaultProxy;
let startedMs: number;
let config: { readonly tenants: readonly ConfigFile[]; readonly config: ConfigFile };

beforeAll(async () => {
  const lines = Array.from({ length: 200 }, (_, index) => `load{namespace="team-${index % 2 === 0 ? 'a' : 'b'}",core="${index}"} ${index}\n`);
  const target = stack.use(await startExporter({ behaviour: textAnswer(`# TYPE load gauge\n${lines.join('')}`) }));
  source = stack.use(await startPrometheus({ config: { global: { scrape_interval: '500ms', scrape_timeout: '500ms' }, scrape_configs: [{ job_name: 'app', honor_labels: true, static_configs: [{ targets: [`127.0.0.1:${target.port}`] }] }] } }));
  receiver = stack.use(await startPrometheus({ config: {}, args: ['--web.enable-remote-write-receiver'] }));
  way = stack.use(await startFaultProxy({ port: Number(new URL(receiver.url).port) }));
  dir = stack.use(await createTempDir());
  pki = await createTestPki(dir.join('pki'));
  await source.waitForUp(1);
  const credentials = async (user: string) => [{ basic: { user, passwordHash: await hash(PASSWORD, { cost: 4 }) } }];
  const one = { name: 'slice', backend: 'main', destination: 'own', interval: '1s', metrics: ['load'], queue: { max_samples_per_send: 50, max_backoff: '200ms' } };
  config = {
    tenants: [
      { name: 'team-a', credentials: await credentials('team-a'), query: [{ metrics: ['.*'], labels: { namespace: 'team-a' } }], exports: [one] },
      { name: 'team-b', credentials: await credentials('team-b'), query: [{ metrics: ['.*'], labels: { namespace: 'team-b' } }] },
    ],
    config: {
      backends: [{ name: 'main', url: source.url }],
      exportDestinations: [{ name: 'own', kind: 'remote_write', url: `http://127.0.0.1:${way.port}/api/v1/write`, tenantLabel: 'tenant', timeout: '1s' }],
      exports: { folder: dir.join('exports') },
    },
  };
  startedMs = Date.now();
});
afterAll(async () => {
  await stack.disposeAsync();
});

function start(name: string): Promise<RunningGateway> {
  return startGateway({ dir: dir.path, pki, agents: [], ...config, config: { ...config.config, runtimeDir: dir.join(name) } });
}

/** Waits until the receiver has what the source had of team-a up to now, and not a sample more. */
async function untilEqual(): Promise<void> {
  const untilMs = Date.now();
  const expected = await dump(source.url, 'load{namespace="team-a"}', startedMs - 1000, untilMs);
  expect(expected.size).toBe(100);
  await receiver.process.until('it has what the source has', async () => {
    const found = await dump(receiver.url, '{__name__=~".+"}', startedMs - 1000, untilMs);
    expect(new Map([...found].map(([labels, points]) => [labels.replace(',tenant=team-a', ''), points]))).toEqual(expected);
  }, { timeoutMs: 30_000, intervalMs: 300 });
}

async function scrapes(count: number): Promise<void> {
  const fromMs = Date.now();
  await source.process.until(`${count} scrapes`, async () => {
    const [points] = (await dump(source.url, 'up', fromMs, Date.now() + 100)).values();
    expect(points?.length ?? 0).toBeGreaterThanOrEqual(count);
  });
}

async function sum(gateway: RunningGateway, metric: string): Promise<number> {
  return [...(await gateway.metric(metric)).values()].reduce((total, value) => total + value, 0);
}

async function collected(gateway: RunningGateway, user: string | undefined): Promise<{ readonly status: number; readonly text: string }> {
  const headers = user === undefined ? {} : { authorization: `Basic ${Buffer.from(`${user}:${PASSWORD}`).toString('base64')}` };
  const { status, body } = await fetchRaw({ url: `${gateway.scrapeUrl}/collected-metrics`, headers, tls: { ca: await readFile(pki.serverCaFile), servername: 'localhost' } });
  return { status, text: body.toString('utf8') };
}

describe('the exports of a gateway', () => {
  it('lose nothing and add nothing through kill -9 of the gateway, again and again', async () => {
    for (const name of ['r1', 'r2', 'r3']) {
      const gateway = await start(name);
      await untilEqual();
      await scrapes(2);
      gateway.process.signal('SIGKILL');
      await gateway.process.exited;
      await scrapes(2);
    }
    await using _last = await start('r4');
    await untilEqual();
  });

  it('outlive an outage of the receiver, and say so meanwhile', async () => {
    await using gateway = await start('r5');
    await untilEqual();
    way.silence();
    await scrapes(4);
    await gateway.process.until('the lag is told', async () => expect(await sum(gateway, 'scrapeway_export_lag_seconds')).toBeGreaterThan(1));
    expect(await sum(gateway, 'scrapeway_export_pending_samples')).toBeGreaterThan(0);
    way.cut();
    way.resume();
    await untilEqual();
    await gateway.process.until('it is gone', async () => expect(await sum(gateway, 'scrapeway_export_pending_samples')).toBeLessThanOrEqual(200));
    expect(await sum(gateway, 'scrapeway_export_dropped_samples_total')).toBe(0);
    expect(await sum(gateway, 'scrapeway_export_series')).toBe(100);
  });

  it('are shown to their own tenant only', async () => {
    await using gateway = await start('r6');
    await gateway.process.until('something is collected', async () => expect((await collected(gateway, 'team-a')).text).toMatch(/^# Job: team-a\/slice \(100 metrics\)\nload\{core="0",.*namespace="team-a",tenant="team-a"\} 0 \d{13}\n/));
    expect(await collected(gateway, 'team-b')).toEqual({ status: 200, text: '' });
    expect(await collected(gateway, undefined)).toMatchObject({ status: 401 });
  });
});
