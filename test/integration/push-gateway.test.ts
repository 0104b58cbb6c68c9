import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { gzipSync } from 'node:zlib';
import { eventually } from '../support/eventually.js';
import { fetchRaw } from '../support/http.js';
import type { HttpAnswer } from '../support/http.js';
import { pageLines, startPushgateway } from '../support/push-servers.js';
import type { RunningServer } from '../support/push-servers.js';
import { pushTarget, startPushRig, TENANT_HEADER } from '../support/push-rig.js';
import type { PushRig } from '../support/push-rig.js';

/** Pushgateway's protocol, with a real one behind the door: its admin API is on, so that what keeps it away is the door. */

let gateway: RunningServer;
/** Checks nothing: what the door lets through stays. */
let carefree: RunningServer;
let rig: PushRig;

beforeAll(async () => {
  [gateway, carefree] = await Promise.all([startPushgateway(['--web.enable-admin-api', '--web.enable-lifecycle']), startPushgateway(['--push.disable-consistency-check'])]);
  rig = await startPushRig({
    targets: [pushTarget({ name: 'pgw', kind: 'pushgateway', url: `${gateway.url}/` }), pushTarget({ name: 'carefree', kind: 'pushgateway', url: carefree.url })],
  });
});
afterEach(async () => {
  await fetchRaw({ url: `${gateway.url}/api/v1/admin/wipe`, method: 'PUT' });
});
afterAll(async () => {
  await rig[Symbol.asyncDispose]();
  await gateway[Symbol.asyncDispose]();
  await carefree[Symbol.asyncDispose]();
});

interface PushRequest {
  readonly method?: string;
  readonly body?: string | Buffer;
  readonly tenant?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly target?: string;
}

function push(path: string, { method = 'PUT', body = 'some 1\n', tenant = 'team-a', headers = {}, target = 'pgw' }: PushRequest = {}): Promise<HttpAnswer> {
  const withBody = method === 'DELETE' || method === 'GET' ? {} : { body };
  return fetchRaw({ url: `${rig.url}/push/${target}`, target: `/push/${target}${path}`, method, headers: { [TENANT_HEADER]: tenant, ...headers }, ...withBody });
}

function held(name: string, server = gateway): Promise<readonly string[]> {
  return pageLines(`${server.url}/metrics`, name);
}

describe('a group', () => {
  it.each([
    ['/metrics/job/batch', 'some{instance="",job="batch",tenant="team-a"} 1'],
    ['/metrics/job/batch/instance/host-1', 'some{instance="host-1",job="batch",tenant="team-a"} 1'],
    ['/metrics/job/batch/tenant/team-a', 'some{instance="",job="batch",tenant="team-a"} 1'],
    ['/metrics/job@base64/L3Zhci90bXA=/path@base64/L3Zhci90bXA', 'some{instance="",job="/var/tmp",path="/var/tmp",tenant="team-a"} 1'],
    ['/metrics/job/a%20b/x@base64/=', 'some{instance="",job="a b",tenant="team-a",x=""} 1'],
    ['/metrics/job/%E2%82%AC', 'some{instance="",job="€",tenant="team-a"} 1'],
  ])('is the tenant’s own: %s', async (path, line) => {
    expect(await push(path)).toMatchObject({ status: 200 });
    expect(await held('some')).toEqual([line]);
    expect((await held('push_time_seconds')).filter((each) => !each.includes('tenant="team-a"'))).toEqual([]);
  });

  it('is put, posted to and deleted', async () => {
    await push('/metrics/job/batch', { body: 'one 1\n' });
    await push('/metrics/job/batch', { method: 'POST', body: 'two 2\n' });
    expect([...(await held('one')), ...(await held('two'))]).toHaveLength(2);
    await push('/metrics/job/batch', { body: 'three 3\n' });
    expect([...(await held('one')), ...(await held('two')), ...(await held('three'))]).toEqual(['three{instance="",job="batch",tenant="team-a"} 3']);
    expect(await push('/metrics/job/batch', { method: 'DELETE' })).toMatchObject({ status: 202 });
    expect(await held('three')).toEqual([]);
  });

  it('takes gzip', async () => {
    expect(await push('/metrics/job/batch', { body: gzipSync('some 1\n'), headers: { 'content-encoding': 'gzip' } })).toMatchObject({ status: 200 });
    expect(await held('some')).toHaveLength(1);
  });
});

