import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { readFile } from 'node:fs/promises';
import { AGENT, BCRYPT_HASH, createConfigFolder, NO_ENVIRONMENT, placed } from '../../test/support/config-folder.js';
import type { ConfigFolder } from '../../test/support/config-folder.js';
import { loadAgentConfig } from './agent-config.js';
import type { AgentConfig } from './agent-config.js';
import type { Loaded } from './load.js';

/** The agent's push door: what of its section is taken, and what is said of what is not. */

let dir: ConfigFolder;

beforeAll(async () => {
  dir = await createConfigFolder();
});
afterAll(async () => {
  await dir[Symbol.asyncDispose]();
});

type Section = Readonly<Record<string, unknown>>;

const BATCH = { name: 'batch', kind: 'pushgateway', url: 'http://127.0.0.1:9092/', tenantLabel: 'tenant' };
const SHOP = { name: 'shop', credentials: [{ basic: { user: 'shop', passwordHashFile: 'team-a.bcrypt' } }], targets: ['batch'] };
const TLS = { certFile: 'gateway.crt', keyFile: 'gateway.key', clientCaFiles: ['clients-ca.crt'] };
const DOOR = { address: '127.0.0.1:9091', targets: [BATCH], tenants: [SHOP] };

async function load(push: unknown): Promise<Loaded<AgentConfig>> {
  const file = await dir.write('agent.yaml', `${AGENT}push: ${JSON.stringify(push)}\n`);
  return loadAgentConfig(file, NO_ENVIRONMENT);
}

async function faults(push: unknown): Promise<readonly string[]> {
  const { result } = await load(push);
  return result.ok ? [] : result.error.map(placed);
}

