import { describe, expect, it } from '@jest/globals';
import { createTestPki } from '../../../../test/support/certificates.js';
import { createTempDir } from '../../../../test/support/temp-dir.js';
import { readFile } from 'node:fs/promises';
import type { DiscoveryJob, MonitorKind } from '../../../model/agent-settings.js';
import type { RelabelConfig } from '../../../model/relabel-config.js';
import { translateMonitor } from './translate.js';
import type { Asset, MonitorTerms, Translation } from './translate.js';

const ACCESS = { kind: 'in-cluster' } as const;
const TERMS: MonitorTerms = {
  name: 'cluster', access: ACCESS, kinds: ['PodMonitor', 'ServiceMonitor'], namespaces: [], ownNamespace: false, selector: '', targetNamespaces: undefined, secrets: true, files: ['/run/token', '/run/ca'],
  serviceRole: 'endpointslice', enforcedNamespaceLabel: undefined, relabelConfigs: [], maxObjects: 10, maxTargets: 100, maxBodyBytes: 1000,
};
const META = '__meta_kubernetes_';
const NAME: RelabelConfig = { source_labels: [`${META}namespace`, `${META}pod_name`, '__address__'], regex: '(.+);(.+);.*:(\\d+)', target_label: '__scrapeway_target__', replacement: '$1/$2/$3' };
const JOB: RelabelConfig = { source_labels: ['job'], target_label: '__tmp_prometheus_job_name' };
const RUNNING: RelabelConfig = { action: 'drop', source_labels: [`${META}pod_phase`], regex: '(Failed|Succeeded)' };

interface Given {
  readonly kind?: MonitorKind;
  readonly spec: object;
  readonly terms?: Partial<MonitorTerms>;
  readonly assets?: Readonly<Record<string, Asset>>;
}

function translate({ kind = 'PodMonitor', spec, terms = {}, assets = {} }: Given): Translation {
  const object = { namespace: 'shop', name: 'web', uid: 'u', created: '', spec: { selector: {}, ...spec } };
  return translateMonitor(kind, object, { ...TERMS, ...terms }, (what, namespace, name) => assets[`${what}/${namespace}${what === 'file' ? '' : '/'}${name}`]);
}

function jobs(given: Given): readonly DiscoveryJob[] {
  const result = translate(given);
  if (result.kind !== 'jobs') throw new Error(JSON.stringify(result));
  return result.jobs;
}

const pod = (endpoint: object, spec: object = {}): Given => ({ spec: { podMetricsEndpoints: [endpoint], ...spec } });
const service = (endpoint: object, spec: object = {}): Given => ({ kind: 'ServiceMonitor', spec: { endpoints: [endpoint], ...spec } });
const keep = (label: string, regex: string): RelabelConfig => ({ action: 'keep', source_labels: [META + label], regex });

