import { describe, expect, it } from '@jest/globals';
import { once } from 'node:events';
import { readFile, rm } from 'node:fs/promises';
import { connect } from 'node:net';
import { startAgent } from '../support/agent.js';
import { eventually } from '../support/eventually.js';
import { startFaultProxy } from '../support/fault-proxy.js';
import type { FaultProxy } from '../support/fault-proxy.js';
import { startGateway } from '../support/gateway.js';
import { startPrometheus } from '../support/prometheus.js';
import { startWorld, worldTenants } from '../support/world.js';
import type { World } from '../support/world.js';

/** What happens at three in the morning: processes that die, a network that goes silent, restarts. */

const WEB = '/scrape/site-a/web';

async function reasonOf(world: World, path = WEB, headers: Readonly<Record<string, string>> = {}): Promise<string> {
  const { status, headers: answered } = await world.ask('team-a', path, { headers });
  return status === 200 ? 'ok' : String(answered['x-scrapeway-reason'] ?? status);
}

describe('an agent', () => {
  it('killed with -9: its scrapes fail with one reason, nobody else\'s do, its targets stay listed; back, it is scraped at once', async () => {
    await using world = await startWorld({ gateway: { tunnel: { reconnectGrace: '0s' } } });
    expect(await reasonOf(world)).toBe('ok');
    world.siteA.agent.process.signal('SIGKILL');
    await eventually(async () => expect(await reasonOf(world)).toBe('agent_away'));
    expect((await world.ask('team-b', '/scrape/site-b/web')).status).toBe(200);
    expect(JSON.parse((await world.ask('team-a', '/sd')).body.toString())).toHaveLength(1);

    const targets = [{ name: 'web', url: `http://127.0.0.1:${world.siteA.exporter.port}/metrics` }];
    await using again = await startAgent({ dir: world.dir.path, pki: world.pki, name: 'site-a', gatewayPort: world.gateway.ports.agents, targets });
    await again.waitUntilReady();
    expect(await reasonOf(world)).toBe('ok');
  });

  it('killed during a scrape: that scrape fails at once with its reason', async () => {
    await using world = await startWorld();
    world.siteA.exporter.behave({ kind: 'hang' });
    const asked = reasonOf(world, WEB, { 'x-prometheus-scrape-timeout-seconds': '30' });
    await eventually(() => expect(world.siteA.exporter.requests).toHaveLength(1));
    world.siteA.agent.process.signal('SIGKILL');
    expect(await asked).toBe('agent_lost');
  });

  it('told to stop finishes what is in flight', async () => {
    await using world = await startWorld();
    world.siteA.exporter.behave({ kind: 'drip', body: Buffer.alloc(20, 'x'), pieceBytes: 1, everyMs: 50 });
    const asked = world.ask('team-a', WEB);
    await eventually(() => expect(world.siteA.exporter.requests).toHaveLength(1));
    const stopped = world.siteA.agent.stop();
    expect((await asked).body.toString()).toBe('x'.repeat(20));
    await stopped;
  });
});

describe('the network between them', () => {
  it('silently dropped is noticed by both ends in under 10 s, and mended by a new tunnel', async () => {
    let proxy: FaultProxy | undefined;
    await using world = await startWorld({
      gateway: { tunnel: { reconnectGrace: '0s' } },
      dialA: async ({ agents }) => (proxy = await startFaultProxy({ port: agents })).port,
    });
    try {
      expect(await reasonOf(world)).toBe('ok');
      proxy?.silence();
      const silentAt = performance.now();
      const [hubNoticed, agentNoticed] = await Promise.all([
        eventually(async () => expect(await reasonOf(world, WEB, { 'x-prometheus-scrape-timeout-seconds': '1' })).toBe('agent_away'), { timeoutMs: 15_000 }).then(() => performance.now()),
        eventually(async () => expect([...(await world.siteA.agent.metric('scrapeway_agent_tunnel_up')).values()]).toEqual([0]), { timeoutMs: 15_000 }).then(() => performance.now()),
      ]);
      expect(hubNoticed - silentAt).toBeLessThan(11_000);
      expect(agentNoticed - silentAt).toBeLessThan(11_000);
      proxy?.resume();
      proxy?.cut();
      await eventually(async () => expect(await reasonOf(world)).toBe('ok'), { timeoutMs: 30_000 });
    } finally {
      await proxy?.close();
    }
  });
});

