import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { encodeSeries } from '../../../src/remotewrite/encode.js';
import { protocolHeaders } from '../../../src/remotewrite/protocol.js';
import { DEFAULT_PUSH_LIMITS } from '../../../src/push/options.js';
import type { Label } from '../../../src/remotewrite/series.js';
import { pack } from '../../../src/remotewrite/snappy.js';
import { seeded } from '../../conformance/promql/generate.js';
import { fetchRaw } from '../../support/http.js';
import { startPrometheus } from '../../support/prometheus.js';
import type { RunningPrometheus } from '../../support/prometheus.js';
import { pushTarget, startPushRig, TENANT_HEADER } from '../../support/push-rig.js';
import type { PushRig } from '../../support/push-rig.js';
import { pageLines, startPushgateway } from '../../support/push-servers.js';
import type { RunningServer } from '../../support/push-servers.js';

/** team-a pushes whatever it can think of: nothing that is held afterwards is anybody's but its own, and what was team-b's is as it was. */

const stack = new AsyncDisposableStack();
let backend: RunningPrometheus;
let gateway: RunningServer;
let rig: PushRig;

const nowMs = Date.now();
const VERSIONS = ['1', '2'] as const;

beforeAll(async () => {
  [backend, gateway] = await Promise.all([
    startPrometheus({ config: { storage: { tsdb: { out_of_order_time_window: '1h' } } }, args: ['--web.enable-remote-write-receiver'] }),
    startPushgateway(['--web.enable-admin-api', '--web.enable-lifecycle']),
  ]);
  stack.use(backend);
  stack.use(gateway);
  const url = `${backend.url}/api/v1/write`;
  rig = stack.use(await startPushRig({ limits: { ...DEFAULT_PUSH_LIMITS, requestsPerSecond: 100_000 }, targets: [pushTarget({ name: 'refusing', url }), pushTarget({ name: 'overwriting', url, onConflict: 'overwrite' }), pushTarget({ name: 'pgw', kind: 'pushgateway', url: gateway.url })] }));
  expect(await write('refusing', '1', await pack(messageOf('1', [['__name__', 'victim']])), 'team-b')).toBe(204);
  expect((await fetchRaw({ url: `${rig.url}/push/pgw/metrics/job/victim`, method: 'PUT', headers: { [TENANT_HEADER]: 'team-b' }, body: 'victim 1\n' })).status).toBe(200);
});
afterAll(async () => {
  await stack.disposeAsync();
});

function messageOf(version: '1' | '2', labels: readonly (readonly [string, string])[]): Buffer {
  const all: readonly Label[] = labels.map(([name, value]) => ({ name, value }));
  return encodeSeries(version, [{ labels: all, samples: [{ value: 1, timestampMs: nowMs }], histograms: [], exemplars: [] }]);
}

async function write(target: string, version: '1' | '2', body: Buffer, tenant = 'team-a', headers: Readonly<Record<string, string>> = {}): Promise<number> {
  return (await fetchRaw({ url: `${rig.url}/push/${target}/api/v1/write`, method: 'POST', headers: { ...protocolHeaders(version), [TENANT_HEADER]: tenant, ...headers }, body })).status;
}

async function expectOnlyOwn(): Promise<void> {
  const at = `@ ${nowMs / 1000 + 1}`;
  expect((await backend.query(`{__name__!="",tenant!="team-a"} ${at}`)).map(({ metric, value }) => [metric, value?.[1]])).toEqual([[{ __name__: 'victim', tenant: 'team-b' }, '1']]);
}

