import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { optionalBinary } from '../support/binaries.js';
import { CHART_VARIANTS } from '../support/chart-variants.js';
import { at, chartDir, parseManifests, renderChart } from '../support/helm.js';
import type { Manifest } from '../support/helm.js';
import { kubeMissing, startKube } from '../support/kube.js';
import type { RunningKube } from '../support/kube.js';
import { DOCUMENTED_METRIC_ACCESSES } from '../support/metric-access-manifests.js';

/**
 * What a real API server says of the chart's CRDs, of objects of those kinds, and of the rendered chart.
 */

const missing = await kubeMissing();
const withKube = missing === undefined ? describe : describe.skip;
if (missing !== undefined) process.stderr.write(`kube.test.ts is skipped: ${missing}\n`);

const crdDir = path.join(chartDir, 'crds');
const crds = (await Promise.all((await readdir(crdDir)).map(async (file) => parseManifests(await readFile(path.join(crdDir, file), 'utf8'))))).flat();

function metricAccess(spec: unknown): Manifest {
  return { apiVersion: 'observability.ethos.io/v1alpha1', kind: 'MetricAccess', metadata: { name: 'bad' }, spec };
}

function own(kind: string, spec: unknown, name = 'team-a'): Manifest {
  return { apiVersion: 'scrapeway.io/v1alpha1', kind, metadata: { name }, spec };
}

const CREDENTIALS = [{ certificate: { uri: 'spiffe://scrapeway/tenant/team-a' } }];

const GOOD: readonly (readonly [string, Manifest])[] = [
  ['a tenant with every kind of credential', own('Tenant', { credentials: [
    { certificate: { dns: 'team-a.example' }, issuer: 'CN=team-a CA' },
    { basic: { user: 'team-a', passwordHashSecret: { name: 's', key: 'hash' } }, expires: '2027-01-31T00:00:00Z' },
    { bearer: { tokenSecret: { name: 's', key: 'token' } }, scope: [{ agents: ['berlin'], targets: ['node'] }] },
    { bearer: { sha256: 'ab'.repeat(32) } },
  ], scrape: [{ selector: '{env="prod"}' }], deny: [{ selector: '{secret="true"}' }], limits: { requestsPerSecond: 200, query: { maxRange: '1d12h' } } })],
  ['a tenant for whom a namespace speaks', own('Tenant', { credentials: CREDENTIALS, metricAccess: { namespaces: ['team-a'], within: [{ metrics: ['http_.*'], labels: { namespace: 'team-a' } }] } })],
  ['an agent', own('Agent', { tenants: ['team-a'], certificate: { uri: 'spiffe://example/berlin' } }, 'berlin')],
  ['a backend', own('Backend', { url: 'https://prometheus.monitoring.svc:9090/prom', replicas: ['http://prometheus-1:9090'], basic: { user: 'scrapeway', passwordSecret: { name: 's', key: 'p' } }, timeout: '1m30s' }, 'main')],
  ['a backend behind an agent', own('Backend', { agent: { name: 'berlin', service: 'prometheus', path: '/prom' } }, 'far')],
];

const BAD: readonly (readonly [string, Manifest, string])[] = [
  ['a MetricAccess without metrics', metricAccess({ source: 'a' }), 'spec.metrics'],
  ['a MetricAccess without source', metricAccess({ metrics: ['up'] }), 'spec.source'],
  ['a MetricAccess whose metrics are no list', metricAccess({ source: 'a', metrics: 'up' }), 'spec.metrics'],
  ['an export without a target', metricAccess({ source: 'a', metrics: ['up'], remoteWrite: { enabled: true } }), 'spec.remoteWrite.target'],
  ['an export without a type', metricAccess({ source: 'a', metrics: ['up'], remoteWrite: { enabled: true, target: {} } }), 'spec.remoteWrite.target.type'],
  ['a password that is no Secret', metricAccess({ source: 'a', metrics: ['up'], remoteWrite: { enabled: true, target: { type: 'remote_write' }, remoteWrite: { url: 'https://x', basicAuth: { username: 'u', password: 'p' } } } }), 'password'],
  ['an unknown field of a MetricAccess, under strict validation', metricAccess({ source: 'a', metrics: ['up'], metric: ['up'] }), 'metric'],
  ['a credential of two kinds', own('Tenant', { credentials: [{ ...CREDENTIALS[0], bearer: { sha256: 'ab'.repeat(32) } }] }), 'exactly one of certificate, basic, bearer'],
  ['a credential of no kind', own('Tenant', { credentials: [{ expires: '2027-01-31T00:00:00Z' }] }), 'exactly one of certificate, basic, bearer'],
  ['a bearer token twice', own('Tenant', { credentials: [{ bearer: { sha256: 'ab'.repeat(32), tokenSecret: { name: 's', key: 'k' } } }] }), 'exactly one of sha256 and tokenSecret'],
  ['a token in the object itself', own('Tenant', { credentials: [{ bearer: { token: 'secret' } }] }), 'token'],
  ['an issuer without a certificate', own('Tenant', { credentials: [{ bearer: { sha256: 'ab'.repeat(32) }, issuer: 'CN=x' }] }), 'issuer goes with certificate only'],
  ['a certificate with two names', own('Tenant', { credentials: [{ certificate: { uri: 'a:b', dns: 'a' } }] }), 'exactly one of uri and dns'],
  ['a tenant whose name is no path segment', own('Tenant', { credentials: CREDENTIALS }, 'team.a'), 'metadata.name'],
  ['namespaces that speak without a ceiling', own('Tenant', { credentials: CREDENTIALS, metricAccess: { namespaces: ['a'] } }), 'within'],
  ['an agent of nobody', own('Agent', { tenants: [] }, 'berlin'), 'spec.tenants'],
  ['a backend without url, discovery and agent', own('Backend', {}, 'main'), 'exactly one of url, discover and agent'],
  ['a backend in two places', own('Backend', { url: 'http://p', agent: { name: 'berlin', service: 'prometheus' } }, 'main'), 'exactly one of url, discover and agent'],
  ['a backend behind an agent with no service', own('Backend', { agent: { name: 'berlin' } }, 'main'), 'spec.agent.service'],
  ['a backend that is no URL', own('Backend', { url: 'prometheus:9090' }, 'main'), 'spec.url'],
  ['a backend with two credentials', own('Backend', { url: 'http://p', basic: { user: 'u', passwordSecret: { name: 's', key: 'k' } }, bearerTokenSecret: { name: 's', key: 'k' } }, 'main'), 'exclude each other'],
];