describe('the gateway', () => {
  it('killed with -9 takes its Envoy with it; started again, agents are back and http_sd answers as before', async () => {
    await using world = await startWorld({ gateway: { discovery: { settle: '20s' } } });
    const before = (await world.ask('team-a', '/sd')).body.toString();
    // what is offered is written a moment after it changed
    await eventually(async () => expect(JSON.parse(await readFile(world.dir.join('run/registrations.json'), 'utf8'))).toMatchObject({ agents: expect.arrayContaining([expect.objectContaining({ agent: 'site-a' })]) }));
    world.gateway.process.signal('SIGKILL');
    await eventually(async () => {
      await expect(connects(world.gateway.ports.scrape)).resolves.toBe(false);
    });
    await using again = await startGateway({
      dir: world.dir.path,
      pki: world.pki,
      ports: world.gateway.ports,
      tenants: await worldTenants(),
      agents: [
        { name: 'site-a', tenants: ['team-a'] },
        { name: 'site-b', tenants: ['team-b'] },
      ],
    });
    expect(again.ports).toEqual(world.gateway.ports);
    expect((await world.ask('team-a', '/sd')).body.toString()).toBe(before);
    await eventually(async () => expect(await reasonOf(world)).toBe('ok'), { timeoutMs: 35_000 });
  });

  it('that never knew its agents answers http_sd with 503 until it does, and Prometheus keeps its targets', async () => {
    await using world = await startWorld();
    await using prometheus = await startPrometheus({
      config: {
        global: { scrape_interval: '1s', scrape_timeout: '1s' },
        scrape_configs: [{ job_name: 'a', scheme: 'https', ...world.teamA, http_sd_configs: [{ url: `${world.gateway.scrapeUrl}/sd`, refresh_interval: '1s', ...world.teamA }] }],
      },
    });
    await prometheus.waitForUp(1);
    await world.siteA.agent.stop();
    await world.gateway.stop();
    await rm(world.dir.join('run'), { recursive: true });
    await using _again = await startGateway({
      dir: world.dir.path,
      pki: world.pki,
      ports: world.gateway.ports,
      tenants: await worldTenants(),
      agents: [{ name: 'site-a', tenants: ['team-a'] }],
      config: { discovery: { settle: '10m' } },
    });
    const sd = await world.ask('team-a', '/sd');
    expect([sd.status, sd.headers['x-scrapeway-reason']]).toEqual([503, 'discovery_unknown']);
    await prometheus.process.until('a refresh has failed', async () => {
      expect(await prometheus.query('up')).toMatchObject([{ value: [expect.any(Number), '0'] }]);
    });
    expect(await prometheus.targets()).toHaveLength(1);
  });

  it('told to stop refuses what is new, finishes what is in flight and leaves no process', async () => {
    await using world = await startWorld();
    world.siteA.exporter.behave({ kind: 'drip', body: Buffer.alloc(20, 'x'), pieceBytes: 1, everyMs: 50 });
    const asked = world.ask('team-a', WEB);
    await eventually(() => expect(world.siteA.exporter.requests).toHaveLength(1));
    const stopped = world.gateway.stop();
    expect((await asked).body.toString()).toBe('x'.repeat(20));
    await stopped;
    await expect(connects(world.gateway.ports.scrape)).resolves.toBe(false);
  });
});

async function connects(port: number): Promise<boolean> {
  const socket = connect(port, '127.0.0.1');
  try {
    await once(socket, 'connect');
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}
