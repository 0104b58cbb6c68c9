import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { hash } from '@node-rs/bcrypt';
import { readFile, writeFile } from 'node:fs/promises';
import { gzipSync } from 'node:zlib';
import { readPair } from '../support/certificates.js';
import { eventually } from '../support/eventually.js';
import { fetchRaw } from '../support/http.js';
import type { HttpAnswer, HttpRequest } from '../support/http.js';
import { delimitedFamily, GAUGE_VALUE } from '../support/metric-families.js';
import { freePort } from '../support/ports.js';
import { startPrometheus } from '../support/prometheus.js';
import type { RunningPrometheus } from '../support/prometheus.js';
import { promtool } from '../support/promtool.js';
import { pageLines, startPushgateway } from '../support/push-servers.js';
import type { RunningServer } from '../support/push-servers.js';
import type { ConfigFile } from '../support/scrapeway.js';
import { PASSWORD, startWorld, worldTenants } from '../support/world.js';
import type { World } from '../support/world.js';

/**
 * The push door at a site: jobs push to the agent, a Pushgateway of the site keeps it, and the tenant's Prometheus scrapes it through the gateway like any
 * other target. All as shipped and real. The Pushgateway's admin API is on, so that what keeps it away is the door.
 */

const stack = new AsyncDisposableStack();
let pushgateway: RunningServer;
let receiver: RunningPrometheus;
let world: World;
let ca: Buffer;
let url: string;
/** Of site-a's agent. */
let agentConfig: ConfigFile;
let section: ConfigFile & { readonly tenants: readonly ConfigFile[] };

/** Of one process. */
const START_MS = 120_000;
const TOKEN = 'billing-0123456789abcdef';
const SHOP = { authorization: `Basic ${Buffer.from('shop:open sesame').toString('base64')}` };
const BILLING = { authorization: `Bearer ${TOKEN}` };

beforeAll(async () => {
  pushgateway = stack.use(await startPushgateway(['--web.enable-admin-api', '--web.enable-lifecycle']));
  receiver = stack.use(await startPrometheus({ config: {}, args: ['--web.enable-remote-write-receiver'] }));
  const port = await freePort();
  url = `https://localhost:${port}`;
  const only = (tenant: string): ConfigFile => ({ name: `pushed-${tenant}`, url: `${pushgateway.url}/metrics`, metric_relabel_configs: [{ source_labels: ['tenant'], regex: tenant, action: 'keep' }] });
  const targets = [only('shop'), only('billing')];
  const [teamA, teamB] = await worldTenants();
  const gateway = { tenants: [{ ...teamA, push: ['up'] }, { ...teamB }], pushTargets: [{ name: 'up', kind: 'pushgateway', url: pushgateway.url, tenantLabel: 'tenant' }] };
  world = stack.use(await startWorld({ targetsA: targets, gateway, startTimeoutMs: START_MS }));
  ca = await readFile(world.pki.serverCaFile);
  section = {
    address: `127.0.0.1:${port}`,
    tls: { certFile: world.pki.gateway.certificateFile, keyFile: world.pki.gateway.keyFile, clientCaFiles: [world.pki.clientsCaFile] },
    targets: [
      { name: 'batch', kind: 'pushgateway', url: pushgateway.url, tenantLabel: 'tenant', groupTtl: '1d', tenantGroupTtl: { brief: '10s' } },
      { name: 'main', kind: 'remote_write', url: `${receiver.url}/api/v1/write`, tenantLabel: 'tenant' },
      { name: 'onward', kind: 'pushgateway', url: `${world.gateway.scrapeUrl}/push/up`, tenantLabel: 'tenant', caFile: world.pki.serverCaFile, basic: { user: 'team-a', passwordFile: await secret('team-a.password', PASSWORD) } },
    ],
    tenants: [
      { name: 'shop', credentials: [{ basic: { user: 'shop', passwordHash: await hash('open sesame', { cost: 4 }) } }], targets: ['batch', 'main'] },
      { name: 'billing', credentials: [{ bearer: { tokenFile: await secret('billing.token', TOKEN) } }], targets: ['batch'] },
      { name: 'team-a', credentials: [{ basic: { user: 'jobs', passwordHash: await hash('of team-a', { cost: 4 }) } }], targets: ['onward'] },
      { name: 'brief', credentials: [{ certificate: { uri: 'spiffe://scrapeway/tenant/brief' } }], targets: ['batch'] },
    ],
  };
  agentConfig = JSON.parse(await readFile(world.siteA.agent.configFile, 'utf8'));
  // The agent has run without a door so far: this is a reload.
  await world.siteA.agent.rewriteConfig({ ...agentConfig, push: section });
  await eventually(async () => expect(await fetchRaw({ url, tls: { ca } })).toMatchObject({ status: 401 }));
}, 3 * START_MS);
afterAll(async () => {
  await stack.disposeAsync();
});

