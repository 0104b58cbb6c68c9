import { readFile } from 'node:fs/promises';
import { hash } from '@node-rs/bcrypt';
import { startAgent } from './agent.js';
import { createTestPki, readPair } from './certificates.js';
import type { TestPki } from './certificates.js';
import { startExporter } from './exporter.js';
import type { Exporter } from './exporter.js';
import { startGateway } from './gateway.js';
import type { GatewayPorts, RunningGateway } from './gateway.js';
import { fetchRaw } from './http.js';
import type { HttpAnswer, HttpRequest } from './http.js';
import type { ConfigFile, RunningScrapeway } from './scrapeway.js';
import { createTempDir } from './temp-dir.js';
import type { TempDir } from './temp-dir.js';

/**
 * Two teams, two sites, one gateway, all as shipped: what most integration tests start from. team-a comes with a password,
 * team-b with a client certificate; site-a is team-a's, site-b team-b's; each has an exporter that a test can spoil.
 */

export const PASSWORD = 'correct horse battery staple';

export interface Site {
  readonly exporter: Exporter;
  readonly agent: RunningScrapeway;
}

export interface World extends AsyncDisposable {
  readonly dir: TempDir;
  readonly pki: TestPki;
  readonly gateway: RunningGateway;
  readonly siteA: Site;
  readonly siteB: Site;
  /** A request to the scrape door with the tenant's credentials; `path` may be an absolute URL to `target` (proxy door). */
  ask(tenant: 'team-a' | 'team-b' | undefined, path: string, more?: Partial<HttpRequest>): Promise<HttpAnswer>;
  /** The same, not sent yet. */
  request(tenant: 'team-a' | 'team-b' | undefined, path: string, more?: Partial<HttpRequest>): HttpRequest;
  /** What a scrape_config needs to come as team-a. */
  readonly teamA: ConfigFile;
  readonly teamB: ConfigFile;
}

export interface WorldOptions {
  /** Over the gateway's configuration. */
  readonly gateway?: ConfigFile;
  /** Over agent site-a's configuration. */
  readonly agentA?: ConfigFile;
  /** Where site-a dials; default: the gateway itself. */
  readonly dialA?: (ports: GatewayPorts) => Promise<number>;
  /** Further targets of site-a. */
  readonly targetsA?: readonly ConfigFile[];
  /** Of the gateway's and site-a's wall clock (clock-shift.ts). */
  readonly clockShiftFile?: string;
  /** Of each process; longer where much else starts. */
  readonly startTimeoutMs?: number;
}

export async function startWorld(options: WorldOptions = {}): Promise<World> {
  const stack = new AsyncDisposableStack();
  try {
    return await build(stack, options);
  } catch (error) {
    await stack.disposeAsync();
    throw error;
  }
}

/** The tenants of the world, as the configuration has them. */
export async function worldTenants(): Promise<readonly ConfigFile[]> {
  return [
    { name: 'team-a', credentials: [{ basic: { user: 'team-a', passwordHash: await hash(PASSWORD, { cost: 4 }) } }] },
    { name: 'team-b', credentials: [{ certificate: { uri: 'spiffe://scrapeway/tenant/team-b' } }] },
  ];
}

async function build(stack: AsyncDisposableStack, options: WorldOptions): Promise<World> {
  const dir = stack.use(await createTempDir());
  const pki = await createTestPki(dir.join('pki'));
  const patience = options.startTimeoutMs === undefined ? {} : { startTimeoutMs: options.startTimeoutMs };
  const shifted = options.clockShiftFile === undefined ? {} : { clockShiftFile: options.clockShiftFile };
  const gateway = stack.use(
    await startGateway({
      ...shifted,
      ...patience,
      dir: dir.path,
      pki,
      tenants: await worldTenants(),
      agents: [
        { name: 'site-a', tenants: ['team-a'] },
        { name: 'site-b', tenants: ['team-b'] },
      ],
      // 127.0.0.1 is left to the proxy door
      config: { gateway: { id: 'test', names: ['localhost'] }, discovery: { settle: '2s' }, ...options.gateway },
    }),
  );
  const site = async (name: 'site-a' | 'site-b', gatewayPort: number, config: ConfigFile, more: readonly ConfigFile[]): Promise<Site> => {
    const exporter = stack.use(await startExporter());
    const targets = [{ name: 'web', url: `http://127.0.0.1:${exporter.port}/metrics`, labels: { env: 'prod' }, paths: ['/probe', '/federate*'] }, ...more];
    const agent = stack.use(await startAgent({ dir: dir.path, pki, name, gatewayPort, targets, config, ...patience, ...(name === 'site-a' ? shifted : {}) }));
    await agent.waitUntilReady(options.startTimeoutMs);
    return { exporter, agent };
  };
  const siteA = await site('site-a', (await options.dialA?.(gateway.ports)) ?? gateway.ports.agents, options.agentA ?? {}, options.targetsA ?? []);
  const siteB = await site('site-b', gateway.ports.agents, {}, []);

  const ca = await readFile(pki.serverCaFile);
  const teamBFiles = await pki.client('team-b');
  const teamBPair = await readPair(teamBFiles);
  const request: World['request'] = (tenant, path, more = {}) => ({
    url: `${gateway.scrapeUrl}${path.startsWith('/') ? path : '/'}`,
    ...(path.startsWith('/') ? {} : { target: path }),
    tls: { ca, servername: 'localhost', ...(tenant === 'team-b' ? teamBPair : {}) },
    ...more,
    headers: {
      ...(tenant === 'team-a' ? { [path.startsWith('/') ? 'authorization' : 'proxy-authorization']: `Basic ${Buffer.from(`team-a:${PASSWORD}`).toString('base64')}` } : {}),
      ...(path.startsWith('/') ? {} : { host: new URL(path).host }),
      ...more.headers,
    },
  });
  const moved = stack.move();
  return {
    dir,
    pki,
    gateway,
    siteA,
    siteB,
    request,
    ask: (tenant, path, more) => fetchRaw(request(tenant, path, more)),
    teamA: { basic_auth: { username: 'team-a', password: PASSWORD }, tls_config: { ca_file: pki.serverCaFile } },
    teamB: { tls_config: { ca_file: pki.serverCaFile, cert_file: teamBFiles.certificateFile, key_file: teamBFiles.keyFile } },
    [Symbol.asyncDispose]: () => moved.disposeAsync(),
  };
}
