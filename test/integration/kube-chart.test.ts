import { execFile } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, it } from '@jest/globals';
import { parse } from 'yaml';
import { parse as parseQuery } from '../../src/promql/parse.js';
import { loadAgentConfig } from '../../src/config/agent-config.js';
import { readEnvironment } from '../../src/config/env.js';
import { loadGatewayConfig } from '../../src/config/gateway-config.js';
import { binary, optionalBinary } from '../support/binaries.js';
import { createTestPki } from '../support/certificates.js';
import { CHART_VARIANTS } from '../support/chart-variants.js';
import { at, chartDir, listAt, renderChart } from '../support/helm.js';
import type { Manifest } from '../support/helm.js';
import { projectDir } from '../support/project.js';
import { createTempDir } from '../support/temp-dir.js';
import { readProjectFile, sourcesBelow } from '../house/sources.js';

/**
 * The chart, rendered by Helm in every way that an operator may want it. What the API server says of the result is in
 * kube.test.ts.
 */

const run = promisify(execFile);
const helm = (await optionalBinary('helm')) ?? '';
const withHelm = helm === '' ? describe.skip : describe;
if (helm === '') process.stderr.write('kube-chart.test.ts is skipped: no helm; node scripts/setup.mjs --for kubernetes builds it\n');

const rendered = await Promise.all(CHART_VARIANTS.map(async (variant) => ({ ...variant, manifests: helm === '' ? [] : await renderChart(helm, variant.files, variant.values) })));

function ofKind(manifests: readonly Manifest[], ...kinds: readonly string[]): readonly Manifest[] {
  return manifests.filter(({ kind }) => kinds.includes(kind));
}

function podSpec(manifest: Manifest): unknown {
  return manifest.kind === 'Pod' ? at(manifest, 'spec') : at(manifest, 'spec', 'template', 'spec');
}

function containers(manifest: Manifest): readonly unknown[] {
  return [...listAt(podSpec(manifest), 'initContainers'), ...listAt(podSpec(manifest), 'containers')];
}

