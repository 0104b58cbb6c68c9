import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { hash } from '@node-rs/bcrypt';
import { startAlertmanager } from '../support/alertmanager.js';
import { eventually } from '../support/eventually.js';
import { fetchRaw } from '../support/http.js';
import type { RunningServer } from '../support/push-servers.js';
import { PASSWORD, startWorld } from '../support/world.js';
import type { World } from '../support/world.js';

/** A real Alertmanager behind the query door: each tenant sees and silences its own alerts, through Envoy. */

const stack = new AsyncDisposableStack();
let world: World;
let alertmanager: RunningServer;

const HOUR_MS = 3_600_000;
const ALERTS = [
  { alertname: 'Down', namespace: 'a', job: 'api' },
  { alertname: 'Slow', namespace: 'a' },
  { alertname: 'Down', namespace: 'b', job: 'secret-job' },
  { alertname: 'Node', severity: 'page' },
];

beforeAll(async () => {
  alertmanager = stack.use(
    await startAlertmanager({
      route: { receiver: 'everybody', group_by: ['alertname'], group_wait: '1ms', routes: [{ receiver: 'team-a', matchers: ['namespace="a"'], group_by: ['alertname'], group_wait: '1ms' }] },
      receivers: [{ name: 'everybody' }, { name: 'team-a' }],
      inhibit_rules: [{ source_matchers: ['alertname="Node"'], target_matchers: ['alertname="Slow"'] }],
    }),
  );
  const credentials = async (user: string) => [{ basic: { user, passwordHash: await hash(PASSWORD, { cost: 4 }) } }];
  const own = (namespace: string) => ({ metrics: ['.*'], labels: { namespace } });
  world = stack.use(
    await startWorld({
      gateway: {
        backends: [{ name: 'alerts', url: alertmanager.url, api: 'alertmanager' }],
        tenants: [
          { name: 'team-a', credentials: await credentials('team-a'), query: [own('a')] },
          { name: 'team-b', credentials: await credentials('team-b'), query: [own('b')] },
          { name: 'both', credentials: await credentials('both'), query: [own('a'), own('b')] },
          { name: 'metrics-only', credentials: await credentials('metrics-only'), query: [{ metrics: ['http_.*'], labels: { namespace: 'a' } }] },
        ],
      },
    }),
  );
  await direct('/api/v2/alerts', { method: 'POST', body: JSON.stringify(ALERTS.map((labels) => ({ labels, annotations: { summary: `of ${labels.alertname}` }, endsAt: new Date(Date.now() + HOUR_MS) }))) });
  await eventually(async () => expect(await direct('/api/v2/alerts/groups')).toHaveLength(4));
});
afterAll(async () => {
  await stack.disposeAsync();
});

async function direct(path: string, init: { readonly method?: string; readonly body?: string } = {}): Promise<unknown> {
  const { body } = await fetchRaw({ url: `${alertmanager.url}${path}`, headers: { 'content-type': 'application/json' }, ...init });
  return body.length === 0 ? undefined : JSON.parse(body.toString());
}

async function door(tenant: string, path: string, sent?: unknown, method = sent === undefined ? 'GET' : 'POST'): Promise<{ readonly status: number; readonly value: unknown; readonly text: string }> {
  const answer = await fetchRaw({
    ...world.request(undefined, `/query/alerts${path}`),
    method,
    headers: { authorization: `Basic ${Buffer.from(`${tenant}:${PASSWORD}`).toString('base64')}`, ...(sent !== undefined && { 'content-type': 'application/json' }) },
    ...(sent !== undefined && { body: JSON.stringify(sent) }),
  });
  const text = answer.body.toString();
  return { status: answer.status, text, value: text.startsWith('scrapeway') ? undefined : JSON.parse(text) };
}

function silence(matchers: readonly unknown[], more: object = {}): object {
  return { matchers, startsAt: new Date(), endsAt: new Date(Date.now() + HOUR_MS), createdBy: 'me', comment: 'why', ...more };
}
const equal = (name: string, value: string): object => ({ name, value, isRegex: false, isEqual: true });

async function silenceDirectly(matchers: readonly unknown[]): Promise<string> {
  const answer = await direct('/api/v2/silences', { method: 'POST', body: JSON.stringify(silence(matchers)) });
  return typeof answer === 'object' && answer !== null && 'silenceID' in answer ? String(answer.silenceID) : '';
}