const LABELS: readonly (readonly (readonly [string, string])[])[] = [
  [['__name__', 'e'], ['tenant', 'team-b']], [['tenant', 'team-b'], ['__name__', 'e']], [['__name__', 'e'], ['tenant', 'team-a'], ['tenant', 'team-b']], [['__name__', 'e'], ['tenant', 'team-b'], ['tenant', 'team-a']], [['tenant', 'team-a'], ['__name__', 'e'], ['tenant', 'team-b']], [['__name__', 'e'], ['tenant', '']], [['__name__', 'e'], ['tenant', 'team-a\0']], [['__name__', 'e'], ['tenant', 'team-a '], ['z', '1']], [['__name__', 'e'], ['Tenant', 'team-b']],
  [['__name__', 'e'], ['tenant\0', 'team-b']], [['__name__', 'e'], ['tenant ', 'team-b']], [['__name__', 'e'], ['ｔenant', 'team-b']], [['__name__', 'e'], ['te\u00adnant', 'team-b']], [['__name__', 'e'], ['', 'team-b']], [['', ''], ['__name__', 'e'], ['tenant', 'team-b']], [['__name__', 'e'], ['__tenant__', 'team-b']], [['__name__', 'e'], ['U__tenant', 'team-b']], [['__name__', 'e{tenant="team-b"}']], [['__name__', 'victim'], ['tenant', 'team-b']], [['__name__', 'victim'], ['__name__', 'e']], [['__name__', 'e\0victim']], [['__name__', '']], [['tenant', 'team-b']],
  [['__name__', 'e'], ['zz', '1'], ['tenant', 'team-b']], [['a', '1'], ['__name__', 'e'], ['tenant', 'team-b']], [['__name__', 'e'], ['tenant', 'team-b'], ['zz', '1'], ['tenant', 'team-b']], [['__name__', 'e'], ['exported_tenant', 'team-b']], [['__name__', 'e'], ['tenant', `${'x'.repeat(100_000)}`]], [],
];

describe.each(VERSIONS)('remote write %s.0', (version) => {
  it.each(LABELS.map((labels) => ({ labels, title: JSON.stringify(labels).slice(0, 100) })))('of $title', async ({ labels }) => {
    const body = await pack(messageOf(version, labels));
    for (const target of ['refusing', 'overwriting']) expect(await write(target, version, body)).toBeLessThan(500);
    await expectOnlyOwn();
  });

  it('of a good message with bytes that are others', async () => {
    const random = seeded(Number(version));
    const good = messageOf(version, [['__name__', 'fuzzed'], ['a', 'b'], ['tenant', 'team-b'], ['z', 'tenant']]);
    for (let count = 0; count < 250; count += 1) {
      const message = Buffer.from(good);
      for (let changes = 1 + Math.floor(random() * 3); changes > 0; changes -= 1) message[Math.floor(random() * message.length)] = random() < 0.5 ? Math.floor(random() * 256) : Math.floor(random() * 32);
      const cut = random() < 0.2 ? message.subarray(0, Math.floor(random() * message.length)) : random() < 0.2 ? Buffer.concat([message, good]) : message;
      expect(await write(random() < 0.5 ? 'refusing' : 'overwriting', version, await pack(cut))).toBeLessThan(500);
    }
    await expectOnlyOwn();
  }, 60_000);

  it.each([['the other version’s headers', protocolHeaders(version === '1' ? '2' : '1')], ['another tenant in a header', { 'x-scope-orgid': 'team-b', 'x-tenant': 'team-b', 'thanos-tenant': 'team-b' }], ['no encoding', { 'content-encoding': 'identity' }], ['another encoding', { 'content-encoding': 'gzip' }], ['a type in other letters', { 'content-type': 'APPLICATION/X-PROTOBUF' }], ['a type of no message', { 'content-type': 'application/x-protobuf;proto=x' }]])('with %s', async (_title, headers) => {
    await write('refusing', version, await pack(messageOf(version, [['__name__', 'e'], ['tenant', 'team-b']])), 'team-a', headers);
    await expectOnlyOwn();
  });
});