describe('the push door of an agent', () => {
  it('is not there without its section', async () => {
    const { result } = await loadAgentConfig(await dir.write('without.yaml', AGENT), NO_ENVIRONMENT);
    expect(result).toMatchObject({ ok: true, value: { push: undefined } });
  });

  it('needs little', async () => {
    const { result, warnings } = await load(DOOR);
    expect(result).toMatchObject({
      ok: true,
      value: {
        push: {
          listen: { host: '127.0.0.1', port: 9091 },
          limits: { requestsPerSecond: 50, concurrentPerTenant: 16, inFlightBytes: 128 * 2 ** 20, maxConnections: 1000 },
          targets: [{ name: 'batch', kind: 'pushgateway', url: 'http://127.0.0.1:9092', tenantLabel: 'tenant', onConflict: 'refuse', timeoutMs: 30_000, maxBodyBytes: 4 * 2 ** 20 }],
          tenants: [{ name: 'shop', credentials: [{ kind: 'basic', user: 'shop', bcryptHash: BCRYPT_HASH }], targets: ['batch'] }],
        },
      },
    });
    expect(warnings).toEqual([]);
  });

  it('has the certificates, credentials and terms that it names', async () => {
    const { result, files } = await load({
      ...DOOR,
      address: '0.0.0.0:9091',
      tls: TLS,
      targets: [{ ...BATCH, groupTtl: '1d', tenantGroupTtl: { shop: '1h' } }, { name: 'main', kind: 'remote_write', url: 'https://localhost/api/v1/write', tenantLabel: 'tenant', onConflict: 'overwrite', caFile: 'server-ca.crt', basic: { user: 'site', passwordFile: 'password' } }],
      tenants: [{ ...SHOP, credentials: [...SHOP.credentials, { bearer: { tokenFile: 'team-a.token' }, expires: '2999-01-01T00:00:00Z' }, { certificate: { dns: 'jobs.example' } }], targets: ['batch', 'main'] }],
    });
    expect(result).toMatchObject({
      ok: true,
      value: {
        push: {
          tls: { certificate: await readFile(dir.join('gateway.crt'), 'utf8'), clientCa: expect.stringContaining('BEGIN CERTIFICATE') },
          targets: [{ groupTtl: { ms: 86_400_000, byTenant: { shop: 3_600_000 } } }, { onConflict: 'overwrite', headers: { authorization: expect.stringMatching(/^Basic /) }, caPem: expect.stringContaining('BEGIN CERTIFICATE') }],
          tenants: [{ credentials: [{ kind: 'basic' }, { kind: 'bearer', expiresMs: Date.parse('2999-01-01T00:00:00Z') }, { kind: 'certificate', san: { type: 'dns', value: 'jobs.example' } }] }],
        },
      },
    });
    // what it names is watched
    expect([...files.keys()]).toEqual(expect.arrayContaining(['gateway.crt', 'gateway.key', 'clients-ca.crt', 'team-a.bcrypt', 'team-a.token', 'password'].map((name) => dir.join(name))));
  });

  it.each<readonly [string, Section, readonly (string | RegExp)[]]>([
    ['on the network without TLS', { ...DOOR, address: '0.0.0.0:9091' }, ['push.address: is open to the network without `tls`: passwords and tokens could be read on the way. Give `tls`, or say `plainHttp: true`']],
    ['on a name without TLS', { ...DOOR, address: 'agent.example:9091' }, ['push.address: is open to the network without `tls`: passwords and tokens could be read on the way. Give `tls`, or say `plainHttp: true`']],
    ['on the network without TLS, on purpose', { ...DOOR, address: '0.0.0.0:9091', plainHttp: true }, []],
    ['on the network with TLS', { ...DOOR, address: '[::]:9091', tls: TLS }, []],
    ['on IPv6’s loopback', { ...DOOR, address: '[::1]:9091' }, []],
    ['on localhost', { ...DOOR, address: 'localhost:9091' }, []],
    ['with TLS and without', { ...DOOR, tls: TLS, plainHttp: true }, ['push.plainHttp: stands beside `tls`; the door speaks one of the two']],
    ['on the port of the metrics', { ...DOOR, address: '127.0.0.1:9465' }, ['push.address: is taken by metrics.address; the two need different ports']],
    ['on no address', { ...DOOR, address: '127.0.0.300:9091' }, ['push.address: must be HOST:PORT such as 127.0.0.1:9464']],
    ['with a certificate that is no server’s', { ...DOOR, tls: { certFile: 'agents/site-a.crt', keyFile: 'agents/site-a.key' } }, [/^push\.tls\.certFile: .* is not for servers/]],
    ['with certificates of tenants that nobody asks for', { ...DOOR, tenants: [{ ...SHOP, credentials: [{ certificate: { dns: 'jobs.example' } }] }] }, ['push.tenants[0].credentials[0].certificate: needs `push.tls.clientCaFiles`: nobody is asked for a certificate without it']],
    ['for a target that there is not', { ...DOOR, tenants: [{ ...SHOP, targets: ['bach'] }] }, ['push.tenants[0].targets[0]: no push target has the name "bach"; did you mean "batch"?']],
    ['with one target twice', { ...DOOR, targets: [BATCH, BATCH] }, ['push.targets[1].name: the push target name "batch" is taken by push.targets[0].name']],
    ['with one tenant twice', { ...DOOR, tenants: [SHOP, { ...SHOP, credentials: [{ bearer: { sha256: 'ab'.repeat(32) } }] }] }, ['push.tenants[1].name: the tenant name "shop" is taken by push.tenants[0].name']],
    ['with one credential of two tenants', { ...DOOR, tenants: [SHOP, { ...SHOP, name: 'other' }] }, ['push.tenants[1].credentials[0]: this user stands at push.tenants[0].credentials[0] already; a request could not be told apart']],
    ['with a hash that is none', { ...DOOR, tenants: [{ ...SHOP, credentials: [{ basic: { user: 'shop', passwordHash: 'sesame' } }] }] }, [/^push\.tenants\[0\]\.credentials\[0\]\.basic\.passwordHash: is not a bcrypt hash/]],
    ['with a credential that a gateway would take', { ...DOOR, tenants: [{ ...SHOP, credentials: [{ jwt: { issuer: 'x', claims: { sub: 'y' } } }] }] }, [/^push\.tenants\[0\]\.credentials\[0\]/]],
    ['with groups of remote write that expire', { ...DOOR, targets: [{ ...BATCH, kind: 'remote_write', groupTtl: '1d' }] }, ['push.targets[0].groupTtl: is for the kind `pushgateway`: series of remote write end by themselves']],
    ['with a target behind another agent', { ...DOOR, targets: [{ ...BATCH, agent: { name: 'a', service: 'b' } }] }, [/^push\.targets\[0\]/]],
  ])('%s', async (_what, section, expected) => {
    const found = await faults(section);
    expect(found.slice(0, Math.max(expected.length, 1))).toEqual(expected.map((each) => (typeof each === 'string' ? each : expect.stringMatching(each))));
  });

  it.each<readonly [string, Section, Section, readonly string[]]>([
    ['unfiltered', {}, {}, ['targets[0].url: has the groups of all tenants of the push target "batch", for whoever may scrape it; keep one tenant\'s by metric_relabel_configs over the label tenant']],
    ['filtered by tenant', { metric_relabel_configs: [{ source_labels: ['tenant'], regex: 'shop', action: 'keep' }] }, {}, []],
    ['unfiltered, with one tenant only', {}, { tenants: [SHOP] }, []],
    ['of another server', { url: 'http://127.0.0.1:9999/metrics' }, {}, []],
  ])('warns where its Pushgateway is a target that is %s', async (_what, target, section, expected) => {
    const push = { ...DOOR, tenants: [SHOP, { name: 'other', credentials: [{ bearer: { sha256: 'ab'.repeat(32) } }], targets: ['batch'] }], ...section };
    const targets = [{ name: 'pushed', url: 'http://127.0.0.1:9092/metrics', ...target }];
    const file = await dir.write('pages.yaml', `${AGENT.slice(0, AGENT.indexOf('targets:'))}push: ${JSON.stringify(push)}\ntargets: ${JSON.stringify(targets)}\n`);
    const { result, warnings } = await loadAgentConfig(file, NO_ENVIRONMENT);
    expect([result.ok, warnings.map(placed)]).toEqual([true, expected]);
  });

  it('has all its faults told at once', async () => {
    const found = await faults({ ...DOOR, address: '0.0.0.0:9091', targets: [{ ...BATCH, timeout: '1ms' }], tenants: [{ ...SHOP, targets: ['other'] }] });
    expect(found.map((fault) => fault.split(':')[0])).toEqual(['push.address', 'push.targets[0].timeout', 'push.tenants[0].targets[0]']);
  });
});
