import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { hash } from '@node-rs/bcrypt';
import { startPrometheus } from '../support/prometheus.js';
import type { RunningPrometheus } from '../support/prometheus.js';
import { startExporter, textAnswer } from '../support/exporter.js';
import { PASSWORD, startWorld } from '../support/world.js';
import type { World } from '../support/world.js';

/** The push door of the shipped gateway: Envoy, ext_authz, the push service, a real Prometheus on either side. */

const stack = new AsyncDisposableStack();
let world: World;
let receiver: RunningPrometheus;

beforeAll(async () => {
  receiver = stack.use(await startPrometheus({ config: {}, args: ['--web.enable-remote-write-receiver'] }));
  const credentials = [{ basic: { user: 'team-a', passwordHash: await hash(PASSWORD, { cost: 4 }) } }];
  world = stack.use(
    await startWorld({
      gateway: {
        pushTargets: [{ name: 'main', kind: 'remote_write', url: `${receiver.url}/api/v1/write`, tenantLabel: 'tenant', onConflict: 'overwrite' }],
        tenants: [
          { name: 'team-a', credentials, push: ['main'] },
          { name: 'team-b', credentials: [{ certificate: { uri: 'spiffe://scrapeway/tenant/team-b' } }] },
        ],
      },
    }),
  );
});
afterAll(async () => {
  await stack.disposeAsync();
});

describe('a Prometheus that writes through the door', () => {
  it('has the tenant label on every series, whatever it says itself', async () => {
    await using exporter = await startExporter({ behaviour: textAnswer('pushed{tenant="team-b"} 1\n') });
    await using sender = await startPrometheus({
      config: {
        global: { scrape_interval: '1s', scrape_timeout: '1s' },
        scrape_configs: [{ job_name: 'job', honor_labels: true, static_configs: [{ targets: [`127.0.0.1:${exporter.port}`] }] }],
        remote_write: [{ url: `${world.gateway.scrapeUrl}/push/main/api/v1/write`, ...world.teamA, queue_config: { batch_send_deadline: '1s' } }],
      },
    });
    await sender.process.until(
      'the series at the receiver',
      async () => {
        expect((await receiver.query('pushed')).map(({ metric }) => metric['tenant'])).toEqual(['team-a']);
        expect((await receiver.query('count by (tenant) ({__name__=~".+"})')).map(({ metric }) => metric['tenant'])).toEqual(['team-a']);
      },
      { timeoutMs: 30_000, intervalMs: 250 },
    );
  });
});

describe('refused', () => {
  it.each([
    ['team-b', 'POST', '/push/main/api/v1/write', 404, 'door_forbidden'],
    [undefined, 'POST', '/push/main/api/v1/write', 401, 'no_credentials'],
    ['team-a', 'GET', '/push/main/api/v1/write', 405, 'method_forbidden'],
  ] as const)('%s: %s %s', async (tenant, method, path, status, reason) => {
    const answer = await world.ask(tenant, path, { method });
    expect([answer.status, answer.headers['x-scrapeway-reason']]).toEqual([status, reason]);
  });

  it.each(['/push/other/api/v1/write', '/push/main/api/v1/admin/tsdb/delete_series', '/push/main/metrics/job/x', '/push/main'])('team-a: POST %s', async (path) => {
    expect((await world.ask('team-a', path, { method: 'POST', body: 'x' })).status).toBeGreaterThanOrEqual(400);
  });
});