const base64 = (text: string): string => Buffer.from(text).toString('base64url');
const PATHS = [
  '/metrics/job/victim/tenant/team-b', '/metrics/job/victim/tenant@base64/' + base64('team-b'), '/metrics/job@base64/' + base64('victim') + '/tenant/team-b', '/metrics/job/victim%2Ftenant%2Fteam-b', '/metrics/job/victim%2ftenant/team-b', '/metrics/job/x/tenant/team-a/tenant/team-b', '/metrics/job/x/tenant/team-b/tenant/team-a', '/metrics/job/x//tenant/team-b', '/metrics/job//tenant/team-b', '/metrics//job/victim/tenant/team-b', '/metrics/./job/victim/tenant/team-b', '/metrics/job/x/../victim/tenant/team-b', '/metrics/job/x/%2e%2e/victim/tenant/team-b', '/metrics/tenant/team-b/job/victim', '/metrics/job/victim/Tenant/team-b', '/metrics/job/victim/%74enant/team-b',
  '/metrics/job/victim/tenant%40base64/' + base64('team-b'), '/metrics/job/victim/tenant@BASE64/' + base64('team-b'), '/metrics/job/victim/tenant@base64@base64/' + base64('team-b'), '/metrics/job/victim/U__tenant/team-b', '/metrics/job/victim/__tenant/team-b', '/metrics/job/victim/tenant%00/team-b', '/metrics/job/victim/tenant/team-b%00', '/metrics/job/victim/tenant/team-b?x=/tenant/team-a', '/metrics/job/victim/tenant/team-b#', '/metrics/job/victim/tenant;x/team-b', '/metrics/job/victim;/tenant/team-b', '/metrics/job/victim%3F/tenant/team-b', '/metrics/job/victim/tenant', '/metrics/job/', '/metrics/job', '/metrics/', '/metrics', '/metrics/job/victim\\tenant\\team-b',
  '/metrics/job@base64/' + base64('victim/tenant/team-b'), '/metrics/job@base64/%3D', '/metrics/job@base64/!!!!', '/metrics/job/x/a@base64/' + base64('/tenant/team-b'), '/metrics/job/x/a/%25%32%46tenant%25%32%46team-b', '/metrics/job/x/instance/..%2Fvictim', '/api/v1/admin/wipe', '/api/v1/metrics', '/-/quit', '/../metrics/job/victim/tenant/team-b', '/metrics/job/victim/tenant/team-b/', '/metrics/jobs/victim/tenant/team-b', '/metrics/JOB/victim/tenant/team-b', '/metrics/job/victim/tenant/team%2Db', '/metrics/job/%76ictim/tenant/team-b', '/metrics/job/victim/tenant/%74eam-b', '/metrics/job/victim/tenant@base64/' + base64('team-b') + '=', '/metrics/job/victim/tenant@base64/dGVhbS1i%0A',
];
const BODIES = ['victim{tenant="team-b",job="victim",instance=""} 2\n', 'evil{tenant="team-b"} 2\n', 'evil{tenant="team-a",tenant="team-b"} 2\n', '# HELP victim other\n# TYPE victim counter\nvictim{job="victim",tenant="team-b"} 2\n', 'push_time_seconds{tenant="team-b",job="victim",instance=""} 9\n', 'evil{"tenant"="team-b"} 2\n', '{"evil","tenant"="team-b"} 2\n', 'evil{U__tenant="team-b"} 2\n', 'evil 1 # {tenant="team-b"} 2\n', 'evil{tenant="team-b"} 2 1\n', '\ufeffevil{tenant="team-b"} 2\n', 'evil{x="\\"} 1\nvictim{tenant=\\"team-b\\"} 2\n"} 1\n'];

describe('a Pushgateway', () => {
  async function expectVictim(): Promise<void> {
    expect(await pageLines(`${gateway.url}/metrics`, 'victim')).toContain('victim{instance="",job="victim",tenant="team-b"} 1');
    const others = [...(await pageLines(`${gateway.url}/metrics`, 'victim')), ...(await pageLines(`${gateway.url}/metrics`, 'evil'))].filter((line) => !line.includes('tenant="team-a"'));
    expect(others).toEqual(['victim{instance="",job="victim",tenant="team-b"} 1']);
  }

  it.each(PATHS)('at %s', async (path) => {
    for (const method of ['PUT', 'POST', 'DELETE', 'GET']) {
      const request = fetchRaw({ url: `${rig.url}/`, target: `/push/pgw${path}`, method, headers: { [TENANT_HEADER]: 'team-a' }, ...(method.startsWith('P') && { body: 'evil 1\n' }) });
      expect((await request).body.toString()).not.toContain('team-b"} 1');
    }
    await expectVictim();
  });

  it.each(BODIES)('with %j', async (body) => {
    for (const method of ['PUT', 'POST']) await fetchRaw({ url: `${rig.url}/push/pgw/metrics/job/victim`, method, headers: { [TENANT_HEADER]: 'team-a' }, body });
    await expectVictim();
  });
});
