import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { readFile } from 'node:fs/promises';
import { startAgent } from '../support/agent.js';
import { createTestPki } from '../support/certificates.js';
import type { TestPki } from '../support/certificates.js';
import { eventually } from '../support/eventually.js';
import { replaceByExpiring } from '../support/expired.js';
import { startExporter, textAnswer } from '../support/exporter.js';
import type { Exporter } from '../support/exporter.js';
import { startGateway } from '../support/gateway.js';
import type { RunningGateway } from '../support/gateway.js';
import { fetchRaw } from '../support/http.js';
import type { HttpAnswer } from '../support/http.js';
import { startPrometheus } from '../support/prometheus.js';
import type { RunningPrometheus } from '../support/prometheus.js';
import type { ConfigFile, RunningScrapeway } from '../support/scrapeway.js';
import { createTempDir } from '../support/temp-dir.js';
import type { TempDir } from '../support/temp-dir.js';
import { PASSWORD, worldTenants } from '../support/world.js';

/**
 * A site with two agents, as shipped: a gateway with two data threads, so that members must meet in one, a real Prometheus that scrapes
 * each second, and what happens to hosts. Counted is what Prometheus sees.
 */

const SCRAPE_TIMEOUT = '900ms';
const MEMBERS = ['paris-1', 'paris-2'];
const AUTHORIZATION = `Basic ${Buffer.from(`team-a:${PASSWORD}`).toString('base64')}`;

let dir: TempDir;
let pki: TestPki;
let exporter: Exporter;
let gateway: RunningGateway;
let prometheus: RunningPrometheus;
const agents = new Map<string, RunningScrapeway>();

const GATEWAY_AGENTS: readonly ConfigFile[] = MEMBERS.map((name) => ({ name, tenants: ['team-a'] }));
const SITE: ConfigFile = { name: 'paris', agents: MEMBERS };

async function start(name: string, targets: readonly ConfigFile[] = []): Promise<RunningScrapeway> {
  const agent = await startAgent({
    dir: dir.path,
    pki,
    name,
    gatewayPort: gateway.ports.agents,
    targets: [{ name: 'web', url: `http://127.0.0.1:${exporter.port}/metrics`, labels: { from: name } }, { name: 'other', url: `http://127.0.0.1:${exporter.port}/other` }, ...targets],
  });
  await agent.waitUntilReady();
  agents.set(name, agent);
  return agent;
}

async function ask(path: string, timeoutS = '5'): Promise<HttpAnswer> {
  return fetchRaw({ url: `${gateway.scrapeUrl}${path}`, tls: { ca: await readFile(pki.serverCaFile), servername: 'localhost' }, headers: { authorization: AUTHORIZATION, 'x-prometheus-scrape-timeout-seconds': timeoutS } });
}

const inWords = ({ status, headers }: HttpAnswer): string => `${status} ${String(headers['x-scrapeway-reason'] ?? headers['x-scrapeway-member'])}`;

beforeAll(async () => {
  dir = await createTempDir();
  pki = await createTestPki(dir.join('pki'));
  exporter = await startExporter();
  exporter.behave(textAnswer(), '/metrics');
  exporter.behave(textAnswer(), '/other');
  gateway = await startGateway({
    dir: dir.path,
    pki,
    tenants: await worldTenants(),
    agents: GATEWAY_AGENTS,
    config: { gateway: { id: 'test', names: ['localhost'] }, dataThreads: 2, discovery: { settle: '2s' }, sites: [SITE] },
  });
  for (const name of MEMBERS) await start(name);
  const credentials = { basic_auth: { username: 'team-a', password: PASSWORD }, tls_config: { ca_file: pki.serverCaFile } };
  prometheus = await startPrometheus({
    config: {
      global: { scrape_interval: '1s', scrape_timeout: SCRAPE_TIMEOUT },
      scrape_configs: [{ job_name: 'paris', scheme: 'https', ...credentials, http_sd_configs: [{ url: `${gateway.scrapeUrl}/sd`, refresh_interval: '1s', ...credentials }] }],
    },
  });
  await prometheus.waitForUp(2);
});
afterAll(async () => {
  await prometheus.stop();
  for (const agent of agents.values()) await agent.stop();
  await gateway.stop();
  await exporter.close();
  await dir[Symbol.asyncDispose]();
});

/** Scrapes of each target that failed, and how many there were, in the seconds since `sinceMs` (epoch). */
async function counted(sinceMs: number): Promise<{ readonly failed: number; readonly scrapes: number }> {
  const window = `${Math.ceil((Date.now() - sinceMs) / 1000)}s`;
  const value = async (query: string): Promise<number> => Number((await prometheus.query(query))[0]?.value?.[1] ?? 0);
  return { failed: await value(`sum(count_over_time(up[${window}]) - sum_over_time(up[${window}]))`), scrapes: await value(`sum(count_over_time(up[${window}]))`) };
}

async function untilScraped(sinceMs: number, scrapes: number): Promise<{ readonly failed: number; readonly targets: number }> {
  await eventually(async () => expect((await counted(sinceMs)).scrapes).toBeGreaterThanOrEqual(scrapes), { timeoutMs: 60_000, intervalMs: 200 });
  return { failed: (await counted(sinceMs)).failed, targets: (await prometheus.targets()).length };
}