describe('of another tenant', () => {
  it('nothing can be overwritten or deleted', async () => {
    await push('/metrics/job/batch', { tenant: 'team-b', body: 'some 2\n' });
    const before = await held('some');
    expect(before).toEqual(['some{instance="",job="batch",tenant="team-b"} 2']);
    for (const method of ['PUT', 'POST', 'DELETE']) {
      expect(await push('/metrics/job/batch/tenant/team-b', { method })).toMatchObject({ status: 400, headers: { 'x-scrapeway-reason': 'push_refused' } });
      expect((await push('/metrics/job/batch', { method })).status).toBeLessThan(300);
      for (const path of [
        '/metrics/job/batch%2Ftenant%2Fteam-b',
        '/metrics/job/batch/x/y%2Ftenant%2Fteam-b',
        '/metrics/job/batch/tenant/team-a/tenant/team-b',
        '/metrics/job/batch/tenant/team-b/tenant/team-a',
        '/metrics/job/batch/%74enant/team-b',
        '/metrics/job/batch/tenant%40base64/dGVhbS1i',
        '/metrics/job/batch/U__tenant/team-b',
        '/metrics/job/../job/batch/tenant/team-b',
        '/metrics//job/batch',
      ]) {
        expect([path, (await push(path, { method })).status]).toEqual([path, 400]);
      }
    }
    expect((await held('some')).filter((line) => line.includes('team-b'))).toEqual(before);
  });

  it.each(['pgw', 'carefree'])('labels in the body are overwritten: %s', async (target) => {
    expect((await push('/metrics/job/forged', { target, body: 'forged{tenant="team-b"} 1\n' })).status).toBeLessThan(300);
    expect(await held('forged', target === 'pgw' ? gateway : carefree)).toEqual(['forged{instance="",job="forged",tenant="team-a"} 1']);
  });

  it.each(['pgw', 'carefree'])('a label cannot be there twice, in text: %s', async (target) => {
    expect(await push('/metrics/job/twice', { target, body: 'twice{tenant="team-a",tenant="team-b"} 1\n' })).toMatchObject({ status: 400 });
    expect(await held('twice', target === 'pgw' ? gateway : carefree)).toEqual([]);
  });

  it('nor in protobuf, not even where the Pushgateway does not check', async () => {
    const field = (tag: number, content: Buffer): Buffer => Buffer.concat([Buffer.from([tag, content.length]), content]);
    const pair = (name: string, value: string): Buffer => field(0x0a, Buffer.concat([field(0x0a, Buffer.from(name)), field(0x12, Buffer.from(value))]));
    const gauge = field(0x12, Buffer.from([0x09, 0, 0, 0, 0, 0, 0, 0xf0, 0x3f]));
    const delimited = (labels: Buffer): Buffer => {
      const family = Buffer.concat([field(0x0a, Buffer.from('proto')), Buffer.from([0x18, 1]), field(0x22, Buffer.concat([labels, gauge]))]);
      return Buffer.concat([Buffer.from([family.length]), family]);
    };
    const headers = { 'content-type': 'application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited' };
    const twice = delimited(Buffer.concat([pair('tenant', 'team-a'), pair('tenant', 'team-b')]));
    expect(await push('/metrics/job/proto', { target: 'carefree', headers, body: twice })).toMatchObject({ status: 400, headers: { 'x-scrapeway-reason': 'push_malformed' } });
    expect(await push('/metrics/job/proto', { target: 'carefree', headers, body: delimited(pair('tenant', 'team-b')) })).toMatchObject({ status: 202 });
    expect(await held('proto', carefree)).toEqual(['proto{instance="",job="proto",tenant="team-a"} 1']);
    // the reason for the door's own look at labels: one such push, and nobody can read anything any more
    const url = `${carefree.url}/metrics/job/proto/tenant/team-a`;
    expect(await fetchRaw({ url, method: 'PUT', headers, body: twice })).toMatchObject({ status: 202 });
    expect(await fetchRaw({ url: `${carefree.url}/metrics` })).toMatchObject({ status: 500 });
    await fetchRaw({ url, method: 'DELETE' });
  });

  it('not even the help of a metric is told', async () => {
    await push('/metrics/job/batch', { tenant: 'team-b', body: '# HELP shared Secret of team-b.\n# TYPE shared counter\nshared 1\n' });
    const answer = await push('/metrics/job/batch', { body: '# HELP shared Other.\n# TYPE shared gauge\nshared 1\n' });
    expect(answer).toMatchObject({ status: 400, headers: { 'x-scrapeway-reason': 'push_rejected' } });
    expect(answer.body.toString()).not.toContain('team-b');
  });
});

describe('a fault in the body', () => {
  it('is told in the Pushgateway’s own words', async () => {
    expect((await push('/metrics/job/batch', { body: 'no metric at all\n' })).body.toString()).toContain('text format parsing error in line 1');
  });
});

