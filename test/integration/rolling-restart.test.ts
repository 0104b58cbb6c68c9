import { expect, it } from '@jest/globals';
import { once } from 'node:events';
import { mkdir } from 'node:fs/promises';
import { connect, createServer } from 'node:net';
import { createTestPki } from '../support/certificates.js';
import { eventually } from '../support/eventually.js';
import { startAgent } from '../support/agent.js';
import { startExporter } from '../support/exporter.js';
import { startGateway } from '../support/gateway.js';
import type { GatewayPorts, RunningGateway } from '../support/gateway.js';
import { freePort, portOf } from '../support/ports.js';
import { startPrometheus } from '../support/prometheus.js';
import { createTempDir } from '../support/temp-dir.js';
import { PASSWORD, worldTenants } from '../support/world.js';

/**
 * Two gateways behind a plain TCP balancer each for scrapers and for agents, restarted one after the other while a Prometheus scrapes
 * every second.
 *
 * "No failed scrape" means: of every target, `up` was 1 in each sample that was taken, and about as many samples as there are intervals were taken.
 */

/** The next of `ports` for each connection, and the one after where nobody listens; it knows nothing of health. */
async function startBalancer(ports: readonly number[]) {
  let turn = 0;
  const server = createServer((client) => {
    client.on('error', () => undefined);
    const first = turn++;
    const attempt = (tries: number): void => {
      if (tries === ports.length) return void client.destroy();
      const upstream = connect(ports[(first + tries) % ports.length] ?? 0, '127.0.0.1');
      upstream.once('error', () => attempt(tries + 1));
      upstream.once('connect', () => {
        upstream.removeAllListeners('error').on('error', () => undefined);
        for (const each of [client, upstream]) each.on('close', () => (client.destroy(), upstream.destroy()));
        client.pipe(upstream).pipe(client);
      });
    };
    attempt(0);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return { port: portOf(server), [Symbol.asyncDispose]: async () => void server.close() };
}

const TARGETS = 10;
const INTERVAL_S = 2;

it('no scrape fails while gateways are restarted one after the other', async () => {
  await using stack = new AsyncDisposableStack();
  const dir = stack.use(await createTempDir());
  const pki = await createTestPki(dir.join('pki'));
  const ids = ['gw-1', 'gw-2'];
  const ports: GatewayPorts[] = [];
  for (const _ of ids) ports.push({ scrape: await freePort(), agents: await freePort() });
  const tenants = await worldTenants();
  const launch = async (index: number): Promise<RunningGateway> => {
    const [id = '', own] = [ids[index], ports[index]];
    await mkdir(dir.join(id), { recursive: true });
    return startGateway({
      dir: dir.join(id),
      pki,
      tenants,
      agents: [{ name: 'site-a', tenants: ['team-a'] }],
      ...(own && { ports: own }),
      config: { gateway: { id, names: ['localhost'], peers: ids.filter((other) => other !== id) }, drainDelay: '500ms', discovery: { settle: '30s' } },
    });
  };
  const scrapers = stack.use(await startBalancer(ports.map(({ scrape }) => scrape)));
  const agents = stack.use(await startBalancer(ports.map((each) => each.agents)));
  const exporter = stack.use(await startExporter());
  const targets = Array.from({ length: TARGETS }, (_, index) => ({ name: `t${index}`, url: `http://127.0.0.1:${exporter.port}/metrics` }));
  // a gateway with peers is ready when its agents are back: the agent first
  const agent = stack.use(await startAgent({ dir: dir.path, pki, name: 'site-a', gatewayPort: agents.port, targets }));
  const gateways = [await launch(0), await launch(1)];
  stack.defer(async () => {
    await Promise.all(gateways.map((gateway) => gateway.stop()));
  });
  const tunnels = async (): Promise<number[]> => [...(await agent.metric('scrapeway_agent_tunnel_up')).values()];
  await eventually(async () => expect(await tunnels()).toEqual([2]), { timeoutMs: 30_000 });

  const prometheus = stack.use(
    await startPrometheus({
      config: {
        global: { scrape_interval: `${INTERVAL_S}s`, scrape_timeout: `${INTERVAL_S}s` },
        scrape_configs: targets.map(({ name }) => ({
          job_name: name,
          scheme: 'https',
          metrics_path: `/scrape/site-a/${name}`,
          basic_auth: { username: 'team-a', password: PASSWORD },
          tls_config: { ca_file: pki.serverCaFile, server_name: 'localhost' },
          static_configs: [{ targets: [`localhost:${scrapers.port}`] }],
        })),
      },
    }),
  );
  await prometheus.waitForUp(TARGETS);
  // several in a row: whatever starts with the test has taken its share of the processors
  await eventually(async () => expect(await prometheus.query(`sum_over_time(up[${3 * INTERVAL_S}s]) == 3`)).toHaveLength(TARGETS), { timeoutMs: 60_000 });
  const began = performance.now();
  for (const index of gateways.keys()) {
    await gateways[index]?.stop();
    gateways[index] = await launch(index);
    await eventually(async () => expect(await tunnels()).toEqual([2]), { timeoutMs: 30_000 });
  }
  const seconds = Math.floor((performance.now() - began) / 1000);
  await eventually(async () => {
    const counts = await prometheus.query(`count_over_time(up[${seconds}s])`);
    expect(counts).toHaveLength(TARGETS);
    for (const { value } of counts) expect(Number(value?.[1])).toBeGreaterThanOrEqual(Math.floor(seconds / INTERVAL_S) - 2);
  });
  // since it began, and no second more: the very first scrapes may have come before the way was open
  const failed = await prometheus.query(`min_over_time(up[${Math.floor(performance.now() - began)}ms]) < 1`);
  expect(failed).toEqual([]);
}, 180_000);