describe('a site', () => {
  it('is one agent to Prometheus: each target once, by the site\'s name, as its first member has it', async () => {
    const targets = await prometheus.targets();
    expect(targets.map(({ labels }) => `${labels['agent']}/${labels['target']} ${labels['from'] ?? ''}`.trim()).toSorted()).toEqual(['paris/other', 'paris/web paris-1']);
    expect(inWords(await ask('/scrape/paris/web'))).toBe('200 paris-1');
    expect(inWords(await ask('/scrape/paris-1/web'))).toBe('403 target_forbidden');
  });

  it('the audit line says which member answered', async () => {
    await ask('/scrape/paris/web?audited');
    await eventually(async () => {
      const lines = (await readFile(gateway.accessLogFile, 'utf8')).trim().split('\n').map((line): Record<string, unknown> => JSON.parse(line));
      expect(lines.filter(({ agent, target, member }) => agent === 'paris' && target === 'web' && member === 'paris-1').length).toBeGreaterThan(0);
      expect(lines.filter(({ door }) => door === 'agent').map(({ agent }) => agent)).toEqual(expect.arrayContaining(MEMBERS));
    });
  });

  it('a member killed with -9: no scrape fails, and it is asked first again when it is back', async () => {
    const sinceMs = Date.now();
    agents.get('paris-1')?.process.signal('SIGKILL');
    await eventually(async () => expect(inWords(await ask('/scrape/paris/web'))).toBe('200 paris-2'));
    expect(await untilScraped(sinceMs, 16)).toEqual({ failed: 0, targets: 2 });
    expect([...(await gateway.metric('scrapeway_discovery_site_members_away'))]).toEqual([['{site="paris"}', 1]]);
    await start('paris-1');
    expect(inWords(await ask('/scrape/paris/web'))).toBe('200 paris-1');
  });

  it('a member told to stop, and started again: no scrape fails', async () => {
    const sinceMs = Date.now();
    await agents.get('paris-1')?.stop();
    await start('paris-1');
    expect(await untilScraped(sinceMs, 10)).toEqual({ failed: 0, targets: 2 });
  });

  it('a member killed in the middle of a scrape, before its answer: the other one answers that scrape', async () => {
    exporter.behave({ kind: 'hang' }, '/other');
    const before = exporter.requests.filter(({ url }) => url === '/other').length;
    const asked = ask('/scrape/paris/other', '30');
    await eventually(() => expect(exporter.requests.filter(({ url }) => url === '/other').length).toBeGreaterThan(before));
    exporter.behave(textAnswer(), '/other');
    agents.get('paris-1')?.process.signal('SIGKILL');
    expect(inWords(await asked)).toBe('200 paris-2');
    await start('paris-1');
  });

  it('a member frozen by SIGSTOP: no scrape fails; thawed, it is first again', async () => {
    const sinceMs = Date.now();
    agents.get('paris-1')?.process.signal('SIGSTOP');
    try {
      expect(await untilScraped(sinceMs, 24)).toEqual({ failed: 0, targets: 2 }); // past the keep-alive's 8.5 s
      expect([...(await gateway.metric('scrapeway_hub_hedges_total')).entries()].filter(([labels]) => labels.includes('silent')).length).toBeGreaterThan(0);
    } finally {
      agents.get('paris-1')?.process.signal('SIGCONT');
    }
    await eventually(async () => expect(inWords(await ask('/scrape/paris/web'))).toBe('200 paris-1'), { timeoutMs: 30_000 });
  });

  it('a target that one member cannot reach is scraped through the other', async () => {
    await agents.get('paris-1')?.stop();
    await using nobody = await startExporter();
    const { port } = nobody;
    await nobody.close();
    const broken = await startAgent({ dir: dir.path, pki, name: 'paris-1', gatewayPort: gateway.ports.agents, targets: [{ name: 'web', url: `http://127.0.0.1:${port}/metrics` }] });
    agents.set('paris-1', broken);
    await broken.waitUntilReady();
    await eventually(async () => expect(inWords(await ask('/scrape/paris/web'))).toBe('200 paris-2'));
    const failovers = await gateway.metric('scrapeway_hub_failovers_total');
    expect([...failovers].filter(([labels, count]) => labels.includes('target_refused') && labels.includes('paris-1') && count > 0)).toHaveLength(1);
    await eventually(async () => expect([...(await gateway.metric('scrapeway_discovery_site_disagreements')).values()]).toEqual([1]));
    expect(await prometheus.targets()).toHaveLength(2);
  });

  it('a configuration that ends the site: its members are agents again, and are scraped as such', async () => {
    await gateway.reconfigure({ sites: [] });
    await eventually(async () => expect(inWords(await ask('/scrape/paris-2/web'))).toBe('200 undefined'), { timeoutMs: 20_000 });
    await gateway.reconfigure({ sites: [{ ...SITE, order: 'spread' }] });
    await eventually(async () => expect(inWords(await ask('/scrape/paris/web'))).toMatch(/^200 paris-/), { timeoutMs: 20_000 });
  });

  it('a second process with another certificate for a member\'s name is refused, and the first goes on', async () => {
    await using other = await createTempDir();
    const certificate = { certificateFile: other.join('other.crt'), keyFile: other.join('other.key') };
    await replaceByExpiring(certificate, { dir: dir.join('pki'), authority: 'agents-ca', san: { type: 'uri', value: 'spiffe://scrapeway/agent/paris-2' }, endsInMs: 3_600_000 });
    const impostor = await startAgent({ dir: other.path, pki, name: 'paris-2', gatewayPort: gateway.ports.agents, targets: [], certificate });
    try {
      await impostor.process.waitForLog(/agent_conflict/, { timeoutMs: 15_000 });
      expect(inWords(await ask('/scrape/paris/other'))).toBe('200 paris-2');
      // the first one gone, the other comes in: seen, not silent
      await agents.get('paris-2')?.stop();
      await eventually(async () => expect([...(await gateway.metric('scrapeway_hub_agent_certificate_changes_total'))].filter(([labels, count]) => labels.includes('other') && count > 0)).toHaveLength(1), { timeoutMs: 40_000 });
    } finally {
      await impostor.stop();
    }
  });
});
