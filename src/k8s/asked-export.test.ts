import { describe, expect, it } from '@jest/globals';
import type { ExportDestination, ExportTerms } from '../model/desired-state.js';
import { DOCUMENTED_METRIC_ACCESSES } from '../../test/support/metric-access-manifests.js';
import { parseGoDuration } from './go-duration.js';
import { createTranslate } from './translate.js';
import type { Translation } from './translate.js';

/** What objects ask to have exported, and what an admin's terms leave of it. */

const BASIC = `Basic ${Buffer.from('team-a:secret').toString('base64')}`;

function destination(name: string, urls: readonly string[], more: Partial<ExportDestination> = {}): ExportDestination {
  return { name, kind: 'remote_write', urls, version: '2', headers: {}, oauth2: undefined, caPem: undefined, client: undefined, proxy: undefined, timeoutMs: 1000, tenantLabel: 'tenant', ...more };
}

const LISTED = [
  destination('own', ['http://prometheus.team-a.svc.cluster.local:9090/api/v1/write']),
  destination('outside', ['https://metrics.example/api/v1/write'], { headers: { 'X-Scope-OrgID': 'team-a', authorization: BASIC } }),
  destination('not-allowed', ['https://other.example/write']),
];
const TERMS: ExportTerms = { backend: 'main', destinations: ['own', 'outside'], ownServices: false, maxExports: 100 };

function access(remoteWrite: object, more: object = {}, name = 'one'): object {
  return { metadata: { name, namespace: 'team-a', generation: 1 }, spec: { source: 'x', metrics: ['up'], remoteWrite: { enabled: true, ...remoteWrite }, ...more } };
}

const TO_OWN = { target: { type: 'prometheus' }, prometheus: { serviceName: 'prometheus' } };
const to = (url: string, more: object = {}): object => ({ target: { type: 'remote_write', remoteWrite: { url, ...more } } });

function translate(objects: readonly object[], exports: ExportTerms | undefined = TERMS): Translation {
  const within = [{ backends: undefined, metrics: ['up', 'http_.*', '{namespace="team-a"}'], labels: {} }];
  return createTranslate()(objects, { terms: [{ tenant: 'a', namespaces: ['team-a'], within, exports }], withoutTerms: 'deny', tenants: new Set(['a']), destinations: LISTED });
}

function verdict(remoteWrite: object, { terms, more }: { readonly terms?: Partial<ExportTerms>; readonly more?: object } = {}): unknown {
  return translate([access(remoteWrite, more)], { ...TERMS, ...terms }).verdicts[0]?.exported;
}