describe('alerts', () => {
  it.each([
    ['team-a', [['a', 'Down'], ['a', 'Slow']]],
    ['team-b', [['b', 'Down']]],
    ['both', [['a', 'Down'], ['a', 'Slow'], ['b', 'Down']]],
    ['metrics-only', []],
  ])('%s sees those whose series in ALERTS its rules allow', async (tenant, expected) => {
    const { value } = await door(tenant, '/api/v2/alerts');
    const seen = Array.isArray(value) ? value.map(({ labels }: { labels: { namespace: string; alertname: string } }) => [labels.namespace, labels.alertname]) : undefined;
    expect(seen?.toSorted()).toEqual(expected);
  });

  it('filters narrow, and cannot widen', async () => {
    expect((await door('team-a', '/api/v2/alerts?filter=alertname%3DDown')).value).toMatchObject([{ labels: { namespace: 'a' } }]);
    expect((await door('team-a', '/api/v2/alerts?filter=namespace%3Db')).value).toEqual([]);
    expect(await door('team-a', '/api/v2/alerts?filter=%7B%7B')).toMatchObject({ status: 400 });
  });

  it('groups without anything of the tenant are not there', async () => {
    const { value, text } = await door('team-b', '/api/v2/alerts/groups');
    expect(value).toMatchObject([{ labels: { alertname: 'Down' }, receiver: { name: 'everybody' }, alerts: [{ labels: { namespace: 'b' } }] }]);
    expect(text).not.toMatch(/team-a|Node|Slow/);
  });

  it('what inhibits or silences an alert is told only if it is the tenant’s', async () => {
    const { value } = await door('team-a', '/api/v2/alerts?filter=alertname%3DSlow');
    expect(value).toMatchObject([{ status: { state: 'suppressed', inhibitedBy: [], silencedBy: [] } }]);
  });

  it('receivers are those of the tenant’s own alerts', async () => {
    expect((await door('team-a', '/api/v2/receivers')).value).toEqual([{ name: 'team-a' }]);
  });
});

describe('silences', () => {
  it('are made the tenant’s own, whatever was written', async () => {
    const { status, value } = await door('team-a', '/api/v2/silences', silence([equal('alertname', 'Down')]));
    expect(status).toBe(200);
    expect(await direct('/api/v2/silences')).toMatchObject([{ matchers: [equal('alertname', 'Down'), equal('namespace', 'a')] }]);
    expect(await direct('/api/v2/alerts?filter=alertname%3DDown&silenced=false')).toMatchObject([{ labels: { namespace: 'b' } }]);
    const id = typeof value === 'object' && value !== null && 'silenceID' in value ? String(value.silenceID) : '';
    expect((await door('team-b', '/api/v2/silences')).value).toEqual([]);
    expect((await door('team-a', '/api/v2/alerts?filter=alertname%3DDown')).value).toMatchObject([{ status: { silencedBy: [id] } }]);
    expect((await door('team-a', '/api/v2/silences', silence([equal('alertname', 'Other')], { id }))).status).toBe(200);
    const [current] = JSON.parse((await door('team-a', '/api/v2/silences?filter=alertname%3DOther')).text);
    expect((await door('team-a', `/api/v2/silence/${current.id}`, undefined, 'DELETE')).status).toBe(200);
    expect(await direct(`/api/v2/silence/${current.id}`)).toMatchObject({ status: { state: 'expired' } });
  });

  it.each([
    ['of another tenant', [equal('alertname', 'Down'), equal('namespace', 'b')]],
    ['of all', [equal('alertname', 'Down')]],
    ['whose matcher only looks like the tenant’s', [{ name: 'namespace', value: 'a', isRegex: false, isEqual: false }]],
    ['of several tenants by a regex', [{ name: 'namespace', value: 'a|b', isRegex: true, isEqual: true }]],
  ])('one %s is not there', async (_, matchers) => {
    const id = await silenceDirectly(matchers);
    const notThere = await door('team-a', '/api/v2/silence/00000000-0000-4000-8000-000000000000');
    expect(notThere.status).toBe(404);
    for (const answer of [await door('team-a', `/api/v2/silence/${id}`), await door('team-a', `/api/v2/silence/${id}`, undefined, 'DELETE'), await door('team-a', '/api/v2/silences', silence([equal('alertname', 'x')], { id }))]) {
      expect([answer.status, answer.text]).toEqual([404, notThere.text.replace('00000000-0000-4000-8000-000000000000', id)]);
    }
    expect((await door('team-a', '/api/v2/silences')).text).not.toContain(id);
    expect(await direct(`/api/v2/silence/${id}`)).toMatchObject({ status: { state: 'active' } });
  });

  it.each([
    ['with several rules and none named', 'both', [equal('alertname', 'Down')]],
    ['of everything that is the tenant’s', 'team-a', [equal('namespace', 'a')]],
    ['without matchers', 'team-a', []],
    ['by a tenant without alerts', 'metrics-only', [equal('alertname', 'Down')]],
    ['of no shape', 'team-a', [{ name: 7 }]],
  ])('refuses one %s', async (_, tenant, matchers) => {
    expect((await door(tenant, '/api/v2/silences', silence(matchers))).status).toBe(400);
  });

  it('with several rules, the one that is named counts', async () => {
    expect((await door('both', '/api/v2/silences', silence([equal('alertname', 'Down'), equal('namespace', 'b')]))).status).toBe(200);
  });
});

describe('the rest of the API', () => {
  it('the status holds no configuration', async () => {
    const { value, text } = await door('team-a', '/api/v2/status');
    expect(value).toMatchObject({ cluster: { status: 'disabled' }, config: { original: '' }, versionInfo: { version: expect.any(String) } });
    expect(text).not.toContain('everybody');
  });

  it.each([
    ['POST', '/api/v2/alerts'],
    ['POST', '/-/reload'],
    ['GET', '/api/v1/query?query=up'],
    ['GET', '/api/v1/alerts'],
    ['GET', '/metrics'],
    ['DELETE', '/api/v2/silences'],
    ['GET', '/api/v2/silence/..%2Fstatus'],
  ])('%s %s is not there', async (method, path) => {
    expect((await door('team-a', path, method === 'POST' ? [] : undefined, method)).status).toBeGreaterThanOrEqual(400);
  });
});
