import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { KubeConfig } from '@kubernetes/client-node';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { startMetricAccessSource } from '../../src/k8s/metric-access-source.js';
import type { MetricAccessSource } from '../../src/k8s/metric-access-source.js';
import type { TranslationRules } from '../../src/k8s/translate.js';
import { silentLogger } from '../../src/lib/logger.js';
import type { QueryGrant } from '../../src/model/desired-state.js';
import { eventually } from '../support/eventually.js';
import { at, chartDir, listAt, parseManifests } from '../support/helm.js';
import type { Manifest } from '../support/helm.js';
import { kubeMissing, startKube } from '../support/kube.js';
import type { RunningKube } from '../support/kube.js';
import { DOCUMENTED_METRIC_ACCESSES } from '../support/metric-access-manifests.js';

/**
 * MetricAccess objects on a real API server, watched with the rights that docs/kubernetes.md names and no others.
 */

const missing = await kubeMissing();
const withKube = missing === undefined ? describe : describe.skip;
if (missing !== undefined) process.stderr.write(`kube-metric-access.test.ts is skipped: ${missing}\n`);

const OBJECTS = '/apis/observability.ethos.io/v1alpha1/namespaces';

/** The rights, as the document has them. */
const ROLES = parseManifests(`
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: { name: scrapeway-metric-access }
rules:
  - { apiGroups: [observability.ethos.io], resources: [metricaccesses], verbs: [get, list, watch] }
  - { apiGroups: [observability.ethos.io], resources: [metricaccesses/status], verbs: [patch] }
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: { name: scrapeway-metric-access }
roleRef: { apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: scrapeway-metric-access }
subjects: [{ kind: ServiceAccount, name: scrapeway, namespace: default }]
---
apiVersion: v1
kind: ServiceAccount
metadata: { name: scrapeway, namespace: default }
`);

