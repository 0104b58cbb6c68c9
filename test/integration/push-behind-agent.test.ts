import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { eventually } from '../support/eventually.js';
import { startAgent } from '../support/agent.js';
import { createTestPki } from '../support/certificates.js';
import type { TestPki } from '../support/certificates.js';
import { startExporter, textAnswer } from '../support/exporter.js';
import type { Exporter } from '../support/exporter.js';
import { startGateway } from '../support/gateway.js';
import type { RunningGateway } from '../support/gateway.js';
import { fetchRaw } from '../support/http.js';
import { startPrometheus } from '../support/prometheus.js';
import type { RunningPrometheus } from '../support/prometheus.js';
import { startPrometheusAgent } from '../support/push-servers.js';
import type { RunningServer } from '../support/push-servers.js';
import type { RunningScrapeway } from '../support/scrapeway.js';
import { createTempDir } from '../support/temp-dir.js';
import type { TempDir } from '../support/temp-dir.js';
import { PASSWORD, worldTenants } from '../support/world.js';

/** Remote write in to a receiver that the gateway cannot dial: a Prometheus in agent mode → Envoy → push door → tunnel → agent → Prometheus. */

const stack = new AsyncDisposableStack();
let dir: TempDir;
let pki: TestPki;
let exporter: Exporter;
let receiver: RunningPrometheus;
let gateway: RunningGateway;
let site: RunningScrapeway;
let sender: RunningServer;
/** Of one process. */
const START_MS = 120_000;

async function startSite(): Promise<RunningScrapeway> {
  const agent = await startAgent({
    dir: dir.path,
    pki,
    name: 'lyon',
    gatewayPort: gateway.ports.agents,
    startTimeoutMs: START_MS,
    targets: [],
    config: { services: [{ name: 'receiver', url: receiver.url, allow: ['remote_write'] }] },
  });
  await agent.waitUntilReady(START_MS);
  return agent;
}

beforeAll(async () => {
  exporter = stack.use(await startExporter({ behaviour: textAnswer('# TYPE made_total counter\nmade_total{zone="1"} 7\nforged_total{tenant="team-b"} 1\n') }));
  receiver = stack.use(await startPrometheus({ config: {}, args: ['--web.enable-remote-write-receiver'] }));
  dir = stack.use(await createTempDir());
  pki = await createTestPki(dir.join('pki'));
  const [teamA] = await worldTenants();
  gateway = stack.use(await startGateway({
    dir: dir.path,
    pki,
    startTimeoutMs: START_MS,
    tenants: [{ ...teamA, push: ['main'] }],
    agents: [{ name: 'lyon', tenants: ['team-a'] }],
    config: { tunnel: { reconnectGrace: '1s' }, pushTargets: [{ name: 'main', kind: 'remote_write', agent: { name: 'lyon', service: 'receiver' }, tenantLabel: 'tenant', onConflict: 'overwrite' }] },
  }));
  site = await startSite();
  sender = stack.use(await startPrometheusAgent({
    global: { scrape_interval: '1s', scrape_timeout: '1s' },
    scrape_configs: [{ job_name: 'own', honor_labels: true, static_configs: [{ targets: [`127.0.0.1:${exporter.port}`] }] }],
    remote_write: [{ url: `${gateway.scrapeUrl}/push/main/api/v1/write`, basic_auth: { username: 'team-a', password: PASSWORD }, tls_config: { ca_file: pki.serverCaFile }, queue_config: { batch_send_deadline: '500ms', max_backoff: '1s' } }],
  }));
}, 3 * START_MS);
afterAll(async () => {
  await site.stop();
  await stack.disposeAsync();
});

async function value(promql: string): Promise<number> {
  const [found] = await receiver.query(promql);
  return Number(found?.value?.[1] ?? 0);
}

async function arrived(samples: number): Promise<void> {
  await receiver.process.until(`${samples} samples`, async () => {
    const found = await value('count_over_time(made_total[1h])');
    if (found < samples) throw new Error(`${found} of ${samples}`);
  }, { timeoutMs: 60_000, intervalMs: 300 });
}

describe('a Prometheus in agent mode that writes to a receiver behind an agent', () => {
  it('has the tenant label on every series, whatever it says itself', async () => {
    await arrived(2);
    expect((await receiver.query('count by (tenant) ({__name__=~".+"})')).map(({ metric }) => metric['tenant'])).toEqual(['team-a']);
    expect((await receiver.query('forged_total')).map(({ metric }) => metric['tenant'])).toEqual(['team-a']);
    expect(await receiver.query('made_total')).toMatchObject([{ metric: { job: 'own', zone: '1', tenant: 'team-a' } }]);
  }, START_MS);

  it('loses nothing when the agent is killed and comes back', async () => {
    site.process.signal('SIGKILL');
    await site.process.exited;
    // The sender has been told so, and goes on scraping meanwhile.
    await sender.process.until('it tries again', async () => {
      const { body } = await fetchRaw({ url: `${sender.url}/metrics` });
      expect(body.toString()).toMatch(/^prometheus_remote_storage_samples_retried_total\{[^}]*\} [1-9]/m);
    }, { timeoutMs: 60_000, intervalMs: 300 });
    const until = exporter.requests.length + 5;
    await eventually(() => expect(exporter.requests.length).toBeGreaterThanOrEqual(until), { timeoutMs: 30_000 });
    site = await startSite();
    // One sample of a scrape each: as many as there were scrapes.
    await arrived(exporter.requests.length);
    const { body } = await fetchRaw({ url: `${sender.url}/metrics` });
    const lost = body.toString().split('\n').filter((line) => /^prometheus_remote_storage_samples_(?:failed|dropped)_total\{/.test(line) && !line.endsWith(' 0'));
    expect(lost).toEqual([]);
  }, 2 * START_MS);
});