describe('the rules of a PodMonitor', () => {
  it('are those of prometheus-operator, in its order', () => {
    const spec = { jobLabel: 'app.kubernetes.io/name', podTargetLabels: ['team', 'a.b/c-d'], selector: { matchLabels: { tier: 'front', app: 'web' } } };
    const relabelings = [{ sourceLabels: ['__address__'], targetLabel: 'x', regex: '', action: 'Replace', separator: '', replacement: '' }];
    const [job] = jobs(pod({ port: 'metrics', relabelings }, spec));
    expect(job?.relabelConfigs).toEqual([
      NAME,
      JOB,
      RUNNING,
      { action: 'keep', source_labels: [`${META}pod_label_app`, `${META}pod_labelpresent_app`], regex: '(web);true' },
      { action: 'keep', source_labels: [`${META}pod_label_tier`, `${META}pod_labelpresent_tier`], regex: '(front);true' },
      keep('pod_container_port_name', 'metrics'),
      { source_labels: [`${META}namespace`], target_label: 'namespace' },
      { source_labels: [`${META}pod_container_name`], target_label: 'container' },
      { source_labels: [`${META}pod_name`], target_label: 'pod' },
      { source_labels: [`${META}pod_label_team`], target_label: 'team', regex: '(.+)', replacement: '${1}' },
      { source_labels: [`${META}pod_label_a_b_c_d`], target_label: 'a_b_c_d', regex: '(.+)', replacement: '${1}' },
      { target_label: 'job', replacement: 'shop/web' },
      { source_labels: [`${META}pod_label_app_kubernetes_io_name`], target_label: 'job', regex: '(.+)', replacement: '${1}' },
      { target_label: 'endpoint', replacement: 'metrics' },
      { source_labels: ['__address__'], separator: '', target_label: 'x', replacement: '', action: 'replace' },
    ]);
  });

  it.each<[string, object, RelabelConfig | undefined, string | undefined]>([
    ['a name', { port: 'web' }, keep('pod_container_port_name', 'web'), 'web'],
    ['a number', { portNumber: 8080 }, keep('pod_container_port_number', '8080'), undefined],
    ['the older number', { targetPort: 8080 }, keep('pod_container_port_number', '8080'), '8080'],
    ['the older name, digits or not', { targetPort: '8080' }, keep('pod_container_port_name', '8080'), '8080'],
    ['the name before the others', { port: 'web', portNumber: 1, targetPort: 2 }, keep('pod_container_port_name', 'web'), 'web'],
    ['none: every port', {}, undefined, undefined],
  ])('for a port by %s', (_what, endpoint, rule, label) => {
    const rules = jobs(pod(endpoint))[0]?.relabelConfigs ?? [];
    expect(rules.find(({ source_labels: [source] = [''] }) => source?.includes('_port_'))).toEqual(rule);
    expect(rules.find(({ target_label: target }) => target === 'endpoint')?.replacement).toBe(label);
  });

  it('keep what has ended, where it is wanted', () => {
    expect(jobs(pod({ filterRunning: false }))[0]?.relabelConfigs).not.toContainEqual(RUNNING);
  });
});

describe('the rules of a ServiceMonitor', () => {
  const rulesOf = (of: 'endpoint' | 'endpointslice'): readonly RelabelConfig[] => {
    const behind = [`${META}${of}_address_target_kind`, `${META}${of}_address_target_name`];
    return [
      NAME,
      JOB,
      { action: 'keep', source_labels: [`${META}service_label_app`, `${META}service_labelpresent_app`], regex: '(a|b);true' },
      { action: 'drop', source_labels: [`${META}service_label_old`, `${META}service_labelpresent_old`], regex: '(1);true' },
      { action: 'keep', source_labels: [`${META}service_labelpresent_has`], regex: 'true' },
      { action: 'drop', source_labels: [`${META}service_labelpresent_lacks`], regex: 'true' },
      keep(`${of}_port_name`, 'web'),
      { source_labels: behind, separator: ';', regex: 'Node;(.*)', replacement: '${1}', target_label: 'node' },
      { source_labels: behind, separator: ';', regex: 'Pod;(.*)', replacement: '${1}', target_label: 'pod' },
      { source_labels: [`${META}namespace`], target_label: 'namespace' },
      { source_labels: [`${META}service_name`], target_label: 'service' },
      { source_labels: [`${META}pod_name`], target_label: 'pod' },
      { source_labels: [`${META}pod_container_name`], target_label: 'container' },
      RUNNING,
      { source_labels: [`${META}service_label_team`], target_label: 'team', regex: '(.+)', replacement: '${1}' },
      { source_labels: [`${META}pod_label_version`], target_label: 'version', regex: '(.+)', replacement: '${1}' },
      { source_labels: [`${META}service_name`], target_label: 'job', replacement: '${1}' },
      { source_labels: [`${META}service_label_name`], target_label: 'job', regex: '(.+)', replacement: '${1}' },
      { target_label: 'endpoint', replacement: 'web' },
    ];
  };
  const spec = {
    jobLabel: 'name',
    targetLabels: ['team'],
    podTargetLabels: ['version'],
    selector: {
      matchExpressions: [
        { key: 'app', operator: 'In', values: ['a', 'b'] },
        { key: 'old', operator: 'NotIn', values: ['1'] },
        { key: 'has', operator: 'Exists' },
        { key: 'lacks', operator: 'DoesNotExist' },
      ],
    },
  };

  it.each([
    ['the agent', {}, 'endpointslice'],
    ['the object', { serviceDiscoveryRole: 'Endpoints' }, 'endpoint'],
  ] as const)('are those of prometheus-operator, in its order, for the role that %s chooses', (_who, more, of) => {
    const [job] = jobs(service({ port: 'web' }, { ...spec, ...more }));
    expect(job?.relabelConfigs).toEqual(rulesOf(of));
    expect(job?.sources).toMatchObject([{ role: of === 'endpoint' ? 'endpoints' : 'endpointslice', namespaces: ['shop'], selectors: [] }]);
  });

  it('leave the choice to the API server, where the object says so', () => {
    const [job] = jobs(service({ port: 'web' }, { ...spec, selectorMechanism: 'RoleSelector' }));
    const label = 'app in (a,b),old notin (1),has,!lacks';
    expect(job?.sources).toMatchObject([{ selectors: [{ role: 'endpointslice', label, field: '' }, { role: 'service', label, field: '' }] }]);
    expect(job?.relabelConfigs).toEqual(rulesOf('endpointslice').filter((_, index) => index < 2 || index > 5));
  });
});