describe('an export of an object', () => {
  it('goes to the admin\'s destination of these URLs, with what stands there, under the object\'s own name', () => {
    const { exports, verdicts } = translate([access({ ...TO_OWN, interval: '1m', honorLabels: true, extraLabels: { source: 'x' }, metricRelabelings: [{ sourceLabels: ['__name__'], regex: 'x', action: 'drop' }] })]);
    expect(verdicts[0]?.exported).toEqual({ active: true, tenant: 'a', name: 'team-a/one' });
    const [given] = exports.get('a') ?? [];
    expect(given?.destination).toMatchObject({ name: 'team-a/one', urls: LISTED[0]?.urls, tenantLabel: 'tenant' });
    expect(given?.spec).toMatchObject({ name: 'team-a/one', destination: 'team-a/one', backend: 'main', intervalMs: 60_000, honorLabels: true, extraLabels: { source: 'x' }, relabel: [{ source_labels: ['__name__'], regex: 'x', action: 'drop' }] });
    expect(given?.spec.metrics).toEqual(['{__name__="up"}', '{__name__="up",namespace="team-a"}']);
  });

  it('with metricIsolation has its own namespace only, whatever else it may query', () => {
    const metrics = translate([access(TO_OWN, { metricIsolation: true })]).exports.get('a')?.[0]?.spec.metrics;
    expect(metrics?.every((selector) => selector.includes('namespace="team-a"'))).toBe(true);
    expect(verdict(TO_OWN, { more: { metricIsolation: true, labelSelectors: { namespace: 'team-b' } } })).toMatchObject({ active: false, reason: 'NothingAllowed' });
  });

  it.each([
    ['where no admin allows any', TO_OWN, { destinations: [] }, 'NotAllowed', 'is no destination that an admin allows'],
    ['to a destination of the list that is not this tenant\'s', to('https://other.example/write'), {}, 'NotAllowed', 'https://other.example/write'],
    ['to a URL of nobody\'s', to('http://169.254.169.254/'), {}, 'NotAllowed', '169.254.169.254'],
    ['to a path beside the allowed one', to('https://metrics.example/api/v1/write/../push'), {}, 'NotAllowed', 'no destination'],
    ['into another namespace', { target: { type: 'prometheus' }, prometheus: { serviceName: 'prometheus', targetNamespace: 'team-b' } }, { ownServices: true }, 'NotAllowed', 'not the object\'s own'],
    ['with a header that says it is somebody else', to('https://metrics.example/api/v1/write', { headers: { 'x-scope-orgid': 'team-b' } }), {}, 'NotAllowed', 'x-scope-orgid'],
    ['with a header of its own', to('https://metrics.example/api/v1/write', { headers: { 'X-Own': '1' } }), {}, 'NotAllowed', 'X-Own'],
    ['with credentials of its own', to('https://metrics.example/api/v1/write', { basicAuth: { username: 'other', passwordSecret: { name: 'a', key: 'b' } } }), {}, 'NotAllowed', 'credentials'],
    ['with credentials in the URL', to('https://u:p@metrics.example/api/v1/write'), {}, 'Invalid', 'credentials'],
    ['of another scheme', to('file:///etc/passwd'), {}, 'Invalid', 'http'],
    ['of an unknown type', { target: { type: 'carrier-pigeon' } }, {}, 'Invalid', 'target.type'],
    ['whose block is missing', { target: { type: 'prometheus' } }, {}, 'Invalid', 'is missing'],
    ['with a block of another type', { ...TO_OWN, pushgateway: { serviceName: 'p', jobName: 'j' } }, {}, 'Invalid', 'pushgateway'],
    ['whose two places differ', { target: { type: 'prometheus', prometheus: { serviceName: 'a' } }, prometheus: { serviceName: 'b' } }, {}, 'Invalid', 'something else'],
    ['whose service is more than a name', { target: { type: 'prometheus' }, prometheus: { serviceName: 'evil.example/x?' } }, { ownServices: true }, 'Invalid', 'serviceName'],
    ['too often', { ...TO_OWN, interval: '1s' }, {}, 'Invalid', 'interval'],
    ['with a rule that is none', { ...TO_OWN, metricRelabelings: [{ regex: '(' }] }, {}, 'Invalid', 'metricRelabelings[0]'],
    ['with an action that is none', { ...TO_OWN, metricRelabelings: [{ action: 'steal' }] }, {}, 'Invalid', 'metricRelabelings[0]'],
    ['under another tenant\'s label', { ...TO_OWN, extraLabels: { tenant: 'b' } }, {}, 'Invalid', 'extraLabels.tenant'],
  ] as const)('%s is refused, and told', (_what, remoteWrite, terms, reason, message) => {
    expect(verdict(remoteWrite, { terms })).toEqual({ active: false, reason, message: expect.stringContaining(message) });
  });

  it('needs terms that speak of exports', () => {
    const { verdicts, exports } = createTranslate()([access(TO_OWN)], { terms: [{ tenant: 'a', namespaces: ['team-a'], within: [{ backends: undefined, metrics: ['up'], labels: {} }] }], withoutTerms: 'deny', tenants: new Set(['a']), destinations: LISTED });
    expect([verdicts[0]?.exported, exports.size, verdicts[0]?.inForce]).toEqual([{ active: false, reason: 'NotAllowed', message: expect.stringContaining('metricAccess.exports') }, 0, ['up']]);
  });

  it('reaches Services of its own namespace where the terms allow them, and guards the address', () => {
    const terms = { ...TERMS, destinations: [], ownServices: true };
    const urls = (remoteWrite: object): unknown => translate([access(remoteWrite)], terms).exports.get('a')?.map(({ destination: { urls: each, isGuarded } }) => [each, isGuarded]);
    expect(urls({ target: { type: 'prometheus' }, prometheus: { serviceName: 'prom', servicePort: 80, replicas: 2, statefulSetName: 'p' } })).toEqual([[['http://p-0.prom.team-a.svc.cluster.local:80/api/v1/write', 'http://p-1.prom.team-a.svc.cluster.local:80/api/v1/write'], true]]);
    expect(urls({ target: { type: 'pushgateway' }, pushgateway: { serviceName: 'push', jobName: 'j' } })).toEqual([[['http://push.team-a.svc.cluster.local:9091'], true]]);
  });

  describe('with basicAuth', () => {
    const bare = [destination('outside', ['https://metrics.example/api/v1/write']), destination('token', ['https://token.example/'], { headers: { authorization: 'Bearer x' } })];
    const basicAuth = { username: 'me', passwordSecret: { name: 'creds', key: 'password' } };
    const given = (secrets: ReadonlyMap<string, string> | undefined, url = 'https://metrics.example/api/v1/write', terms = { ...TERMS, destinations: ['outside', 'token'] }): unknown => {
      const look = secrets && (({ namespace, name }: { readonly namespace: string; readonly name: string }) => {
        const text = secrets.get(`${namespace}/${name}`);
        return text === undefined ? 'does not exist in this namespace' : { data: { password: Buffer.from(text).toString('base64') } };
      });
      const { verdicts, exports } = createTranslate()([access(to(url, { basicAuth }))], { terms: [{ tenant: 'a', namespaces: ['team-a'], within: [{ backends: undefined, metrics: ['up'], labels: {} }], exports: terms }], withoutTerms: 'deny', tenants: new Set(['a']), destinations: bare, look });
      return exports.get('a')?.[0]?.destination.headers['authorization'] ?? verdicts[0]?.exported;
    };

    it('sends the password of a Secret of its own namespace, where the admin has no credentials', () => {
      expect(given(new Map([['team-a/creds', 'secret\n']]))).toBe(`Basic ${Buffer.from('me:secret').toString('base64')}`);
    });

    it.each([
      ['where Secrets are not read', given(undefined), 'NotAllowed', 'kubernetes.metricAccess.secrets'],
      ['where the admin has credentials', given(new Map([['team-a/creds', 'secret']]), 'https://token.example/'), 'NotAllowed', 'the admin\'s to set'],
      ['whose Secret is another namespace\'s', given(new Map([['team-b/creds', 'secret']])), 'SecretMissing', 'the Secret creds with the key password: does not exist in this namespace'],
      ['whose Secret is empty', given(new Map([['team-a/creds', '\n']])), 'SecretMissing', 'is empty'],
    ])('%s is refused, and told', (_what, said, reason, message) => {
      expect(said).toEqual({ active: false, reason, message: expect.stringContaining(message) });
    });
  });

  it('of the documented forms is understood', () => {
    const { verdicts } = translate(DOCUMENTED_METRIC_ACCESSES, { ...TERMS, ownServices: true });
    const said = verdicts.map(({ object, exported }) => [object.name, exported === undefined ? 'none' : exported.active || exported.reason]);
    expect(said).toEqual([
      ['single-prometheus', 'Invalid'], ['all-replicas', true], ['pushgateway', true], ['external', true], ['isolated', true], ['not-isolated', 'none'],
      ['relabelled', true], ['nested-target', true], ['odd-but-valid', 'none'],
    ]);
  });

  it('is refused beyond the number of the terms, the first ones stay', () => {
    const { verdicts, exports } = translate(['one', 'two', 'three'].map((name) => access(TO_OWN, {}, name)), { ...TERMS, maxExports: 2 });
    expect(verdicts.map(({ exported }) => exported?.active === false ? exported.reason : exported?.active)).toEqual([true, true, 'TooMany']);
    expect(exports.get('a')).toHaveLength(2);
  });
});

describe('a duration of Go', () => {
  it.each([['30s', 30_000], ['1h30m', 5_400_000], ['1.5h', 5_400_000], ['500ms', 500], ['', undefined], ['30', undefined], ['1d', undefined], ['-5s', undefined], ['30s ', undefined]])('%j is %j ms', (text, ms) => {
    expect(parseGoDuration(text)).toBe(ms);
  });
});
