import { describe, expect, it } from '@jest/globals';
import { readFile, symlink, writeFile } from 'node:fs/promises';
import { createTestPki, readPair } from '../support/certificates.js';
import { startAgent } from '../support/agent.js';
import { eventually } from '../support/eventually.js';
import { replaceAuthorityByExpiring, replaceByExpiring } from '../support/expired.js';
import { startExporter } from '../support/exporter.js';
import { fetchRaw } from '../support/http.js';
import { projectDir } from '../support/project.js';
import { startPrometheus } from '../support/prometheus.js';
import { createTempDir } from '../support/temp-dir.js';
import { startWorld, worldTenants } from '../support/world.js';
import type { World, WorldOptions } from '../support/world.js';

/**
 * The table of docs/faults.md, made true: each fault is done to real processes, with a real Prometheus that scrapes each second and counts
 * its targets; then the reason, what Prometheus says, and who else sees it must be as the page has it.
 */

interface Row {
  /** As the page has it. */
  readonly fault: string;
  /** What the scrape fails with; `–`: it does not, or nobody is there to say so. */
  readonly reason: string;
  /** Part of Prometheus's error; '' = the target is up (again). */
  readonly says: string;
  readonly tenant?: 'team-a' | 'team-b';
  /** Default: `web`. */
  readonly target?: string;
  /** What it makes goes with the stack. */
  readonly options?: (stack: AsyncDisposableStack) => WorldOptions | Promise<WorldOptions>;
  /** Does it; may return the reason that only the scrape in flight got. */
  readonly act: (world: World) => Promise<string | void>;
  /** Who else sees it. */
  readonly seen: (world: World) => Promise<void>;
}

const HOUR_MS = 3_600_000;

async function metricIs(read: Promise<ReadonlyMap<string, number>>, label: string): Promise<void> {
  const found = [...(await read)].filter(([labels, value]) => labels.includes(label) && value > 0);
  expect(found.length).toBeGreaterThan(0);
}

/** Kills it, or only makes everybody connect anew: the gateway starts another one. */
const killEnvoy = (world: World): Promise<void> => signalEnvoy(world, 'SIGKILL');