async function secret(name: string, text: string): Promise<string> {
  await writeFile(world.dir.join(name), text);
  return world.dir.join(name);
}

function push(path: string, over: Partial<HttpRequest> = {}): Promise<HttpAnswer> {
  const body = over.method === 'DELETE' || over.method === 'GET' ? {} : { body: 'rows 7\n' };
  return fetchRaw({ url, target: path, method: 'PUT', headers: SHOP, tls: { ca }, ...body, ...over });
}

const held = (name: string): Promise<readonly string[]> => pageLines(`${pushgateway.url}/metrics`, name);

describe('a job of the site', () => {
  it('pushes to the agent, and its tenant’s Prometheus has it, by the gateway, with the tenant label and nothing of other tenants', async () => {
    expect(await push('/metrics/job/nightly/instance/db-1')).toMatchObject({ status: 200 });
    expect(await push('/push/batch/metrics/job/nightly/instance/db-1', { headers: BILLING, body: 'rows 9\n' })).toMatchObject({ status: 200 });
    await using prometheus = await startPrometheus({
      config: {
        global: { scrape_interval: '1s', scrape_timeout: '1s' },
        scrape_configs: [
          { job_name: 'pushed', honor_labels: true, scheme: 'https', metrics_path: '/scrape/site-a/pushed-shop', static_configs: [{ targets: [new URL(world.gateway.scrapeUrl).host] }], ...world.teamA },
        ],
      },
    });
    await prometheus.process.until('the sample', async () => {
      expect(await prometheus.query('rows')).toMatchObject([{ metric: { __name__: 'rows', job: 'nightly', instance: 'db-1', tenant: 'shop' }, value: [expect.any(Number), '7'] }]);
    }, { timeoutMs: 60_000, intervalMs: 250 });
    expect(await prometheus.query('count by (tenant) ({job="nightly"})')).toMatchObject([{ metric: { tenant: 'shop' } }]);
  }, 90_000);

  it('with a certificate is its tenant’s, and its group expires by that tenant’s policy', async () => {
    expect(await push('/metrics/job/short', { headers: {}, tls: { ca, ...(await readPair(await world.pki.client('brief'))) }, body: 'brief 1\n' })).toMatchObject({ status: 200 });
    await push('/metrics/job/long', { body: 'long 1\n' });
    expect(await held('brief')).toEqual(['brief{instance="",job="short",tenant="brief"} 1']);
    await pushgateway.process.until('it has expired, and is counted', async () => {
      expect(await held('brief')).toEqual([]);
      expect([...(await world.siteA.agent.metric('scrapeway_push_expired_groups_total')).values()]).toEqual([1]);
    }, { timeoutMs: 60_000, intervalMs: 500 });
    expect(await held('long')).toHaveLength(1);
  }, 90_000);

  it('posts, deletes, and sends gzip', async () => {
    await push('/metrics/job/more', { body: 'one 1\n' });
    await push('/metrics/job/more', { method: 'POST', body: gzipSync('two 2\n'), headers: { ...SHOP, 'content-encoding': 'gzip' } });
    expect([...(await held('one')), ...(await held('two'))]).toHaveLength(2);
    expect(await push('/metrics/job/more', { method: 'DELETE' })).toMatchObject({ status: 202 });
    expect([...(await held('one')), ...(await held('two'))]).toEqual([]);
  });

  it('can use promtool to write what has samples of its own', async () => {
    const config = await secret('client.yml', JSON.stringify({ basic_auth: { username: 'shop', password: 'open sesame' }, tls_config: { ca_file: world.pki.serverCaFile } }));
    expect(await promtool(['push', 'metrics', `--http.config.file=${config}`, '--label=job=tool', url], Buffer.from('# TYPE written gauge\nwritten 1\n'))).not.toMatch(/FAILED|error/i);
    await receiver.process.until('the sample', async () => {
      expect((await receiver.query('written')).map(({ metric }) => [metric['tenant'], metric['job']])).toEqual([['shop', 'tool']]);
    }, { timeoutMs: 20_000 });
  });
});

