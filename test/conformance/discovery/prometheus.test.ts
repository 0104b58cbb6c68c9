import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Registry } from 'prom-client';
import { startApiServer } from '../../../src/discovery/api-server.js';
import { createDiscovery } from '../../../src/discovery/discovery.js';
import type { Discovery } from '../../../src/discovery/discovery.js';
import type { SdDoor } from '../../../src/discovery/groups.js';
import { silentLogger } from '../../../src/lib/logger.js';
import { validateTargets } from '../../../src/tunnel/targets.js';
import { desiredState, target } from '../../support/desired-state.js';
import { startPrometheus } from '../../support/prometheus.js';
import type { ActiveTarget, RunningPrometheus } from '../../support/prometheus.js';
import { createTempDir } from '../../support/temp-dir.js';

/**
 * A real Prometheus reads what http_sd answers: one label that it does not take would cost it the whole document, so the
 * oddest targets that a registration may have stand beside a plain one.
 */
const ODD = [
  target('plain', { labels: { env: 'prod' } }),
  target('odd', {
    labels: { _: 'one', A__b: 'two', Env: 'Prod', env: 'prod', quotes: '"\'\\', lines: 'a\nb\tc', unicode: 'ä€😀\u200B', control: '\u0001', long: 'x'.repeat(1024), empty: '', space: ' x ', le: '1' },
  }),
  target('v6', { host: '2001:db8::1', port: 65_535 }),
  target('a.b_c-d', { path: '/a%20b/%C3%A9?module=http_2xx&target=x%26y%20z&again=1&again=2&odd[]=1' }),
  target('secure', { scheme: 'https', host: 'exporter.example', port: 443, path: '/' }),
];

let stack: AsyncDisposableStack;
let discovery: Discovery;
let prometheus: RunningPrometheus;

beforeAll(async () => {
  stack = new AsyncDisposableStack();
  const dir = stack.use(await createTempDir());
  discovery = await createDiscovery({ memoryPath: dir.join('memory.json'), settleMs: 0, retentionMs: 60_000, validate: () => [], onForgotten: () => undefined, logger: silentLogger, registry: new Registry() });
  stack.defer(() => discovery.close());
  const socketPath = dir.join('api.sock');
  const server = await startApiServer({ socketPath, answer: discovery.answer, logger: silentLogger });
  stack.defer(() => server.close());
  discovery.setState(desiredState({ tenants: [{ name: 'team-a' }], agents: [{ name: 'site-a', tenants: ['team-a'] }] }));
  discovery.register('site-a', validateTargets(ODD, { maxTargets: 100 }).accepted);
  // Prometheus dials no Unix socket: a port that leads to it.
  const port = createServer((socket) => {
    const onward = connect(socketPath);
    socket.pipe(onward).pipe(socket);
    socket.on('error', () => onward.destroy());
    onward.on('error', () => socket.destroy());
  }).listen(0, '127.0.0.1');
  stack.defer(() => void port.close());
  await once(port, 'listening');
  const address = port.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  const job = (door: SdDoor) => ({
    job_name: door,
    scrape_interval: '1h',
    scrape_timeout: '1s',
    http_sd_configs: [{ url: `http://127.0.0.1:${address.port}/sd?door=${door}`, refresh_interval: '1s', http_headers: { 'x-scrapeway-tenant': { values: ['team-a'] } } }],
  });
  prometheus = stack.use(await startPrometheus({ config: { scrape_configs: [job('path'), job('proxy')] } }));
});
afterAll(async () => stack.disposeAsync());

function found(door: SdDoor): Promise<ReadonlyMap<string | undefined, ActiveTarget>> {
  return prometheus.process.until('the targets', async () => {
    const targets = (await prometheus.targets()).filter(({ scrapePool }) => scrapePool === door);
    if (targets.length !== ODD.length) throw new Error(`${targets.length} targets`);
    return new Map(targets.map((each) => [each.labels['target'], each]));
  });
}

describe.each(['path', 'proxy'] as const)('Prometheus reads the door %s', (door) => {
  it('with every target', async () => {
    expect(validateTargets(ODD, { maxTargets: 100 }).faults).toEqual([]);
    expect([...(await found(door)).keys()].toSorted()).toEqual(ODD.map(({ name }) => name).toSorted());
  });

  it('with every label as it was registered, but for the empty one', async () => {
    const { job, ...labels } = (await found(door)).get('odd')?.labels ?? {};
    const { empty, ...registered } = ODD[1]?.labels ?? {};
    expect([job, empty]).toEqual([door, '']);
    expect(labels).toEqual({ ...registered, agent: 'site-a', target: 'odd', instance: '127.0.0.1:9100' });
  });

  it('with an IPv6 address as instance', async () => {
    expect((await found(door)).get('v6')?.labels['instance']).toBe('[2001:db8::1]:65535');
  });
});

describe('Prometheus would scrape', () => {
  it('by path: the gateway, with TLS', async () => {
    const targets = await found('path');
    expect(targets.get('a.b_c-d')?.scrapeUrl).toMatch(/^https:\/\/127\.0\.0\.1:\d+\/scrape\/site-a\/a\.b_c-d$/);
  });

  it('by proxy: the name of the target, with its own path and query, escaped once', async () => {
    const targets = await found('proxy');
    expect(targets.get('plain')?.scrapeUrl).toBe('http://plain.site-a.scrapeway:9100/metrics');
    expect(targets.get('secure')?.scrapeUrl).toBe('http://secure.site-a.scrapeway:443/');
    expect(targets.get('a.b_c-d')?.scrapeUrl).toBe('http://a.b_c-d.site-a.scrapeway:9100/a%20b/%C3%A9?again=1&module=http_2xx&target=x%26y+z');
  });
});

it('Prometheus keeps its list while the gateway does not know', async () => {
  discovery.setState(desiredState({ tenants: [], agents: [{ name: 'site-a', tenants: [] }] }));
  await prometheus.process.waitForLog(/Unable to refresh target groups/);
  expect(await prometheus.targets()).toHaveLength(2 * ODD.length);
});