describe('an endpoint', () => {
  it('is a job of its own, with its settings', () => {
    const endpoint = { path: '/federate', scheme: 'HTTPS', params: { 'match[]': ['up', 'x'] }, interval: '30s', scrapeTimeout: '5s', tlsConfig: { serverName: 's', insecureSkipVerify: true } };
    const [one, two] = jobs({ spec: { podMetricsEndpoints: [endpoint, { port: 'b' }], sampleLimit: 7, bodySizeLimit: '0.5KB', attachMetadata: { node: true } } });
    expect(one).toMatchObject({ name: 'podMonitor/shop/web/0', scheme: 'https', metricsPath: '/federate', params: { 'match[]': ['up', 'x'] }, passesJob: true, maxTargets: 100 });
    expect(one?.fetch).toEqual({ filter: { relabelConfigs: [], sampleLimit: 7 }, timeoutMs: 5000, maxBodyBytes: 512, headers: {}, tls: { caPem: undefined, client: undefined, serverName: 's', insecureSkipVerify: true } });
    expect(one?.sources).toMatchObject([{ kind: 'kubernetes', access: ACCESS, role: 'pod', namespaces: ['shop'], attach: { node: true } }]);
    expect(two).toMatchObject({ name: 'podMonitor/shop/web/1', scheme: 'http', metricsPath: '/metrics', params: {} });
  });

  it("ends with the agent's own rules, after a label that no object can forge", () => {
    const last: RelabelConfig = { regex: 'tmp_.*', action: 'labeldrop' };
    const [job] = jobs({ ...pod({ relabelings: [{ targetLabel: 'namespace', replacement: 'other' }] }), terms: { enforcedNamespaceLabel: 'namespace', relabelConfigs: [last] } });
    expect(job?.relabelConfigs.slice(-3)).toEqual([{ target_label: 'namespace', replacement: 'other' }, { target_label: 'namespace', replacement: 'shop' }, last]);
  });

  it.each<[string, object, readonly string[] | undefined, readonly string[]]>([
    ['its own', {}, undefined, ['shop']],
    ['those it names', { matchNames: ['a', 'b'] }, undefined, ['a', 'b']],
    ['those of them that the agent lets it', { matchNames: ['a', 'b'] }, ['b', 'c'], ['b']],
    ['all', { any: true }, undefined, []],
    ['all that the agent lets it', { any: true, matchNames: ['a'] }, ['b', 'c'], ['b', 'c']],
  ])('looks in %s', (_what, namespaceSelector, targetNamespaces, namespaces) => {
    expect(jobs({ ...pod({}, { namespaceSelector }), terms: { targetNamespaces } })[0]?.sources).toMatchObject([{ namespaces }]);
  });
});