describe('a target that is the gateway’s push door', () => {
  it('passes on what is pushed, with the tenant’s label forced by both', async () => {
    const headers = { authorization: `Basic ${Buffer.from('jobs:of team-a').toString('base64')}` };
    expect(await push('/metrics/job/far/instance/x', { headers, body: 'far{tenant="shop"} 1\n' })).toMatchObject({ status: 200 });
    expect(await held('far')).toEqual(['far{instance="x",job="far",tenant="team-a"} 1']);
    expect((await push('/metrics/job/far/tenant/shop', { headers })).status).toBe(400);
  });
});

describe('another tenant’s group', () => {
  it('can be neither overwritten nor deleted, however its name is written', async () => {
    await push('/metrics/job/shared', { headers: BILLING, body: 'safe 2\n' });
    const before = await held('safe');
    expect(before).toEqual(['safe{instance="",job="shared",tenant="billing"} 2']);
    for (const method of ['PUT', 'POST', 'DELETE']) {
      expect((await push('/metrics/job/shared', { method, ...(method === 'DELETE' ? {} : { body: 'safe{tenant="billing"} 1\n' }) })).status).toBeLessThan(300);
      for (const path of ['/tenant/billing', '%2Ftenant%2Fbilling', '/tenant/shop/tenant/billing', '/%74enant/billing', '/tenant@base64/YmlsbGluZw', '/U__tenant/billing', '/x/..%2F..%2Fshared%2Ftenant%2Fbilling', '/x/y/../../tenant/billing']) {
        for (const prefix of ['', '/push/batch']) expect([path, (await push(`${prefix}/metrics/job/shared${path}`, { method })).status]).toEqual([path, 400]);
      }
    }
    expect((await held('safe')).filter((line) => line.includes('billing'))).toEqual(before);
  });

  it('cannot be met by a label twice in text', async () => {
    expect((await push('/metrics/job/twice', { body: 'twice{tenant="shop",tenant="billing"} 1\n' })).status).toBe(400);
    expect(await held('twice')).toEqual([]);
  });
});

describe('a body in protobuf', () => {
  const headers = { ...SHOP, 'content-type': 'application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited' };
  const gauge = (...tenants: readonly string[]): Buffer =>
    delimitedFamily('proto', (writer) => {
      writer.int(3, 1);
      writer.nested(4, () => {
        for (const tenant of tenants) {
          writer.nested(1, () => {
            writer.text(1, 'tenant');
            writer.text(2, tenant);
          });
        }
        writer.nested(GAUGE_VALUE, () => writer.double(1, 3));
      });
    });

  it('has the tenant’s label, whatever it says itself', async () => {
    expect(await push('/metrics/job/proto', { headers, body: gauge('billing') })).toMatchObject({ status: 200 });
    expect(await held('proto')).toEqual(['proto{instance="",job="proto",tenant="shop"} 3']);
  });

  it('with a label twice is refused', async () => {
    const answer = await push('/metrics/job/other', { headers, body: gauge('shop', 'billing') });
    expect([answer.status, answer.headers['x-scrapeway-reason']]).toEqual([400, 'push_malformed']);
    expect(await held('proto')).toHaveLength(1);
  });
});