async function signalEnvoy(world: World, signal: NodeJS.Signals): Promise<void> {
  const childrenOf = async (pid: number): Promise<readonly number[]> => (await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8')).trim().split(' ').filter(Boolean).map(Number);
  for (const guard of await childrenOf(world.gateway.process.pid)) {
    for (const pid of await childrenOf(guard)) if ((await readFile(`/proc/${pid}/comm`, 'utf8')).startsWith('envoy')) process.kill(pid, signal);
  }
}

let shift = '';
async function shiftable(stack: AsyncDisposableStack): Promise<WorldOptions> {
  const dir = stack.use(await createTempDir());
  shift = dir.join('shift');
  return { clockShiftFile: shift };
}

const pkiDir = (world: World): string => world.dir.join('pki');

const ROWS: readonly Row[] = [
  {
    fault: 'agent killed, during a scrape',
    reason: 'agent_lost',
    says: 'HTTP status 503',
    act: async (world) => {
      world.siteA.exporter.behave({ kind: 'hang' });
      const before = world.siteA.exporter.requests.length;
      const asked = world.ask('team-a', '/scrape/site-a/web', { headers: { 'x-prometheus-scrape-timeout-seconds': '30' } });
      await eventually(() => expect(world.siteA.exporter.requests.slice(before).some(({ headers }) => headers['x-prometheus-scrape-timeout-seconds'] !== undefined && Number(headers['x-prometheus-scrape-timeout-seconds']) > 5)).toBe(true));
      world.siteA.agent.process.signal('SIGKILL');
      return String((await asked).headers['x-scrapeway-reason']);
    },
    seen: async (world) => metricIs(world.gateway.metric('scrapeway_hub_scrapes_total'), 'agent_lost'),
  },
  {
    fault: 'agent killed',
    reason: 'agent_away',
    says: 'HTTP status 503',
    act: async (world) => world.siteA.agent.process.signal('SIGKILL'),
    seen: async (world) => metricIs(world.gateway.metric('scrapeway_hub_scrapes_total'), 'agent_away'),
  },
  {
    fault: 'agent frozen',
    reason: 'agent_timeout',
    says: 'HTTP status 504',
    act: async (world) => world.siteA.agent.process.signal('SIGSTOP'),
    seen: async (world) => {
      await eventually(async () => metricIs(world.gateway.metric('scrapeway_hub_keepalive_losses_total'), ''), { timeoutMs: 15_000 });
      world.siteA.agent.process.signal('SIGCONT');
    },
  },
  {
    fault: 'exporter killed',
    reason: 'target_refused',
    says: 'HTTP status 502',
    act: async (world) => world.siteA.exporter.close(),
    seen: async (world) => metricIs(world.siteA.agent.metric('scrapeway_agent_target_failures_total'), 'target_refused'),
  },
  {
    fault: 'exporter frozen',
    reason: 'target_timeout',
    says: 'HTTP status 504',
    act: async (world) => world.siteA.exporter.behave({ kind: 'hang' }),
    seen: async (world) => metricIs(world.siteA.agent.metric('scrapeway_agent_target_failures_total'), 'target_timeout'),
  },
  {
    fault: 'Envoy killed',
    reason: '–',
    says: '',
    act: killEnvoy,
    seen: async (world) => void (await world.gateway.process.waitForLog(/Envoy ended; starting it again/)),
  },
  {
    fault: 'gateway killed',
    reason: '–',
    says: 'connection refused',
    act: async (world) => world.gateway.process.signal('SIGKILL'),
    seen: async (world) => void (await world.siteA.agent.process.waitForLog(/tunnel down|no tunnel/)),
  },
  {
    fault: 'gateway frozen, its Envoy not',
    reason: 'authz_unavailable',
    says: 'HTTP status 503',
    act: async (world) => world.gateway.process.signal('SIGSTOP'),
    seen: async (world) => {
      const lines = await readFile(world.gateway.accessLogFile, 'utf8');
      world.gateway.process.signal('SIGCONT');
      expect(lines).toContain('"reason":"authz_unavailable"');
    },
  },
  {
    fault: 'Envoy frozen, or the gateway\'s host',
    reason: '–',
    says: 'context deadline exceeded',
    act: async (world) => signalEnvoy(world, 'SIGSTOP'),
    seen: async (world) => {
      await world.siteA.agent.process.waitForLog(/nothing came from the gateway for \d+ ms/, { timeoutMs: 20_000 });
      await signalEnvoy(world, 'SIGCONT');
      await eventually(async () => expect((await world.ask('team-a', '/scrape/site-a/web')).status).toBe(200), { timeoutMs: 60_000 });
    },
  },
  {
    fault: 'wall clock of gateway and agent jumps by two hours',
    reason: '–',
    says: '',
    options: shiftable,
    act: async () => writeFile(shift, String(2 * HOUR_MS)),
    seen: async (world) => {
      await writeFile(shift, String(-2 * HOUR_MS));
      await eventually(async () => expect((await world.ask('team-a', '/scrape/site-a/web')).status).toBe(200));
    },
  },
  {
    fault: 'wall clock of the gateway jumps past the end of a credential',
    reason: 'bad_credentials',
    says: 'HTTP status 401',
    options: async (stack) => {
      const [teamA, teamB] = await worldTenants();
      const credentials: readonly object[] = Array.isArray(teamA?.['credentials']) ? teamA['credentials'] : [];
      const expires = new Date(Date.now() + HOUR_MS).toISOString();
      return { ...(await shiftable(stack)), gateway: { tenants: [{ ...teamA, credentials: credentials.map((credential) => ({ ...credential, expires })) }, teamB ?? {}] } };
    },
    act: async () => writeFile(shift, String(2 * HOUR_MS)),
    seen: async (world) => metricIs(world.gateway.metric('scrapeway_authz_checks_total'), 'bad_credentials'),
  },
  {
    fault: 'disk full under the access log',
    reason: '–',
    says: '',
    options: () => ({ gateway: { accessLog: { path: '/dev/full' } } }),
    act: async () => {},
    seen: async (world) =>
      eventually(async () => {
        const { body } = await fetchRaw({ url: 'http://admin/stats?filter=filesystem.write_failed', socketPath: world.dir.join('run/admin.sock') });
        expect(Number(/write_failed: (\d+)/.exec(body.toString())?.[1])).toBeGreaterThan(0);
      }, { timeoutMs: 15_000 }),
  },
  {
    fault: 'disk full under runtimeDir',
    reason: '–',
    says: '',
    act: async (world) => {
      await symlink('/dev/full', world.dir.join('run/registrations.json.new'));
      await killEnvoy(world); // agents come and go: there is something to write
    },
    seen: async (world) => eventually(async () => metricIs(world.gateway.metric('scrapeway_discovery_memory_failures_total'), ''), { timeoutMs: 15_000 }),
  },
  {
    fault: 'certificate of the agent expired',
    reason: 'agent_away',
    says: 'HTTP status 503',
    act: async (world) => {
      const endMs = await replaceByExpiring(await world.pki.agent('site-a'), { dir: pkiDir(world), authority: 'agents-ca', san: { type: 'uri', value: 'spiffe://scrapeway/agent/site-a' }, endsInMs: 3_000 });
      await eventually(() => expect(Date.now()).toBeGreaterThan(endMs));
      await killEnvoy(world); // a tunnel that is up stays up
    },
    seen: async (world) => {
      await world.siteA.agent.process.waitForLog(/this agent's certificate has expired/, { timeoutMs: 20_000 });
      await metricIs(world.siteA.agent.metric('scrapeway_agent_tunnel_failures_total'), 'tls');
    },
  },
  {
    fault: 'CA of the agents expired',
    reason: 'agent_away',
    says: 'HTTP status 503',
    act: async (world) => {
      const endMs = await replaceAuthorityByExpiring({ dir: pkiDir(world), authority: 'agents-ca', endsInMs: 8_000 });
      await replaceByExpiring(await world.pki.agent('site-a'), { dir: pkiDir(world), authority: 'agents-ca', san: { type: 'uri', value: 'spiffe://scrapeway/agent/site-a' }, endsInMs: HOUR_MS });
      await eventually(() => expect(Date.now()).toBeGreaterThan(endMs));
      await killEnvoy(world); // a tunnel that is up stays up
    },
    seen: async (world) => void (await world.siteA.agent.process.waitForLog(/this agent's certificate has expired, or its CA's/, { timeoutMs: 20_000 })),
  },
  {
    fault: 'certificate of the gateway expired',
    reason: '–',
    says: 'certificate has expired',
    act: async (world) => {
      const endMs = await replaceByExpiring(world.pki.gateway, { dir: pkiDir(world), authority: 'server-ca', san: { type: 'dns', value: 'localhost' }, endsInMs: 4_000 });
      await eventually(() => expect(Date.now()).toBeGreaterThan(endMs));
      await killEnvoy(world); // connections that are open stay open
      await eventually(async () => {
        await expect(world.ask('team-a', '/sd')).rejects.toThrow('certificate has expired');
      }, { timeoutMs: 15_000 });
    },
    seen: async (world) => void (await world.siteA.agent.process.waitForLog(/the gateway's certificate has expired/, { timeoutMs: 20_000 })),
  },
  {
    fault: 'client certificate of a tenant expired',
    reason: '–',
    says: 'expired certificate',
    tenant: 'team-b',
    act: async (world) => {
      await replaceByExpiring(await world.pki.client('team-b'), { dir: pkiDir(world), authority: 'clients-ca', san: { type: 'uri', value: 'spiffe://scrapeway/tenant/team-b' }, endsInMs: -60_000 });
      await killEnvoy(world);
    },
    seen: async () => {},
  },
  {
    fault: 'certificate of a target expired',
    reason: 'target_tls',
    says: 'HTTP status 502',
    target: 'expired',
    options: async (stack) => {
      const dir = stack.use(await createTempDir());
      const pki = await createTestPki(dir.join('target'));
      await replaceByExpiring(pki.gateway, { dir: dir.join('target'), authority: 'server-ca', san: { type: 'dns', value: 'localhost' }, endsInMs: -60_000 });
      const exporter = stack.use(await startExporter({ tls: await readPair(pki.gateway) }));
      return { targetsA: [{ name: 'expired', url: `https://localhost:${exporter.port}/metrics`, tls: { caFile: pki.serverCaFile } }] };
    },
    act: async () => {},
    seen: async (world) => metricIs(world.siteA.agent.metric('scrapeway_agent_target_failures_total'), 'target_tls'),
  },
  {
    fault: "name of a target does not resolve at the site",
    reason: 'target_dns',
    says: 'HTTP status 502',
    target: 'nowhere',
    options: () => ({ targetsA: [{ name: 'nowhere', url: 'http://nowhere.invalid:9100/metrics' }] }),
    act: async () => {},
    seen: async (world) => metricIs(world.siteA.agent.metric('scrapeway_agent_target_failures_total'), 'target_dns'),
  },
  {
    fault: "name of the gateway does not resolve at the site",
    reason: 'agent_away',
    says: 'HTTP status 503',
    act: async (world) => {
      await world.siteA.agent.stop();
      await using elsewhere = await createTempDir();
      const agent = await startAgent({ dir: elsewhere.path, pki: world.pki, name: 'site-a', gatewayPort: 1, targets: [], config: { gateways: [{ address: 'gateway.invalid:8443' }] } });
      try {
        await agent.process.waitForLog(/the gateway's name (?:does not resolve|cannot be resolved now)/, { timeoutMs: 20_000 });
      } finally {
        await agent.stop();
      }
    },
    seen: async (world) => metricIs(world.gateway.metric('scrapeway_hub_scrapes_total'), 'agent_away'),
  },
  {
    fault: 'name of the egress proxy does not resolve at the site',
    reason: 'agent_away',
    says: 'HTTP status 503',
    act: async (world) => {
      await world.siteA.agent.stop();
      await using elsewhere = await createTempDir();
      const agent = await startAgent({ dir: elsewhere.path, pki: world.pki, name: 'site-a', gatewayPort: 1, targets: [], config: { proxy: { url: 'http://proxy.invalid:3128' } } });
      try {
        await agent.process.waitForLog(/no tunnel: the proxy [^"]+ cannot be used: (?:ENOTFOUND|EAI_AGAIN)/, { timeoutMs: 20_000 });
        await metricIs(agent.metric('scrapeway_agent_tunnel_failures_total'), 'cause="proxy"');
      } finally {
        await agent.stop();
      }
    },
    seen: async (world) => metricIs(world.gateway.metric('scrapeway_hub_scrapes_total'), 'agent_away'),
  },
];

async function reasonNow(world: World, { tenant = 'team-a', target = 'web' }: Row): Promise<string> {
  try {
    const more = tenant === 'team-b' ? { tls: { ca: await readFile(world.pki.serverCaFile), servername: 'localhost', ...(await readPair(await world.pki.client('team-b'))) } } : {};
    const { headers } = await world.ask(tenant, `/scrape/${tenant === 'team-a' ? 'site-a' : 'site-b'}/${target}`, { ...more, headers: { 'x-prometheus-scrape-timeout-seconds': '1' }, timeoutMs: 5_000 });
    return String(headers['x-scrapeway-reason'] ?? '–');
  } catch {
    return '–';
  }
}

describe('a fault', () => {
  it.each(ROWS)('$fault: $reason', async (row) => {
    await using stack = new AsyncDisposableStack();
    const options = (await row.options?.(stack)) ?? {};
    await using world = await startWorld({ ...options, gateway: { tunnel: { reconnectGrace: '0s' }, ...options.gateway } });
    const credentials = row.tenant === 'team-b' ? world.teamB : world.teamA;
    await using prometheus = await startPrometheus({
      config: {
        global: { scrape_interval: '1s', scrape_timeout: '1s' },
        scrape_configs: [{ job_name: 'x', scheme: 'https', ...credentials, http_sd_configs: [{ url: `${world.gateway.scrapeUrl}/sd`, refresh_interval: '1s', ...credentials }] }],
      },
    });
    const { target: name = 'web' } = row;
    const targets = name === 'web' ? 1 : 2;
    await prometheus.process.until('every target is known', async () => expect((await prometheus.targets()).filter(({ health }) => health !== 'unknown')).toHaveLength(targets));

    const inFlight = await row.act(world);
    if (inFlight === undefined) await eventually(async () => expect(await reasonNow(world, row)).toBe(row.reason), { timeoutMs: 20_000 });
    else expect(inFlight).toBe(row.reason);
    await eventually(
      async () => {
        const found = await prometheus.targets();
        expect(found).toHaveLength(targets); // none vanishes
        const of = found.find(({ labels }) => labels['target'] === name);
        expect([of?.health, of?.lastError]).toEqual(row.says === '' ? ['up', ''] : ['down', expect.stringContaining(row.says)]);
      },
      { timeoutMs: 20_000 },
    );
    await row.seen(world);
  });
});

it('docs/faults.md has these rows and no others', async () => {
  const page = await readFile(`${projectDir}/docs/faults.md`, 'utf8');
  const rows = page.split('\n').flatMap((line) => {
    const [, fault, reason, says] = /^\| ([^|]+) \| ([^|]+) \| ([^|]+) \|/.exec(line) ?? [];
    return fault === undefined || fault === 'fault' || fault.startsWith('---') ? [] : [[fault, reason?.replaceAll('`', ''), says?.replaceAll('`', '')]];
  });
  expect(rows).toEqual(ROWS.map(({ fault, reason, says }) => [fault, reason, says === '' ? 'up' : says]));
});