describe('everything else of a Pushgateway', () => {
  it.each([
    ['PUT', '/api/v1/admin/wipe', 403],
    ['PUT', '/metrics/../api/v1/admin/wipe', 400],
    ['PUT', '/metrics/job/x/..%2F..%2F..%2Fapi%2Fv1%2Fadmin%2Fwipe', 400],
    ['PUT', '/%2e%2e/api/v1/admin/wipe', 403],
    ['PUT', '/-/quit', 403],
    ['POST', '/-/quit', 403],
    ['GET', '/metrics', 405],
    ['GET', '/metrics/job/batch', 405],
    ['GET', '/api/v1/metrics', 403],
    ['GET', '/', 403],
    ['GET', '', 403],
    ['DELETE', '/metrics', 400],
    ['DELETE', '/metrics/', 400],
    ['DELETE', '/metrics/job', 400],
    ['DELETE', '/metrics/job/', 400],
  ])('is out of reach: %s %s', async (method, path, status) => {
    await push('/metrics/job/keep');
    expect((await push(path, { method, body: '' })).status).toBe(status);
    expect(await held('some')).toHaveLength(1);
  });
});

describe('groups that nobody pushes any more', () => {
  const groupTtl = { ms: 3_000, byTenant: { 'team-b': 3_600_000 } };

  it('expire by the policy of their target and tenant, whatever their key; those of nobody stay', async () => {
    await using server = await startPushgateway();
    await using own = await startPushRig({ targets: [pushTarget({ name: 'pgw', kind: 'pushgateway', url: server.url, groupTtl })] });
    const put = (tenant: string, key: string): Promise<HttpAnswer> => fetchRaw({ url: `${own.url}/push/pgw`, target: `/push/pgw/metrics/${key}`, method: 'PUT', headers: { [TENANT_HEADER]: tenant }, body: 'some 1\n' });
    const keys = ['job/batch', 'job/other/instance/db-1', 'job@base64/L3Zhci90bXA/x@base64/=', 'job/%E2%82%AC/instance@base64/='];
    for (const key of keys) expect(await put('team-a', key)).toMatchObject({ status: 200 });
    await put('team-b', 'job/batch');
    await fetchRaw({ url: `${server.url}/metrics/job/unlabelled`, method: 'PUT', body: 'some 1\n' });
    expect(await held('some', server)).toHaveLength(6);
    // One that is pushed again and again stays.
    await server.process.until('four minus one are gone', async () => {
      await put('team-a', 'job/batch');
      expect((await held('some', server)).toSorted()).toEqual([
        'some{instance="",job="batch",tenant="team-a"} 1',
        'some{instance="",job="batch",tenant="team-b"} 1',
        'some{instance="",job="unlabelled"} 1',
      ]);
    }, { timeoutMs: 20_000, intervalMs: 250 });
    const metrics = await own.registry.metrics();
    expect(metrics).toContain('scrapeway_push_expired_groups_total{target="pgw",tenant="team-a"} 3');
    expect(metrics).toMatch(/^scrapeway_push_groups\{target="pgw"\} \d$/m);
  }, 40_000);

  it('stay where another gateway lets them expire, and go as soon as this one does', async () => {
    await using server = await startPushgateway();
    await using own = await startPushRig({ targets: [pushTarget({ name: 'pgw', kind: 'pushgateway', url: server.url, groupTtl: { ms: 1_000, byTenant: {} } })] });
    own.push.setExpiring(false);
    await fetchRaw({ url: `${own.url}/push/pgw`, target: '/push/pgw/metrics/job/batch', method: 'PUT', headers: { [TENANT_HEADER]: 'team-a' }, body: 'some 1\n' });
    await server.process.until('its time has passed twice', async () => {
      const [line = ''] = await pageLines(`${server.url}/metrics`, 'push_time_seconds');
      expect(Date.now() / 1000 - Number(line.split(' ')[1])).toBeGreaterThan(2.5);
    }, { timeoutMs: 10_000 });
    expect(await held('some', server)).toHaveLength(1);
    own.push.setExpiring(true);
    await server.process.until('it is gone', async () => expect(await held('some', server)).toEqual([]), { timeoutMs: 10_000 });
  }, 30_000);

  it('and a Pushgateway that cannot be asked are told', async () => {
    await using own = await startPushRig({ targets: [pushTarget({ name: 'gone', kind: 'pushgateway', url: 'http://127.0.0.1:1', groupTtl })] });
    await eventually(async () => expect(await own.registry.metrics()).toMatch(/^scrapeway_push_expiry_failures_total\{target="gone"\} [1-9]/m));
  });
});