withHelm.each(rendered)('the chart, $name', ({ manifests }) => {
  const pods = ofKind(manifests, 'Deployment', 'Pod');

  it('runs every container under the restricted profile, on a read-only root, with bounds', () => {
    for (const pod of pods) {
      expect(at(podSpec(pod), 'securityContext')).toMatchObject({ runAsNonRoot: true, runAsUser: 65_532, seccompProfile: { type: 'RuntimeDefault' } });
      expect(at(podSpec(pod), 'automountServiceAccountToken')).toBe(false);
      for (const container of containers(pod)) {
        expect(at(container, 'securityContext')).toEqual({ allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, capabilities: { drop: ['ALL'] } });
        expect(at(container, 'resources', 'limits', 'memory')).toBeDefined();
      }
    }
  });

  it('mounts only volumes that there are, and has no volume that nobody mounts', () => {
    for (const pod of ofKind(pods, 'Deployment')) {
      const volumes = new Set(listAt(podSpec(pod), 'volumes').map((volume) => at(volume, 'name')));
      const mounted = new Set(containers(pod).flatMap((container) => listAt(container, 'volumeMounts')).map((mount) => at(mount, 'name')));
      expect([...mounted].toSorted()).toEqual([...volumes].toSorted());
    }
  });

  it('has Services, monitors and policies that find pods and ports', () => {
    const deployments = ofKind(manifests, 'Deployment');
    const findsPods = (selector: unknown): Manifest | undefined =>
      deployments.find((deployment) => Object.entries(selector ?? {}).every(([key, value]) => at(deployment, 'spec', 'template', 'metadata', 'labels', key) === value));
    for (const service of ofKind(manifests, 'Service')) {
      const pod = findsPods(at(service, 'spec', 'selector'));
      const ports = pod === undefined ? [] : containers(pod).flatMap((container) => listAt(container, 'ports')).map((port) => at(port, 'name'));
      for (const port of listAt(service, 'spec', 'ports')) expect(ports).toContain(at(port, 'targetPort'));
    }
    for (const policy of ofKind(manifests, 'NetworkPolicy', 'PodDisruptionBudget')) {
      expect(findsPods(at(policy, 'spec', policy.kind === 'NetworkPolicy' ? 'podSelector' : 'selector', 'matchLabels'))).toBeDefined();
    }
    for (const monitor of ofKind(manifests, 'ServiceMonitor')) {
      const wanted = Object.entries(at(monitor, 'spec', 'selector', 'matchLabels') ?? {});
      const found = ofKind(manifests, 'Service').filter((service) => wanted.every(([key, value]) => at(service, 'metadata', 'labels', key) === value));
      expect(found.map(({ metadata }) => metadata.name)).toHaveLength(1);
    }
  });

  it('writes configurations that gateway and agent take', async () => {
    await using dir = await createTempDir();
    const pki = await createTestPki(dir.path);
    const environment = readEnvironment({});
    if (!environment.ok) throw new Error('the environment is empty');
    await writeFile(dir.join('token'), 'a-token-of-sixteen-or-more');
    const here = async (name: string, text: string, key: string, certificate: string): Promise<string> => {
      const file = dir.join(name);
      const local = text
        .replaceAll(/\/etc\/scrapeway\/\S+\/tls\.crt/g, certificate)
        .replaceAll(/\/etc\/scrapeway\/\S+\/tls\.key/g, key)
        .replaceAll(/\/etc\/scrapeway\/tls\/clients-ca\/\S+/g, pki.clientsCaFile)
        .replaceAll(/\/etc\/scrapeway\/tls\/agents-ca\/\S+/g, pki.agentsCaFile)
        .replaceAll('/etc/scrapeway/tls/agent/ca.crt', pki.serverCaFile)
        .replaceAll('/etc/scrapeway/secrets/shop/token', dir.join('token'));
      await writeFile(file, local);
      return file;
    };
    const agent = await pki.agent('berlin');
    for (const secret of ofKind(manifests, 'Secret')) {
      const gatewayYaml = at(secret, 'stringData', 'gateway.yaml');
      const agentYaml = at(secret, 'stringData', 'agent.yaml');
      const loaded =
        typeof gatewayYaml === 'string'
          ? await loadGatewayConfig(await here('gateway.yaml', gatewayYaml, pki.gateway.keyFile, pki.gateway.certificateFile), environment.value)
          : await loadAgentConfig(await here('agent.yaml', String(agentYaml), agent.keyFile, agent.certificateFile), environment.value);
      expect(loaded.result).toMatchObject({ ok: true });
    }
  });

  it('gives the account what it uses and no more, and a token where it is used', () => {
    const config = ofKind(manifests, 'Secret').map((each) => String(at(each, 'stringData', 'gateway.yaml'))).find((text) => text.includes('kubernetes:')) ?? '';
    const roles = ofKind(manifests, 'Role', 'ClusterRole');
    const rules = roles.flatMap((role) => listAt(role, 'rules'));
    const agentFile = ofKind(manifests, 'Secret').map((each) => String(at(each, 'stringData', 'agent.yaml'))).join('\n');
    const agentLooks = /kubernetes_sd_configs|monitors:/.test(agentFile);
    const agentReads = agentFile.includes('secrets: true');
    expect(roles.length > 0).toBe(config !== '' || agentLooks);
    if (agentLooks) expect(JSON.stringify(rules)).not.toMatch(agentReads ? /"get"|"create"|"patch"/ : /secrets|"get"|"create"|"patch"/);
    expect(ofKind(manifests, 'RoleBinding', 'ClusterRoleBinding')).toHaveLength(roles.length);
    expect(JSON.stringify(rules)).not.toMatch(/"\*"|delete|"list","watch","patch"/);
    // By an agent where its monitors are.
    expect(secretRights(roles)).toEqual([...secretsWanted(config), ...(agentReads ? ['Role shop all'] : [])].toSorted());
    for (const pod of ofKind(pods, 'Deployment')) {
      const mounting = containers(pod).filter((container) => listAt(container, 'volumeMounts').some((mount) => at(mount, 'name') === 'account'));
      expect(mounting.map((container) => at(container, 'name'))).toEqual(config !== '' && pod.metadata.name.endsWith('gateway') ? ['gateway'] : agentLooks && pod.metadata.name.endsWith('agent') ? ['agent'] : []);
      expect(ofKind(manifests, 'ServiceAccount').map(({ metadata }) => metadata.name)).toContain(at(pod, 'spec', 'template', 'spec', 'serviceAccountName'));
    }
  });

  it('has alerts that promtool takes, on metrics that exist', async () => {
    const known = sourcesBelow('src').map(({ code }) => code).join('\n');
    for (const rule of ofKind(manifests, 'PrometheusRule')) {
      await using dir = await createTempDir();
      await writeFile(dir.join('rules.json'), JSON.stringify(at(rule, 'spec')));
      const { stdout } = await run(await binary('promtool'), ['check', 'rules', dir.join('rules.json')]);
      expect(stdout).toContain('SUCCESS');
      const metrics = [...JSON.stringify(at(rule, 'spec')).matchAll(/\bscrapeway_\w+/g)].map(([name]) => name);
      expect(metrics.filter((name) => !known.includes(`'${name}'`))).toEqual([]);
    }
  });
});

describe('the dashboards', () => {
  it.each(['gateway', 'agents'])('%s: every panel asks, in PromQL, for metrics that exist', (name) => {
    const known = sourcesBelow('src').map(({ code }) => code).join('\n');
    const { panels }: { panels: readonly { readonly title: string; readonly type: string; readonly targets?: readonly { readonly expr: string }[] }[] } = JSON.parse(readProjectFile(`deploy/chart/files/dashboards/${name}.json`));
    const asked = panels.filter(({ type }) => type !== 'row').map(({ title, targets = [] }) => ({ title, exprs: targets.map(({ expr }) => expr) }));
    expect(asked.filter(({ exprs }) => exprs.length === 0)).toEqual([]);
    const exprs = asked.flatMap((each) => each.exprs);
    // Grafana's own variables stand where a duration and a value are
    expect(exprs.filter((expr) => !parseQuery(expr.replaceAll('$__rate_interval', '5m')).ok)).toEqual([]);
    const metrics = new Set(exprs.flatMap((expr) => [...expr.matchAll(/\bscrapeway_\w+/g)].map(([metric]) => metric.replace(/_bucket$/, ''))));
    expect([...metrics].filter((metric) => !known.includes(`'${metric}'`))).toEqual([]);
  });
});