withKube('MetricAccess in a cluster', () => {
  let kube: RunningKube;
  let source: MetricAccessSource;
  let namespace: string;
  const kubeConfig = new KubeConfig();
  let grants: ReadonlyMap<string, readonly QueryGrant[]> = new Map();

  const rules = (metrics: readonly string[]): TranslationRules => ({
    terms: [{ tenant: 'shop', namespaces: [namespace], within: [{ backends: undefined, metrics, labels: {} }] }],
    withoutTerms: 'deny',
    tenants: new Set(['shop']),
  });
  const access = (name: string, metrics: readonly string[]): Manifest => ({ apiVersion: 'observability.ethos.io/v1alpha1', kind: 'MetricAccess', metadata: { name }, spec: { source: 'shop', metrics } });
  const apply = async (manifest: Manifest, where = namespace): Promise<void> => {
    const { message } = await kube.apply(manifest, { namespace: where });
    if (message !== '') throw new Error(message);
  };
  const selectors = (): readonly string[] => (grants.get('shop') ?? []).flatMap(({ metrics }) => metrics).toSorted();
  const isGranted = async (wanted: readonly string[], timeoutMs = 1_000): Promise<void> => {
    await eventually(() => expect(selectors()).toEqual(wanted), { timeoutMs, what: 'the grants' });
  };
  const accepted = async (name: string, where = namespace): Promise<unknown> =>
    eventually(async () => {
      const { body } = await kube.request({ method: 'GET', path: `${OBJECTS}/${where}/metricaccesses/${name}` });
      const condition = listAt(body, 'status', 'conditions').find((each) => at(each, 'type') === 'Accepted');
      if (condition === undefined || at(condition, 'observedGeneration') !== at(body, 'metadata', 'generation')) throw new Error('no status of this version yet');
      return condition;
    });

  beforeAll(async () => {
    kube = await startKube();
    await kube.applyCrds(parseManifests(await readFile(path.join(chartDir, 'crds/observability.ethos.io_metricaccesses.yaml'), 'utf8')));
    namespace = await kube.freshNamespace();
    for (const role of ROLES) await kube.apply(role);
    const { body } = await kube.request({ method: 'POST', path: '/api/v1/namespaces/default/serviceaccounts/scrapeway/token', body: { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenRequest', spec: {} } });
    kubeConfig.loadFromOptions({
      clusters: [{ name: 'test', server: kube.url, caFile: kube.caFile }],
      users: [{ name: 'scrapeway', token: String(at(body, 'status', 'token')) }],
      contexts: [{ name: 'test', cluster: 'test', user: 'scrapeway' }],
      currentContext: 'test',
    });
    await apply(access('first', ['up']));
    source = startMetricAccessSource({
      kubeConfig,
      namespace: undefined,
      rules: rules(['.+']),
      onGrants: (next) => {
        grants = next;
      },
      logger: silentLogger,
    });
    await isGranted(['{__name__="up"}'], 10_000);
  }, 120_000);
  afterAll(async () => {
    await source.close();
    await kube.stop();
  });

  it('is there with its status after the start', async () => {
    expect(source.synced()).toBe(true);
    expect(await accepted('first')).toMatchObject({ status: 'True', reason: 'Accepted' });
  });

  it('takes effect in less than a second when it is added, changed and deleted', async () => {
    await apply(access('second', ['node_load1']));
    await isGranted(['{__name__="node_load1"}', '{__name__="up"}']);
    await apply(access('second', ['node_load5']));
    await isGranted(['{__name__="node_load5"}', '{__name__="up"}']);
    await kube.request({ method: 'DELETE', path: `${OBJECTS}/${namespace}/metricaccesses/second` });
    await isGranted(['{__name__="up"}']);
  });

  it('that is partly wrong says what, and what is in force', async () => {
    await apply(access('half', ['http_requests_total', '*_total', '{}']));
    await isGranted(['{__name__="http_requests_total"}', '{__name__="up"}']);
    expect(await accepted('half')).toMatchObject({ status: 'False', reason: 'PatternsRefused', message: expect.stringContaining('*_total') });
    await kube.request({ method: 'DELETE', path: `${OBJECTS}/${namespace}/metricaccesses/half` });
    await isGranted(['{__name__="up"}']);
  });

  it('of a namespace that speaks for nobody gives nothing, and says so', async () => {
    const other = await kube.freshNamespace();
    await apply(access('first', ['secret_total']), other);
    expect(await accepted('first', other)).toMatchObject({ status: 'False', reason: 'NothingAllowed', message: expect.stringContaining('no tenant takes the word') });
    expect(selectors()).toEqual(['{__name__="up"}']);
  });

  it('has its status written once, not again and again', async () => {
    const version = async (): Promise<unknown> => at((await kube.request({ method: 'GET', path: `${OBJECTS}/${namespace}/metricaccesses/first` })).body, 'metadata', 'resourceVersion');
    await accepted('first');
    const before = await version();
    // A change of another object makes the source look at all of them again.
    await apply(access('other', ['go_goroutines']));
    await accepted('other');
    await isGranted(['{__name__="go_goroutines"}', '{__name__="up"}']);
    expect(await version()).toBe(before);
    await kube.request({ method: 'DELETE', path: `${OBJECTS}/${namespace}/metricaccesses/other` });
    await isGranted(['{__name__="up"}']);
  });

  it('is narrowed when its terms are', async () => {
    source.setRules(rules(['http_.*']));
    await isGranted([]);
    await eventually(async () => expect(await accepted('first')).toMatchObject({ status: 'False', message: expect.stringContaining('outside of what an admin allows') }));
    source.setRules(rules(['.+']));
    await isGranted(['{__name__="up"}']);
  });

  it('stays in force while the API server is away, and follows it again when it is back', async () => {
    await kube.restart(async () => {
      expect(selectors()).toEqual(['{__name__="up"}']);
    });
    await apply(access('after', ['node_load1']));
    await isGranted(['{__name__="node_load1"}', '{__name__="up"}'], 15_000);
    await kube.request({ method: 'DELETE', path: `${OBJECTS}/${namespace}/metricaccesses/after` });
    await isGranted(['{__name__="up"}']);
  }, 60_000);

  it('that came or went while nobody watched is noticed by the next who starts', async () => {
    await source.close();
    await apply(access('unseen', ['node_load15']));
    let seen: ReadonlyMap<string, readonly QueryGrant[]> = new Map();
    const next = startMetricAccessSource({ kubeConfig, namespace, rules: rules(['.+']), onGrants: (given) => { seen = given; }, logger: silentLogger });
    await eventually(() => expect((seen.get('shop') ?? []).flatMap(({ metrics }) => metrics).toSorted()).toEqual(['{__name__="node_load15"}', '{__name__="up"}']));
    await next.close();
    source = startMetricAccessSource({ kubeConfig, namespace: undefined, rules: rules(['.+']), onGrants: (given) => { grants = given; }, logger: silentLogger });
    await isGranted(['{__name__="node_load15"}', '{__name__="up"}'], 10_000);
  });

  it('as documented is accepted, every form of it, and an export that is asked for is said not to run', async () => {
    for (const manifest of DOCUMENTED_METRIC_ACCESSES.slice(0, -1)) {
      await apply(manifest);
      expect(await accepted(manifest.metadata.name)).toMatchObject({ status: 'True' });
    }
    const { body } = await kube.request({ method: 'GET', path: `${OBJECTS}/${namespace}/metricaccesses/external` });
    expect(listAt(body, 'status', 'conditions').find((each) => at(each, 'type') === 'RemoteWrite')).toMatchObject({ status: 'False', reason: 'NotSupported' });
  });
});