withKube('on a real API server', () => {
  let kube: RunningKube;
  let namespace: string;

  beforeAll(async () => {
    kube = await startKube();
    await kube.applyCrds(crds);
    namespace = await kube.freshNamespace();
  }, 120_000);
  afterAll(async () => kube.stop());

  it.each(crds.map((crd) => [crd.metadata.name, crd] as const))('%s is structural and accepted without a warning', async (_name, crd) => {
    const { status, body, warnings } = await kube.apply(crd);
    expect({ status, warnings }).toEqual({ status: 200, warnings: [] });
    const [conditions] = [at(body, 'status', 'conditions')];
    expect(JSON.stringify(conditions)).not.toContain('NonStructuralSchema');
  });

  it.each(DOCUMENTED_METRIC_ACCESSES.map((each) => [each.metadata.name, each] as const))('takes the documented MetricAccess %s, and keeps all that it says', async (_name, manifest) => {
    const { message, body } = await kube.apply(manifest, { namespace });
    expect(message).toBe('');
    expect(at(body, 'spec')).toEqual(manifest['spec']);
  });

  it.each(GOOD)('takes %s', async (_what, manifest) => {
    expect((await kube.apply(manifest, { namespace })).message).toBe('');
  });

  it.each(BAD)('refuses %s', async (_what, manifest, place) => {
    const { status, message } = await kube.apply(manifest, { namespace });
    expect(status).toBeGreaterThanOrEqual(400);
    expect(message).toContain(place);
  });

  it('fills in the defaults of the gateway’s file', async () => {
    const { body } = await kube.apply(own('Tenant', { credentials: CREDENTIALS }, 'defaults'), { namespace });
    expect(at(body, 'spec', 'scrape')).toEqual([{}]);
    expect(at(body, 'spec', 'limits', 'requestsPerSecond')).toBe(1000);
  });

  it('keeps status apart: a writer of the object cannot set it, a writer of the status cannot change the object', async () => {
    const manifest = { ...own('Agent', { tenants: ['a'] }, 'lisbon'), status: { conditions: [{ type: 'Accepted', status: 'True', reason: 'Accepted', message: '', lastTransitionTime: '2026-01-01T00:00:00Z' }] } };
    expect(at((await kube.apply(manifest, { namespace })).body, 'status')).toBeUndefined();
    const path_ = `/apis/scrapeway.io/v1alpha1/namespaces/${namespace}/agents/lisbon/status`;
    const { body } = await kube.request({ method: 'PATCH', path: path_, body: { spec: { tenants: ['b'] }, status: manifest.status }, contentType: 'application/merge-patch+json' });
    expect(at(body, 'status', 'conditions', 0, 'status')).toBe('True');
    expect(at(body, 'spec', 'tenants')).toEqual(['a']);
  });

  it('knows the short name', async () => {
    const { body } = await kube.request({ method: 'GET', path: '/apis/observability.ethos.io/v1alpha1' });
    expect(at(body, 'resources', 0, 'shortNames')).toEqual(['ma']);
  });

  it('takes what the chart renders, in every way, without a warning and under the restricted profile', async () => {
    const helm = await optionalBinary('helm');
    if (helm === undefined) throw new Error('no helm: node scripts/setup.mjs --for kubernetes builds it');
    const complaints: string[] = [];
    for (const { name, files, values } of CHART_VARIANTS) {
      // The Prometheus operator's kinds are not on this server.
      const manifests = (await renderChart(helm, files, values)).filter(({ apiVersion }) => !apiVersion.startsWith('monitoring.coreos.com'));
      for (const manifest of manifests) {
        const { message, warnings } = await kube.apply(manifest, { namespace, dryRun: true });
        complaints.push(...[message, ...warnings].filter((text) => text !== '').map((text) => `${name}: ${manifest.kind} ${manifest.metadata.name}: ${text}`));
      }
    }
    expect(complaints).toEqual([]);
  }, 120_000);

  it('would say so of a Deployment with too many rights, or with a field that there is not', async () => {
    const deployment = (pod: unknown): Manifest => ({
      apiVersion: 'apps/v1',
      kind: 'Deployment',
      metadata: { name: 'bad' },
      spec: { selector: { matchLabels: { a: 'b' } }, template: { metadata: { labels: { a: 'b' } }, spec: pod } },
    });
    const lax = await kube.apply(deployment({ containers: [{ name: 'a', image: 'a' }] }), { namespace, dryRun: true });
    expect(lax.warnings.join()).toContain('would violate PodSecurity');
    const misspelt = await kube.apply(deployment({ container: [{ name: 'a', image: 'a' }] }), { namespace, dryRun: true });
    expect(misspelt.message).toContain('container');
  });
});
