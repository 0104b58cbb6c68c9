import { readFile, writeFile } from 'node:fs/promises';
import { Pool } from 'undici';
import { startAgent } from './agent.js';
import { createTestPki } from './certificates.js';
import { startGateway } from './gateway.js';
import type { RunningGateway } from './gateway.js';
import type { ConfigFile, RunningScrapeway } from './scrapeway.js';
import { startStaticTarget } from './static-target.js';
import { createTempDir } from './temp-dir.js';
import { startWan } from './wan.js';
import type { Wan } from './wan.js';
import { PASSWORD, worldTenants } from './world.js';

/**
 * A gateway, and behind a WAN a site with agents whose targets cost next to nothing: what is left is the way. All agents see the same
 * targets; they differ in their configuration, so that one can be compared with another in turn.
 */

export interface WanSite extends AsyncDisposable {
  readonly wan: Wan;
  readonly gateway: RunningGateway;
  agent(name: string): RunningScrapeway;
  /** Another process of an agent, for after its end; not waited for. */
  startAgain(name: string): Promise<RunningScrapeway>;
  /** One scrape of a target: status, reason and time until the last byte. */
  scrape(agent: string, index: number, timeoutSeconds?: number): Promise<WanScrape>;
  /** All of an agent's targets at once. */
  scrapeAll(agent: string): Promise<WanScrape[]>;
}

export interface WanScrape {
  readonly status: number;
  readonly reason: string;
  readonly ms: number;
}

export interface WanSiteOptions {
  /** By name: more of the entry that says where to dial, and of its configuration file. */
  readonly agents: Readonly<Record<string, { readonly gateway?: ConfigFile; readonly config?: ConfigFile }>>;
  readonly targets: number;
  /** What each target answers. */
  readonly gzip: Buffer;
  /** More of the gateway's configuration file. */
  readonly gateway?: ConfigFile;
  readonly shape: Parameters<Wan['shape']>[0];
  /** Default: the machine's own. */
  readonly congestionControl?: string;
}

const timesOf = (count: number): readonly number[] => Array.from({ length: count }, (_, index) => index);

export async function startWanSite(options: WanSiteOptions): Promise<WanSite> {
  await using started = new AsyncDisposableStack();
  const wan = started.use(await startWan());
  if (options.congestionControl !== undefined) await wan.setCongestionControl(options.congestionControl);
  const dir = started.use(await createTempDir());
  const pki = await createTestPki(dir.join('pki'));
  const gzipFile = dir.join('exposition.gz');
  await writeFile(gzipFile, options.gzip);
  const names = Object.keys(options.agents);
  const gateway = started.use(
    await startGateway({
      dir: dir.path,
      pki,
      tenants: await worldTenants(),
      agents: names.map((name) => ({ name, tenants: ['team-a'] })),
      agentsHost: wan.gatewayAddress,
      config: { tunnel: { reconnectGrace: '0s' }, ...options.gateway },
    }),
  );
  const target = started.use(await startStaticTarget(wan.namespace, gzipFile));
  wan.shape(options.shape);
  const targets = timesOf(options.targets).map((index) => ({ name: `node-${index}`, url: `http://127.0.0.1:${target.port}/metrics` }));
  const agents = new Map<string, RunningScrapeway>();
  const start = (name: string): Promise<RunningScrapeway> => {
    const gateways = [{ address: `${wan.gatewayAddress}:${gateway.ports.agents}`, serverName: 'localhost', ...options.agents[name]?.gateway }];
    const config = { gateways, ...options.agents[name]?.config };
    return startAgent({ dir: dir.path, pki, name, gatewayPort: gateway.ports.agents, targets, config, network: { namespace: wan.namespace, statusHost: wan.siteAddress } });
  };
  for (const name of names) {
    const agent = started.use(await start(name));
    await agent.waitUntilReady();
    agents.set(name, agent);
  }
  const pool = new Pool(gateway.scrapeUrl, { connections: options.targets, pipelining: 1, keepAliveTimeout: 120_000, connect: { ca: await readFile(pki.serverCaFile), servername: 'localhost' } });
  started.defer(() => pool.destroy());
  const scrape = async (agent: string, index: number, timeoutSeconds = 10): Promise<WanScrape> => {
    const startedMs = performance.now();
    const { statusCode, headers, body } = await pool.request({
      method: 'GET',
      path: `/scrape/${agent}/node-${index}`,
      headers: { authorization: `Basic ${Buffer.from(`team-a:${PASSWORD}`).toString('base64')}`, 'accept-encoding': 'gzip', 'x-prometheus-scrape-timeout-seconds': String(timeoutSeconds) },
    });
    await body.dump();
    return { status: statusCode, reason: String(headers['x-scrapeway-reason'] ?? 'ok'), ms: performance.now() - startedMs };
  };
  const stack = started.move();
  return {
    wan,
    gateway,
    agent: (name) => {
      const found = agents.get(name);
      if (found === undefined) throw new Error(`no agent ${name}`);
      return found;
    },
    startAgain: start,
    scrape,
    scrapeAll: (agent) => Promise.all(timesOf(options.targets).map((index) => scrape(agent, index))),
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}