describe('of the Pushgateway nothing else is reached', () => {
  it.each([
    ['PUT', '/api/v1/admin/wipe'],
    ['PUT', '/push/batch/api/v1/admin/wipe'],
    ['PUT', '/metrics/../api/v1/admin/wipe'],
    ['PUT', '/push/batch/../../api/v1/admin/wipe'],
    ['PUT', '/metrics/job/x/..%2F..%2F..%2Fapi%2Fv1%2Fadmin%2Fwipe'],
    ['PUT', '/-/quit'],
    ['POST', '/push/batch/-/quit'],
    ['GET', '/metrics'],
    ['GET', '/metrics/job/long'],
    ['GET', '/push/batch/metrics'],
    ['GET', '/api/v1/metrics'],
    ['GET', '/'],
  ])('%s %s', async (method, path) => {
    await push('/metrics/job/keep', { body: 'keep 1\n' });
    const answer = await push(path, { method });
    expect([answer.status >= 400, answer.body.includes('keep')]).toEqual([true, false]);
    expect(await held('keep')).toHaveLength(1);
  });
});

describe('whoever is nobody', () => {
  it.each([
    ['without credentials', {}, 'no_credentials'],
    ['with a wrong password', { authorization: `Basic ${Buffer.from('shop:guess').toString('base64')}` }, 'bad_credentials'],
    ['with the credentials of the gateway’s doors', { authorization: `Basic ${Buffer.from(`team-a:${PASSWORD}`).toString('base64')}` }, 'bad_credentials'],
  ])('%s is refused', async (_what, headers, reason) => {
    const answer = await push('/metrics/job/forged', { headers, body: 'forged 1\n' });
    expect([answer.status, answer.headers['x-scrapeway-reason']]).toEqual([401, reason]);
    expect(await held('forged')).toEqual([]);
  });

  it('with an agent’s certificate is refused', async () => {
    const answer = await push('/metrics/job/forged', { headers: {}, tls: { ca, ...(await readPair(await world.pki.agent('site-a'))) } });
    expect([answer.status, answer.headers['x-scrapeway-reason']]).toEqual([401, 'bad_credentials']);
  });
});

describe('a changed file', () => {
  it('takes a credential away and gives one, without a restart', async () => {
    const [shop = {}, ...others] = section.tenants;
    const token = 'shop-0123456789abcdef';
    await world.siteA.agent.rewriteConfig({ ...agentConfig, push: { ...section, tenants: [{ ...shop, credentials: [{ bearer: { tokenFile: await secret('shop.token', token) } }] }, ...others] } });
    await eventually(async () => expect((await push('/metrics/job/after')).status).toBe(401));
    expect((await push('/metrics/job/after', { headers: { authorization: `Bearer ${token}` } })).status).toBe(200);
    await world.siteA.agent.rewriteConfig({ ...agentConfig, push: section });
    await eventually(async () => expect((await push('/metrics/job/after')).status).toBe(200));
  });

  it('with a fault changes nothing', async () => {
    await world.siteA.agent.rewriteConfig({ ...agentConfig, push: { ...section, address: '0.0.0.0:1', tls: undefined } });
    await world.siteA.agent.process.waitForLog(/push\.address: is open to the network without `tls`/);
    expect((await push('/metrics/job/after')).status).toBe(200);
    await world.siteA.agent.rewriteConfig({ ...agentConfig, push: section });
  });
});

describe('while the gateway is away', () => {
  it('pushes are taken', async () => {
    await world.gateway.stop();
    await eventually(async () => expect([...(await world.siteA.agent.metric('scrapeway_agent_tunnel_up')).values()]).toEqual([0]));
    expect(await push('/metrics/job/alone', { body: 'alone 1\n' })).toMatchObject({ status: 200 });
    expect(await held('alone')).toEqual(['alone{instance="",job="alone",tenant="shop"} 1']);
  });

  it('an agent that stops ends', async () => {
    world.siteA.agent.process.signal('SIGTERM');
    expect(await world.siteA.agent.process.exited).toEqual({ code: 0, signal: null });
    await expect(push('/metrics/job/gone')).rejects.toThrow();
  });
});
