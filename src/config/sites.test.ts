import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { writeFile } from 'node:fs/promises';
import { createTestPki } from '../../test/support/certificates.js';
import type { TestPki } from '../../test/support/certificates.js';
import { createTempDir } from '../../test/support/temp-dir.js';
import type { TempDir } from '../../test/support/temp-dir.js';
import { formatFault } from '../lib/result.js';
import type { AgentSettings } from '../model/agent-settings.js';
import { loadAgentConfig } from './agent-config.js';
import { readEnvironment } from './env.js';

/** The parts of the agent's file that are for real sites: discovery, filters, the allow-list and the way out. */

let dir: TempDir;
let pki: TestPki;

beforeAll(async () => {
  dir = await createTempDir();
  pki = await createTestPki(dir.join('pki'));
  await writeFile(dir.join('password'), 'secret\n');
});
afterAll(async () => {
  await dir[Symbol.asyncDispose]();
});

async function load(file: Readonly<Record<string, unknown>>, variables: Readonly<Record<string, string>> = {}): Promise<AgentSettings | readonly string[]> {
  const { certificateFile, keyFile } = await pki.agent('site-a');
  const environment = readEnvironment(variables);
  if (!environment.ok) throw new Error('the environment is not right');
  const config = { gateways: [{ address: 'gateway.example:8443' }], tls: { certFile: certificateFile, keyFile, caFile: pki.serverCaFile }, ...file };
  await writeFile(dir.join('agent.yaml'), JSON.stringify(config));
  const { result } = await loadAgentConfig(dir.join('agent.yaml'), environment.value);
  return result.ok ? result.value.settings : result.error.map((fault) => formatFault({ place: fault.place, message: fault.message }));
}