describe('credentials of an endpoint', () => {
  const key = { name: 'creds', key: 'k' };
  const assets = { 'secret/shop/creds': { texts: { k: 'word\n', u: 'me' } } };

  it.each<[string, object, string]>([
    ['a bearer token', { authorization: { credentials: key } }, 'Bearer word'],
    ['another scheme', { authorization: { type: ' Token ', credentials: key } }, 'Token word'],
    ['the older bearer token', { bearerTokenSecret: key }, 'Bearer word'],
    ['a password', { basicAuth: { username: { name: 'creds', key: 'u' }, password: key } }, `Basic ${Buffer.from('me:word\n').toString('base64')}`],
  ])('may be %s in a Secret of its namespace', (_what, endpoint, authorization) => {
    expect(jobs({ ...pod(endpoint), assets })[0]?.fetch.headers).toEqual({ authorization });
  });

  it("may be a file of the agent's, where that lists it", () => {
    expect(jobs({ ...service({ bearerTokenFile: '/run/token' }), assets: { 'file//run/token': { texts: { '': 'word\n' } } } })[0]?.fetch.headers).toEqual({ authorization: 'Bearer word' });
  });

  it('make the object wait until they are read', () => {
    expect(translate({ ...pod({ bearerTokenSecret: key }), assets: { 'secret/shop/creds': 'pending' } })).toEqual({ kind: 'pending' });
  });

  it('may be a certificate, with the CA in a ConfigMap', async () => {
    await using dir = await createTempDir();
    const pki = await createTestPki(dir.path);
    const files = await pki.client('agent');
    const [ca, cert, keyPem] = await Promise.all([pki.serverCaFile, files.certificateFile, files.keyFile].map((file) => readFile(file, 'utf8')));
    const texts = { ca: ca ?? '', cert: cert ?? '', key: keyPem ?? '' };
    const tlsConfig = { ca: { configMap: { name: 'cas', key: 'ca' } }, cert: { secret: { name: 'pair', key: 'cert' } }, keySecret: { name: 'pair', key: 'key' } };
    const all = { 'configmap/shop/cas': { texts }, 'secret/shop/pair': { texts } };
    expect(jobs({ ...service({ tlsConfig }), assets: all })[0]?.fetch.tls).toMatchObject({ caPem: texts.ca, client: { certificatePem: texts.cert, keyPem: texts.key } });
    const broken = { ...all, 'configmap/shop/cas': { texts: { ca: 'x' } }, 'secret/shop/pair': { texts: { cert: texts.cert, key: 'x' } } };
    expect(translate({ ...service({ tlsConfig }), assets: broken })).toMatchObject({ kind: 'refused', faults: [expect.stringContaining('tlsConfig.ca: holds no certificate'), expect.stringContaining('tlsConfig: cert or key')] });
  });
});

