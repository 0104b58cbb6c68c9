import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { changed, createConfigFolder, GATEWAY, NO_ENVIRONMENT, placed } from '../../test/support/config-folder.js';
import type { ConfigFolder } from '../../test/support/config-folder.js';
import { loadGatewayConfig } from './gateway-config.js';

/** `exportDestinations` and `tenants[].exports` of the gateway's file. */

let dir: ConfigFolder;
beforeAll(async () => {
  dir = await createConfigFolder();
  await dir.write('secret', 'hush\n');
});
afterAll(async () => dir[Symbol.asyncDispose]());

const BACKENDS = 'backends: [{ name: main, url: http://main:9090 }, { name: vm, url: http://vm:8428, union: extra_filters }, { name: far, url: http://far:9090 }]\n';
const DESTINATIONS = `exportDestinations:
  - { name: plain, kind: remote_write, url: 'http://receiver:9090/api/v1/write' }
  - { name: shared, kind: remote_write, tenantLabel: tenant, url: 'http://receiver:9090/api/v1/write' }
`;

type Loaded = Awaited<ReturnType<typeof loadGatewayConfig>>['result'];

async function load({ destinations = DESTINATIONS, entry = '{ name: slice, backend: main, destination: plain }' }): Promise<Loaded> {
  const tenant = `  - name: team-b\n    query: [{ backends: [main, vm], metrics: ['.*'], labels: { ns: b } }]\n    exports: [${entry}]\n`;
  return (await loadGatewayConfig(await dir.write('gateway.yaml', changed(GATEWAY, '  - name: team-b\n', tenant) + BACKENDS + destinations), NO_ENVIRONMENT)).result;
}

async function faults(parts: Parameters<typeof load>[0]): Promise<readonly string[]> {
  const loaded = await load(parts);
  return loaded.ok ? [] : loaded.error.map(placed);
}

describe('an export', () => {
  it('has Prometheus’s settings where it says none', async () => {
    const loaded = await load({});
    expect(loaded.ok ? loaded.value.state.tenants[1]?.exports : loaded.error.map(placed)).toMatchObject([
      { name: 'slice', metrics: undefined, intervalMs: 30_000, honorLabels: false, spoolBytes: 2 ** 30, queue: { maxSamplesPerSend: 2000, minBackoffMs: 30, maxBackoffMs: 5000, sampleAgeLimitMs: undefined } },
    ]);
  });

  it.each([
    ['{ name: a, backend: mian, destination: plain }', 'backend: no backend has the name "mian"; did you mean "main"?'],
    ['{ name: a, backend: far, destination: plain }', 'backend: the tenant may query nothing of "far", so nothing can be exported from it; add a grant to `query`'],
    ['{ name: a, backend: vm, destination: plain }', 'backend: "vm" has `union: extra_filters`; its remote read, if it has one, cannot be restricted'],
    ['{ name: a, backend: main, destination: plian }', 'destination: no export destination has the name "plian"; did you mean "plain"?'],
    ['{ name: a, backend: main, destination: shared, extraLabels: { tenant: team-a } }', 'extraLabels.tenant: is set to the tenant\'s name by the destination "shared"'],
    ['{ name: a, backend: main, destination: plain, extraLabels: { __x: y } }', 'extraLabels.__x: begins with two underscores, which are reserved'],
    ['{ name: a, backend: main, destination: plain, metrics: ["*_total"] }', expect.stringContaining('metrics[0]: ')],
    ['{ name: a, backend: main, destination: plain, metricRelabelings: [{ action: nonsense }] }', expect.stringContaining('metricRelabelings[0].action: ')],
    ['{ name: a, backend: main, destination: plain, interval: 10ms }', 'interval: must be from 1s to 1d'],
    ['{ name: a, backend: main, destination: plain, queue: { min_shards: 5, max_shards: 2 } }', 'queue.min_shards: must not be more than max_shards'],
    ['{ name: a, backend: main, destination: plain, queue: { capacity: 5 } }', expect.stringContaining('queue: unknown key `capacity`')],
  ])('%s', async (entry, fault) => {
    const found = await faults({ entry });
    expect(found.map((each) => each.replace(/^tenants\[1\]\.exports\[0\]\./, ''))).toEqual([fault]);
  });

  it('has a name of its own', async () => {
    const entry = '{ name: a, backend: main, destination: plain }';
    expect(await faults({ entry: `${entry}, ${entry}` })).toEqual(['tenants[1].exports[1].name: the export name "a" is taken by tenants[1].exports[0].name']);
  });
});