describe('discovery', () => {
  it('looks at a cluster as Prometheus would: as a pod of it, by a kubeconfig, or at a server', async () => {
    await writeFile(dir.join('kubeconfig'), '{}');
    const settings = await load({
      discovery: [
        {
          name: 'cluster',
          kubernetes_sd_configs: [
            { role: 'pod', namespaces: { own_namespace: true, names: ['shop'] }, selectors: [{ role: 'pod', label: 'app=web' }], attach_metadata: { node: true } },
            { role: 'node', kubeconfig_file: 'kubeconfig' },
            { role: 'endpointslice', api_server: 'https://10.0.0.1:6443/', tls_config: { ca_file: pki.serverCaFile }, authorization: { type: 'Bearer', credentials_file: 'password' } },
          ],
        },
      ],
    });
    const nothing = { namespaces: [], ownNamespace: false, selectors: [], attach: { node: false, namespace: false, deployment: false, job: false, cronjob: false } };
    expect(settings).toMatchObject({
      discovery: [
        {
          sources: [
            { kind: 'kubernetes', role: 'pod', access: { kind: 'in-cluster' }, namespaces: ['shop'], ownNamespace: true, selectors: [{ role: 'pod', label: 'app=web', field: '' }], attach: { ...nothing.attach, node: true } },
            { ...nothing, role: 'node', access: { kind: 'kubeconfig', file: dir.join('kubeconfig') } },
            { ...nothing, role: 'endpointslice', access: { kind: 'server', url: 'https://10.0.0.1:6443', caPem: expect.stringContaining('BEGIN CERTIFICATE'), tokenFile: dir.join('password') } },
          ],
        },
      ],
    });
  });

  it('refuses of a cluster what Prometheus would refuse', async () => {
    await writeFile(dir.join('kubeconfig'), '{}');
    const faults = await load({
      discovery: [
        {
          name: 'cluster',
          kubernetes_sd_configs: [
            { role: 'pod', api_server: 'https://x', kubeconfig_file: 'kubeconfig', namespaces: { own_namespace: true } },
            { role: 'service', tls_config: {}, authorization: { credentials_file: 'password' }, selectors: [{ role: 'pod' }, { role: 'service' }, { role: 'service' }] },
            { role: 'pod', api_server: 'https://x' },
            { role: 'pod', kubeconfig_file: 'nowhere' },
          ],
        },
      ],
    });
    const at = 'discovery[0].kubernetes_sd_configs';
    expect(faults).toEqual([
      `${at}[0].api_server: stands beside \`kubeconfig_file\`, which names a server too`,
      `${at}[0].namespaces.own_namespace: is that of a pod of the cluster: without \`api_server\` and \`kubeconfig_file\` only`,
      `${at}[1].tls_config: is for \`api_server\` only`,
      `${at}[1].authorization: is for \`api_server\` only`,
      `${at}[1].selectors[0].role: the role service looks at no pod: one of service`,
      `${at}[1].selectors[2].role: service has a selector already`,
      `${at}[2].authorization: is missing: the API server wants to know who asks`,
      `${at}[3].kubeconfig_file: ${dir.join('nowhere')} does not exist`,
    ]);
  });

  it('may be by monitors of a cluster, within what the file says', async () => {
    await writeFile(dir.join('kubeconfig'), '{}');
    const settings = await load({ monitors: [{ name: 'here', namespaces: { own_namespace: true } }, { name: 'there', kubeconfig_file: 'kubeconfig', kinds: ['PodMonitor'], selector: 'a=b', targetNamespaces: ['shop'], secrets: true, files: ['/run/ca', 'token'], serviceDiscoveryRole: 'Endpoints', enforcedNamespaceLabel: 'namespace' }] });
    const defaults = { kinds: ['PodMonitor', 'ServiceMonitor'], namespaces: [], selector: '', targetNamespaces: [], secrets: false, files: [], serviceRole: 'endpointslice', enforcedNamespaceLabel: undefined, relabelConfigs: [], maxObjects: 500, maxTargets: 5000, maxBodyBytes: 2 ** 30 };
    expect(settings).toMatchObject({
      monitors: [
        { ...defaults, name: 'here', access: { kind: 'in-cluster' }, ownNamespace: true },
        { ...defaults, name: 'there', access: { kind: 'kubeconfig', file: dir.join('kubeconfig') }, ownNamespace: false, kinds: ['PodMonitor'], selector: 'a=b', targetNamespaces: ['shop'], secrets: true, files: ['/run/ca', dir.join('token')], serviceRole: 'endpoints', enforcedNamespaceLabel: 'namespace' },
      ],
    });
  });

  it('by monitors has names once, and rules that Prometheus would take', async () => {
    expect(await load({ monitors: [{ name: 'a', api_server: 'https://x' }, { name: 'a', relabel_configs: [{ action: 'hashmod' }] }] })).toEqual([
      'monitors[0].authorization: is missing: the API server wants to know who asks',
      'monitors[1].name: the name "a" is taken by monitors[0]',
      expect.stringMatching(/^monitors\[1\]\.relabel_configs\[0\]\.target_label: /),
      expect.stringMatching(/^monitors\[1\]\.relabel_configs\[0\]\.modulus: /),
    ]);
  });

  it('has its defaults filled in, and paths made absolute', async () => {
    const relabel = [{ source_labels: ['a'], target_label: 'b' }];
    const settings = await load({
      discovery: [
        { name: 'node', file_sd_configs: [{ files: ['sd/*.json'], refresh_interval: '5m' }], dns_sd_configs: [{ names: ['_a._tcp.x'] }], params: { m: ['1'] }, relabel_configs: relabel, sample_limit: 5, bearerTokenFile: 'password' },
      ],
    });
    const fetch = { timeoutMs: undefined, maxBodyBytes: 2 ** 30, tls: { caPem: undefined, client: undefined, serverName: undefined, insecureSkipVerify: false }, headers: { authorization: 'Bearer secret' }, filter: { relabelConfigs: [], sampleLimit: 5 } };
    expect(settings).toMatchObject({
      targets: [],
      discovery: [
        {
          name: 'node',
          sources: [
            { kind: 'file', files: [dir.join('sd/*.json')] },
            { kind: 'dns', names: ['_a._tcp.x'], recordType: 'SRV', port: 0, servers: [], refreshMs: 30_000 },
          ],
          scheme: 'http',
          metricsPath: '/metrics',
          params: { m: ['1'] },
          relabelConfigs: relabel,
          maxTargets: 5000,
          paths: [],
          fetch,
        },
      ],
    });
    expect(settings).not.toHaveProperty('allow');
  });

  it('that cannot work is refused with all its faults, each at its place', async () => {
    const faults = await load({
      targets: [{ name: 'web', url: 'http://a', metric_relabel_configs: [{ action: 'labelmap', replacement: '' }] }],
      discovery: [
        { name: 'a' },
        { name: 'a', dns_sd_configs: [{ names: ['x'], type: 'A', servers: ['1.1.1.1:99999'], refresh_interval: '1ms' }], relabel_configs: [{ target_label: 'x' }, { action: 'hashmod' }, { regex: '(' }] },
        { name: 'b', file_sd_configs: [{ files: ['x.txt'] }] },
      ],
    });
    expect(faults).toEqual([
      'targets[0].metric_relabel_configs[0].replacement: `replacement` must not be empty for the action labelmap',
      'discovery[0]: finds nothing: it needs `file_sd_configs`, `dns_sd_configs` or `kubernetes_sd_configs`',
      'discovery[1].name: the name "a" is taken by discovery[0]',
      'discovery[1].dns_sd_configs[0]: needs a `port`: A records have none',
      'discovery[1].dns_sd_configs[0].servers[0]: must be ADDRESS:PORT such as 10.0.0.53:53',
      'discovery[1].dns_sd_configs[0].refresh_interval: must be from 1s to 1d',
      'discovery[1].relabel_configs[1].target_label: `target_label` is missing; the action hashmod needs it',
      'discovery[1].relabel_configs[1].modulus: `modulus` is missing; the action hashmod needs one above 0',
      'discovery[1].relabel_configs[2].target_label: `target_label` is missing; the action replace needs it',
      expect.stringContaining('discovery[1].relabel_configs[2].regex: `regex` is no regular expression of RE2'),
      'discovery[2].file_sd_configs[0].files[0]: must be a path that ends in .json, .yml or .yaml, with "*" in its last part only',
    ]);
  });
});

