import { describe, expect, it } from '@jest/globals';
import { err, ok } from '../lib/result.js';
import type { Result } from '../lib/result.js';
import type { EntryKind } from '../model/entry.js';
import { compileObjectEntry } from './object-entry.js';
import type { CompiledEntry } from './object-entry.js';

/** An object of the cluster is an entry of the file: its fields, its faults, its claims. */

const SECRETS: Readonly<Record<string, string>> = { 'creds/password': 'open sesame\n', 'creds/token': '0123456789abcdef0123', 'creds/jwks': '{"keys":[{"kty":"oct","k":"AA"}]}', 'creds/crl': 'nothing of use' };

function secret(name: string, key: string): Result<string, string> {
  const found = SECRETS[`${name}/${key}`];
  return found === undefined ? err('does not exist in this namespace') : ok(found);
}

function compiled(kind: EntryKind, spec: unknown): Promise<Result<CompiledEntry>> {
  return compileObjectEntry({ kind, name: 'one', spec, secret, nowMs: Date.now() });
}

const PASSWORD = { passwordSecret: { name: 'creds', key: 'password' } };
const AUTHORIZATION = `Basic ${Buffer.from('gw:open sesame').toString('base64')}`;
const URL_ = 'http://receiver:9090/api/v1/write';

describe('an object', () => {
  it.each<readonly [EntryKind, unknown, unknown, readonly string[]]>([
    ['tenants', { credentials: [{ basic: { user: 'a', passwordHashSecret: { name: 'gone', key: 'x' } } }, { certificate: { uri: 'a:b' } }] }, { name: 'one', credentials: [{ kind: 'certificate' }] }, ['tenant one', 'credential certificate uri a:b']],
    ['agents', { tenants: ['a'] }, { name: 'one', tenants: ['a'], maxTargets: 10_000 }, ['agent one', "agent's certificate uri spiffe://scrapeway/agent/one"]],
    ['sites', { agents: ['x', 'y'], hedge: '500ms' }, { name: 'one', agents: ['x', 'y'], order: 'preference', hedge: 500 }, ['agent one', 'the membership of agent x', 'the membership of agent y']],
    ['templates', { selector: '{a="b"}', tenants: ['t'] }, { name: 'one', tenants: ['t'], selector: [{ label: 'a' }] }, ['template one']],
    ['issuers', { issuer: 'https://idp', audiences: ['x'], jwksUri: 'https://idp/keys' }, { name: 'one', keys: { kind: 'remote', cacheMs: 300_000 } }, ['token issuer one', "the tokens' issuer https://idp"]],
    ['backends', { url: 'http://p:9090', basic: { user: 'gw', ...PASSWORD } }, { name: 'one', headers: { authorization: AUTHORIZATION } }, ['backend one']],
    ['backendGroups', { members: ['a', 'b'] }, { name: 'one', members: ['a', 'b'], disjointBy: [], onFailure: 'fail' }, ['backend one']],
    ['pushTargets', { kind: 'remote_write', url: URL_, tenantLabel: 'tenant', bearerTokenSecret: { name: 'creds', key: 'token' } }, { name: 'one', headers: { authorization: 'Bearer 0123456789abcdef0123' } }, ['push target one']],
    ['exportDestinations', { kind: 'remote_write', url: URL_, proxy: { url: 'http://proxy:3128', basic: { user: 'gw', ...PASSWORD } } }, { name: 'one', urls: [URL_], proxy: { authorization: AUTHORIZATION } }, ['export destination one']],
    ['frontProxies', { certificate: { dns: 'grafana' }, tenants: 'all' }, { san: { type: 'dns', value: 'grafana' }, tenants: 'all' }, ['credential certificate dns grafana']],
    ['revoked', { serials: ['0A:1B'], names: [{ uri: 'a:b' }] }, { serials: ['a1b'], sans: [{ type: 'uri', value: 'a:b' }] }, []],
  ])('of %s is an entry, with what it claims', async (kind, spec, value, claims) => {
    expect(await compiled(kind, spec)).toMatchObject({ ok: true, value: { entry: { kind, value }, claims } });
  });

  it.each<readonly [string, EntryKind, unknown, string]>([
    ['a field that is missing', 'sites', {}, 'spec.agents: is missing'],
    ['a field that is none', 'templates', { selector: '{a="b"}', tenants: ['t'], tenant: 't' }, 'spec: unknown key `tenant`; did you mean `tenants`?'],
    ['a symmetric key', 'issuers', { issuer: 'https://idp', audiences: ['x'], jwksSecret: { name: 'creds', key: 'jwks' } }, 'spec.jwksSecret: /creds/jwks holds a symmetric key'],
    ['a Secret that is missing', 'pushTargets', { kind: 'remote_write', url: URL_, tenantLabel: 'tenant', basic: { user: 'gw', passwordSecret: { name: 'gone', key: 'x' } } }, 'spec.basic.passwordSecret: the Secret that it names does not exist in this namespace'],
    ['a file, which is none of its business', 'exportDestinations', { kind: 'remote_write', url: URL_, caFile: '/etc/passwd' }, 'spec.caSecret: /etc/passwd does not exist in this namespace'],
    ['a list of Secrets with one that is none', 'revoked', { crlSecrets: [{ name: 'creds', key: 'crl' }] }, 'spec.crlSecrets[0]: /creds/crl holds no PEM revocation list'],
  ])('with %s is refused, in the file\'s words and with its own places', async (_what, kind, spec, fault) => {
    const result = await compiled(kind, spec);
    expect(result.ok ? [] : result.error.map(({ place, message }) => `${place}: ${message}`)).toEqual([expect.stringContaining(fault)]);
  });
});