describe('a destination', () => {
  const of = (more: string, kind = 'remote_write'): string => `exportDestinations: [{ name: plain, kind: ${kind}, ${more} }]\n`;

  it('of a StatefulSet is each of its pods', async () => {
    const loaded = await load({ destinations: of('statefulSet: { name: prom, service: governing, namespace: team-a, replicas: 2 }') });
    expect(loaded.ok ? loaded.value.state.exportDestinations?.[0]?.urls : loaded.error.map(placed)).toEqual([0, 1].map((index) => `http://prom-${index}.governing.team-a.svc.cluster.local:9090/api/v1/write`));
  });

  it('has a client for tokens with its secret from a file', async () => {
    const loaded = await load({ destinations: of("url: 'http://r', oauth2: { tokenUrl: 'http://login/token', clientId: me, clientSecretFile: secret }") });
    expect(loaded.ok ? loaded.value.state.exportDestinations?.[0]?.oauth2 : loaded.error.map(placed)).toMatchObject({ clientId: 'me', clientSecret: 'hush', scopes: [] });
  });

  it('has AWS keys, the secret ones from files', async () => {
    const loaded = await load({ destinations: of("url: 'http://r', sigv4: { region: eu-central-1, accessKeyId: AKID, secretAccessKeyFile: secret, sessionTokenFile: secret }") });
    const expected = { region: 'eu-central-1', service: 'aps', credentials: { kind: 'keys', accessKeyId: 'AKID', secretAccessKey: 'hush', sessionToken: 'hush' } };
    expect(loaded.ok ? loaded.value.state.exportDestinations?.[0]?.sigv4 : loaded.error.map(placed)).toEqual(expected);
  });

  const ARN = 'arn:aws:iam::123456789012:role/metrics';
  it.each([
    ['keys', 'eu-central-1', `accessKeyId: AKID, secretAccessKeyFile: secret, role: { arn: '${ARN}', externalId: me }`, { externalId: 'me', stsUrl: 'https://sts.eu-central-1.amazonaws.com', by: { kind: 'keys', accessKeyId: 'AKID', secretAccessKey: 'hush', sessionToken: undefined } }],
    ['a token', 'cn-north-1', `role: { arn: '${ARN}', webIdentityTokenFile: /run/token }`, { externalId: undefined, stsUrl: 'https://sts.cn-north-1.amazonaws.com.cn', by: { kind: 'token', file: '/run/token' } }],
    ['a token, of another STS', 'eu-central-1', `role: { arn: '${ARN}', webIdentityTokenFile: /run/token, stsUrl: 'http://sts' }`, { externalId: undefined, stsUrl: 'http://sts', by: { kind: 'token', file: '/run/token' } }],
  ])('has an AWS role that is taken with %s', async (_, region, more, role) => {
    const loaded = await load({ destinations: of(`url: 'http://r', sigv4: { region: ${region}, ${more} }`) });
    expect(loaded.ok ? loaded.value.state.exportDestinations?.[0]?.sigv4?.credentials : loaded.error.map(placed)).toEqual({ kind: 'role', arn: ARN, ...role });
  });

  it.each([
    ['', 'region: needs `accessKeyId` and `secretAccessKeyFile`, or a `role` with `webIdentityTokenFile`'],
    [', accessKeyId: A', 'region: needs `accessKeyId` and `secretAccessKeyFile`, or a `role` with `webIdentityTokenFile`'],
    [`, role: { arn: '${ARN}' }`, 'region: needs `accessKeyId` and `secretAccessKeyFile`, or a `role` with `webIdentityTokenFile`'],
    [`, accessKeyId: A, secretAccessKeyFile: secret, role: { arn: '${ARN}', webIdentityTokenFile: t }`, 'role.webIdentityTokenFile: stands beside keys; a role is taken with one of them'],
    [`, role: { arn: '${ARN}', webIdentityTokenFile: t, externalId: me }`, 'role.externalId: goes with keys; with a token STS asks for none'],
  ])('with `region: r%s` does not know who signs', async (more, fault) => {
    expect(await faults({ destinations: of(`url: 'http://r', sigv4: { region: r${more} }`) })).toEqual([`exportDestinations[0].sigv4.${fault}`]);
  });

  it('of the kind that knows no signatures signs nothing', async () => {
    const sigv4 = "url: 'http://r', sigv4: { region: eu-central-1, accessKeyId: A, secretAccessKeyFile: secret }";
    expect(await faults({ destinations: of(sigv4, 'pushgateway') })).toEqual(['exportDestinations[0].sigv4: is for `kind: remote_write`; a Pushgateway knows no signatures']);
  });

  it.each([
    ['headers: {}', 'name: needs exactly one of `url`, `urls`, `statefulSet` and `agent`'],
    ["url: 'http://r', urls: ['http://s']", 'name: needs exactly one of `url`, `urls`, `statefulSet` and `agent`'],
    ["agent: { name: site-a, service: receiver }, proxy: { url: 'http://p:3128' }", 'proxy: stands beside `agent`, which does the dialling; what it needs for that is in its own file'],
    ["url: 'http://u:p@r'", 'url: must hold no credentials; use `basic` or `bearerTokenFile`'],
    ["url: 'http://r', certFile: gateway.crt", 'certFile: needs the other: `certFile` and `keyFile` stand together'],
    ["url: 'http://r', bearerTokenFile: secret, oauth2: { tokenUrl: 'http://l', clientId: me, clientSecretFile: secret }", 'oauth2: stands beside `basic` or `bearerTokenFile`; a request can carry one of them'],
    ["url: 'http://r', bearerTokenFile: secret, sigv4: { region: eu-central-1, accessKeyId: A, secretAccessKeyFile: secret }", 'sigv4: stands beside `basic`, `bearerTokenFile` or `oauth2`; a request can carry one of them'],
    ["url: 'http://r', headers: { Host: x }", 'headers.Host: "Host" cannot be set; it is made for each request'],
  ])('%s', async (more, fault) => {
    expect((await faults({ destinations: of(more) })).map((each) => each.replace('exportDestinations[0].', ''))).toEqual([fault]);
  });
});