describe('a static target', () => {
  it('has a filter only if one is written', async () => {
    const rules = [{ source_labels: ['__name__'], regex: 'go_.*', action: 'drop' }];
    expect(await load({ targets: [{ name: 'a', url: 'http://a' }, { name: 'b', url: 'http://b', metric_relabel_configs: rules }] })).toMatchObject({
      targets: [expect.not.objectContaining({ filter: expect.anything() }), { filter: { relabelConfigs: rules, sampleLimit: undefined } }],
    });
  });
});

describe('the allow-list', () => {
  it('takes networks and names with ports', async () => {
    expect(await load({ allow: [{ cidr: '10.0.0.0/8', ports: [9100, '9000-9999'] }, { host: '*.example' }] })).toMatchObject({
      allow: [{ match: { cidr: '10.0.0.0/8' }, ports: [{ first: 9100, last: 9100 }, { first: 9000, last: 9999 }] }, { match: { host: '*.example' }, ports: [] }],
    });
    expect(await load({ allow: [] })).toMatchObject({ allow: [] });
  });

  it('that makes no sense is refused', async () => {
    const faults = await load({ allow: [{ cidr: '10.0.0.0/33' }, { cidr: '10.0.0.0/8', host: 'x' }, { host: 'x', ports: ['9-1', 0, 'x'] }, {}] });
    expect(faults).toEqual([
      'allow[0].cidr: must be a network such as 10.0.0.0/8 or fd00::/8',
      'allow[1]: needs exactly one of `cidr`, `host`',
      'allow[2].ports[1]: must be a port, or two such as "9000-9999"',
      'allow[2].ports[2]: must be a port, or two such as "9000-9999"',
      'allow[3]: needs exactly one of `cidr`, `host`',
    ]);
    expect(await load({ allow: [{ host: 'x', ports: ['9-1'] }] })).toEqual(['allow[0].ports[0]: must be a port, or two such as 9000-9999, from 1 to 65535']);
  });
});

describe('the way out', () => {
  const basic = `Basic ${Buffer.from('u:secret').toString('base64')}`;

  it('is the file\'s proxy, else the environment\'s, but for exceptions', async () => {
    const proxy = { url: 'https://proxy.example', basic: { user: 'u', passwordFile: 'password' }, noProxy: ['near.example'] };
    const gateways = [{ address: 'gateway.example:8443' }, { address: 'near.example:8443' }];
    const environment = { HTTPS_PROXY: 'http://u:secret@other.example:3128', NO_PROXY: 'gateway.example' };
    expect(await load({ gateways, proxy }, environment)).toMatchObject({ gateways: [{ proxy: { host: 'proxy.example', port: 443, tls: { caPem: undefined }, authorization: basic } }, expect.not.objectContaining({ proxy: expect.anything() })] });
    expect(await load({ gateways: [...gateways, { address: '127.0.0.1:8443' }] }, environment)).toMatchObject({
      gateways: [expect.not.objectContaining({ proxy: expect.anything() }), { proxy: { host: 'other.example', port: 3128, authorization: basic } }, expect.not.objectContaining({ proxy: expect.anything() })],
    });
  });

  it('that cannot be is refused', async () => {
    expect(await load({ proxy: { url: 'http://u:p@proxy', caFile: pki.serverCaFile } })).toEqual(['proxy.url: must hold no credentials; use `basic`', 'proxy.caFile: is for https proxies; the url says http']);
    expect(await load({ proxy: { url: 'socks5://proxy' } })).toEqual(['proxy.url: must be a URL such as http://proxy.example:3128']);
  });
});