/** `Role monitoring gateway-tls,agents-ca`: where Secrets may be read, and which. */
function secretRights(roles: readonly Manifest[]): readonly string[] {
  const rights = roles.flatMap((role) => listAt(role, 'rules').flatMap((rule) => (listAt(rule, 'resources').includes('secrets') ? [`${role.kind} ${role.metadata.namespace ?? '*'} ${listAt(rule, 'resourceNames').toSorted().join() || 'all'}`] : [])));
  return [...new Set(rights)].toSorted();
}

/** What the gateway's file asks for: nothing else may be readable. */
function secretsWanted(text: string): readonly string[] {
  if (text === '') return [];
  const file: unknown = parse(text);
  const everywhere = (namespace: string): string => (namespace === '*' ? 'ClusterRole * all' : `Role ${namespace} all`);
  const names = (['scrape', 'agents'] as const).flatMap((door) => {
    const tls = at(file, 'listeners', door, 'tls');
    return [at(tls, 'secret', 'name'), ...listAt(tls, 'clientCaSecrets').map((ca) => at(ca, 'name'))].filter((name) => name !== undefined);
  });
  const [objects, access] = [at(file, 'kubernetes', 'objects') === true, at(file, 'kubernetes', 'metricAccess')];
  const own = objects ? (at(file, 'kubernetes', 'objectNamespaces') ?? ['monitoring']) : [];
  const asked = at(access, 'secrets') === true ? (at(access, 'namespaces') ?? ['*']) : [];
  const wanted = [...[own, asked].flat().map((namespace) => everywhere(String(namespace))), ...(names.length === 0 ? [] : [`Role monitoring ${[...new Set(names)].toSorted().join()}`])];
  return [...new Set(wanted)].toSorted();
}

withHelm('the chart refuses', () => {
  it.each([
    ['a gateway without a certificate', { 'gateway.tls.scrape.secretName': '' }, 'gateway.tls.scrape.secretName'],
    ['a gateway without a CA of agents', { 'gateway.tls.agents.clientCa.configMapName': '' }, 'gateway.tls.agents.clientCa'],
    ['a gateway without tenants', { 'gateway.config.tenants': [] }, 'at least one tenant'],
    ['a misspelt value', { 'gateway.replica': 3 }, 'replica'],
    ['what the chart itself writes', { 'gateway.config.runtimeDir': '/tmp' }, 'runtimeDir'],
    ['a digest that is none', { 'image.digest': 'latest' }, 'digest'],
    ['certificates by the API without a cluster', { 'gateway.tls.source': 'api' }, 'needs kubernetes.enabled'],
    ['two sources of the file', { 'gateway.existingSecret': 'a', 'gateway.existingConfigMap': 'b' }, 'exclude each other'],
    ['a push door without tenants and targets', { 'agent.enabled': true, 'agent.tls.secretName': 'berlin-tls', 'agent.config.gateways': [{ address: 'gw:8443' }], 'agent.push.enabled': true }, 'agent.config.push is needed'],
    ['an agent without its certificate', { 'agent.enabled': true, 'agent.config.gateways': [{ address: 'gw:8443' }] }, 'agent.tls.secretName'],
  ])('%s', async (_what, values, message) => {
    await expect(renderChart(helm, ['ci/gateway-values.yaml'], values)).rejects.toThrow(message);
  });
});

withHelm('the chart in namespaced mode', () => {
  it('is asked for in at least twenty ways', () => {
    expect(CHART_VARIANTS.length).toBeGreaterThanOrEqual(20);
  });

  it('has no ClusterRole', () => {
    const { manifests = [] } = rendered.find(({ name }) => name.includes('no ClusterRole')) ?? {};
    expect(ofKind(manifests, 'ClusterRole', 'ClusterRoleBinding')).toEqual([]);
    expect(ofKind(manifests, 'Role').map(({ metadata }) => metadata.namespace)).toEqual(['default', 'monitoring']);
  });
});

describe('the image', () => {
  it('copies what the repository has, and runs as a number that is not root', async () => {
    const dockerfile = await readFile(path.join(projectDir, 'deploy/Dockerfile'), 'utf8');
    const copied = [...dockerfile.matchAll(/^COPY (?!--from)(.+) \S+$/gm)].flatMap(([, names = '']) => names.split(' '));
    await Promise.all(copied.map((name) => run('test', ['-e', path.join(projectDir, name)])));
    expect(copied).toContain('envoy');
    expect(dockerfile).toMatch(/^USER 65532:65532$/m);
    const values = await readFile(path.join(chartDir, 'templates/_helpers.tpl'), 'utf8');
    expect(values).toContain('runAsUser: 65532');
  });
});