describe('an object is refused', () => {
  const secret = { bearerTokenSecret: { name: 's', key: 'k' } };
  it.each<[string, Given, string]>([
    ['without a selector', { spec: { selector: undefined } }, 'spec.selector: is missing'],
    ['with a selector that would be more than a label', pod({}, { selector: { matchLabels: { app: 'a)|(.*' } } }), 'spec.selector.matchLabels: "app" has a value'],
    ['with an operator that nobody knows', pod({}, { selector: { matchExpressions: [{ key: 'a', operator: 'Near' }] } }), 'spec.selector.matchExpressions[0].operator: must be one of'],
    ['with In and nothing', pod({}, { selector: { matchExpressions: [{ key: 'a', operator: 'In' }] } }), 'matchExpressions[0].values: must not be empty'],
    ['with a field of another type', pod({ port: 1 }), 'spec.podMetricsEndpoints[0].port: must be a text'],
    ['with a rule that Prometheus would refuse', pod({ relabelings: [{ action: 'hashmod', targetLabel: 'x' }] }), 'spec.podMetricsEndpoints[0].relabelings[0].modulus'],
    ['with a port that is no expression', pod({ port: '(' }), 'spec.podMetricsEndpoints[0]: port, labels and selector'],
    ['with a time-out beyond its interval', pod({ interval: '10s', scrapeTimeout: '11s' }), 'scrapeTimeout: is longer'],
    ['with a duration that is none', pod({ interval: 'often' }), 'interval: must be a duration'],
    ['with a size that is none', pod({}, { bodySizeLimit: 'big' }), 'spec.bodySizeLimit: must be a size'],
    ['with a file as its token', service({ bearerTokenFile: '/etc/passwd' }), 'spec.endpoints[0].authorization: is a file of the agent, which is not listed'],
    ['with a file as its CA', service({ tlsConfig: { caFile: '/run/../etc/passwd' } }), 'spec.endpoints[0].tlsConfig.ca: is a file of the agent, which is not listed'],
    ['with a file that is listed and not there', service({ bearerTokenFile: '/run/token' }), 'the file does not exist'],
    ['with a CA in two places', service({ tlsConfig: { caFile: '/run/ca', ca: { secret: { name: 's', key: 'k' } } } }), 'tlsConfig.ca: names more than one'],
    ['with a proxy', pod({ proxyUrl: 'http://x' }), 'proxyUrl: is not known to an agent'],
    ['with OAuth 2', pod({ oauth2: {} }), 'oauth2: is not known to an agent'],
    ['with a scrape class', pod({}, { scrapeClass: 'x' }), 'spec.scrapeClass: names what only'],
    ['with two kinds of credentials', pod({ ...secret, authorization: {} }), 'has more than one of'],
    ['with a certificate and no key', pod({ tlsConfig: { cert: { secret: { name: 'a', key: 'b' } } } }), 'needs both certificate and key'],
    ['with a Secret that is not there', pod(secret), 'the Secret s does not exist'],
    ['with a Secret without the key', { ...pod(secret), assets: { 'secret/shop/s': { texts: {} } } }, 'the Secret s has no key k'],
    ['with a Secret that may not be read', { ...pod(secret), assets: { 'secret/shop/s': { failed: '403: forbidden' } } }, 'cannot be read: 403'],
    ['with a token that is two lines', { ...pod(secret), assets: { 'secret/shop/s': { texts: { k: 'a\nb' } } } }, 'no header can carry'],
    ['with a Secret, where the agent lets it have none', { ...pod(secret), terms: { secrets: false } }, 'lets no object refer to a Secret s'],
    ['that looks where no target may be', { ...pod({}), terms: { targetNamespaces: ['other'] } }, 'spec.namespaceSelector: names no namespace'],
    ['whose metric rules read what samples do not have yet', pod({ metricRelabelings: [{ sourceLabels: ['__name__', 'namespace'], action: 'drop' }] }), "metricRelabelings: reads the target's label namespace"],
  ])('%s', (_what, given, fault) => {
    const result = translate(given);
    expect(result).toMatchObject({ kind: 'refused', faults: expect.arrayContaining([expect.stringContaining(fault)]) });
  });

  it('not for metric rules that read what the target exposes', () => {
    const metricRelabelings = [{ sourceLabels: ['__name__', 'namespace'], regex: 'go_.*', action: 'drop' }];
    expect(jobs(pod({ honorLabels: true, metricRelabelings }))[0]?.fetch.filter?.relabelConfigs).toEqual([{ source_labels: ['__name__', 'namespace'], regex: 'go_.*', action: 'drop' }]);
  });
});
