import { generateKeyPairSync } from 'node:crypto';
import type { JsonWebKey } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { changed, createConfigFolder, GATEWAY, marked, NO_ENVIRONMENT, placed } from '../../test/support/config-folder.js';
import type { ConfigFolder } from '../../test/support/config-folder.js';
import type { DesiredState } from '../model/desired-state.js';
import { claimPath } from './claims.js';
import { loadGatewayConfig } from './gateway-config.js';

let dir: ConfigFolder;
beforeAll(async () => {
  dir = await createConfigFolder();
  const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const ed25519 = generateKeyPairSync('ed25519');
  const sets: Readonly<Record<string, readonly JsonWebKey[]>> = {
    good: [rsa.publicKey.export({ format: 'jwk' }), { kty: 'NEW', crv: 'of tomorrow' }],
    ed25519: [{ ...ed25519.publicKey.export({ format: 'jwk' }), use: 'sig' }],
    empty: [],
    private: [rsa.privateKey.export({ format: 'jwk' })],
    symmetric: [{ kty: 'oct', k: 'c2VjcmV0' }],
    encryption: [{ ...rsa.publicKey.export({ format: 'jwk' }), use: 'enc' }],
    x25519: [generateKeyPairSync('x25519').publicKey.export({ format: 'jwk' })],
    unknown: [{ kty: 'NEW' }],
  };
  for (const [name, keys] of Object.entries(sets)) await dir.write(`jwks/${name}.json`, JSON.stringify({ keys }));
  await dir.write('jwks/list.json', '[]');
  await dir.write('jwks/texts.json', '{"keys": ["x"]}');
  await dir.write('jwks/null.json', 'null');
});
afterAll(async () => dir[Symbol.asyncDispose]());

const ISSUERS = `issuers:
  - name: okta
    issuer: https://example.okta.com/oauth2/default
    audiences: [scrapeway, api://scrapeway]
    jwksUri: https://example.okta.com/oauth2/default/v1/keys
  - name: cluster
    issuer: https://kubernetes.default.svc
    audiences: [scrapeway]
    jwksFile: jwks/good.json
`;
const CREDENTIAL = `      - bearer: { sha256: ${'ab'.repeat(32)} }\n`;
const JWT = `      - jwt:
          issuer: okta
          claims: { groups: [ops, monitoring], sub: prom, email_verified: true }
      - jwt: { issuer: cluster, claims: { /kubernetes.io/namespace: team-b } }
`;
const SOUND = `${changed(GATEWAY, CREDENTIAL, CREDENTIAL + JWT)}${ISSUERS}`;

async function load(text: string): Promise<Awaited<ReturnType<typeof loadGatewayConfig>>> {
  return loadGatewayConfig(await dir.write('gateway.yaml', text), NO_ENVIRONMENT);
}

async function stateOf(text: string): Promise<DesiredState> {
  const { result } = await load(text);
  if (!result.ok) throw new Error(result.error.map(placed).join('\n'));
  return result.value.state;
}

/** `from` → `to` in a sound file, with a mark for each expected fault; FOLDER for the folder. */
async function expectFaults(from: string, to: string, ...expected: readonly string[]): Promise<void> {
  const { text, positions } = marked(changed(SOUND, from, to));
  const { result } = await load(text);
  const faults = result.ok ? [] : result.error;
  expect(faults.map(placed)).toEqual(expected.map((fault) => fault.replaceAll('FOLDER', dir.path)));
  expect(faults.map(({ line, column }) => ({ line, column }))).toEqual(positions);
}

describe('issuers', () => {
  it('are compiled, with the keys that a file holds', async () => {
    expect((await stateOf(SOUND)).gateway.issuers).toEqual([
      {
        name: 'okta',
        issuer: 'https://example.okta.com/oauth2/default',
        audiences: ['scrapeway', 'api://scrapeway'],
        keys: { kind: 'remote', uri: 'https://example.okta.com/oauth2/default/v1/keys', caPem: undefined, cacheMs: 300_000 },
      },
      { name: 'cluster', issuer: 'https://kubernetes.default.svc', audiences: ['scrapeway'], keys: { kind: 'local', jwks: await readFile(dir.join('jwks/good.json'), 'utf8') } },
    ]);
  });

  it('may be none', async () => {
    expect((await stateOf(GATEWAY)).gateway.issuers).toEqual([]);
  });

  it('have a CA and a cache of their own', async () => {
    const { gateway } = await stateOf(changed(SOUND, '/v1/keys\n', '/v1/keys\n    caFile: server-ca.crt\n    cacheDuration: 1m\n'));
    expect(gateway.issuers?.[0]?.keys).toMatchObject({ kind: 'remote', caPem: expect.stringContaining('BEGIN CERTIFICATE'), cacheMs: 60_000 });
  });

  it('with keys in a file are read again when it changes', async () => {
    expect([...(await load(SOUND)).files.keys()]).toContain(dir.join('jwks/good.json'));
  });

  it.each([
    ['a name twice', ISSUERS, `${ISSUERS}  - { name: ‸okta, issuer: https://x, audiences: [x], jwksUri: https://x/keys }\n`, 'issuers[2].name: the issuer name "okta" is taken by issuers[0].name'],
    ['an `iss` twice', 'https://kubernetes.default.svc', '‸https://example.okta.com/oauth2/default', 'issuers[1].issuer: stands at issuers[0].issuer already; a token could not be told apart. One issuer may have several audiences'],
    ['no audience', '[scrapeway, api://scrapeway]', '‸[]', 'issuers[0].audiences: must not be empty'],
    ['keys by plain HTTP', 'https://example.okta.com/oauth2/default/v1/keys', '‸http://example.okta.com/keys', 'issuers[0].jwksUri: must be an https:// URL'],
    ['keys with a password', 'https://example.okta.com/oauth2/default/v1/keys', '‸https://user:secret@example.okta.com/keys', 'issuers[0].jwksUri: must be an https:// URL without user and password'],
    ['keys at no URL', 'https://example.okta.com/oauth2/default/v1/keys', '‸https://[', 'issuers[0].jwksUri: must be an https:// URL without user and password'],
    ['a CA for a file', 'jwksFile: jwks/good.json', 'jwksFile: jwks/good.json\n    caFile: ‸server-ca.crt', 'issuers[1].caFile: is for `jwksUri` only'],
    ['a CA that is none', '/v1/keys\n', '/v1/keys\n    caFile: ‸no-pem\n', 'issuers[0].caFile: FOLDER/no-pem holds no PEM certificate (-----BEGIN CERTIFICATE-----)'],
    ['a cache without an end', '/v1/keys\n', '/v1/keys\n    cacheDuration: ‸2d\n', 'issuers[0].cacheDuration: must be from 1s to 1d'],
    ['a file that is not there', 'jwks/good.json', '‸jwks/none.json', 'issuers[1].jwksFile: FOLDER/jwks/none.json does not exist'],
    ['keys that are no JSON', 'jwks/good.json', '‸no-pem', 'issuers[1].jwksFile: FOLDER/no-pem is not a JWKS: {"keys": [...]} as JSON'],
    ...['list', 'texts', 'null'].map((name): [string, string, string, string] => [`a ${name} for keys`, 'jwks/good.json', `‸jwks/${name}.json`, `issuers[1].jwksFile: FOLDER/jwks/${name}.json is not a JWKS: {"keys": [...]} as JSON`]),
    ['a private key', 'jwks/good.json', '‸jwks/private.json', 'issuers[1].jwksFile: FOLDER/jwks/private.json holds a private key; only public keys belong here'],
    ['a shared key', 'jwks/good.json', '‸jwks/symmetric.json', 'issuers[1].jwksFile: FOLDER/jwks/symmetric.json holds a symmetric key; only public keys belong here'],
    ...['empty', 'encryption', 'x25519', 'unknown'].map((name): [string, string, string, string] => [
      `no usable key (${name})`,
      'jwks/good.json',
      `‸jwks/${name}.json`,
      `issuers[1].jwksFile: FOLDER/jwks/${name}.json has no usable key: RSA, EC (P-256, P-384, P-521) or Ed25519, for signatures`,
    ]),
  ])('with %s are refused', async (_name, from, to, expected) => {
    await expectFaults(from, to, expected);
  });

  it('may have Ed25519 keys', async () => {
    expect((await stateOf(changed(SOUND, 'jwks/good.json', 'jwks/ed25519.json'))).gateway.issuers).toHaveLength(2);
  });
});

describe('credentials by claims', () => {
  it('are compiled, in an order that does not depend on the file', async () => {
    const { tenants } = await stateOf(SOUND);
    expect(tenants[1]?.credentials.slice(1)).toEqual([
      {
        kind: 'jwt',
        issuer: 'okta',
        claims: [
          { path: ['email_verified'], anyOf: [true] },
          { path: ['groups'], anyOf: ['monitoring', 'ops'] },
          { path: ['sub'], anyOf: ['prom'] },
        ],
        expiresMs: undefined,
        scope: undefined,
      },
      { kind: 'jwt', issuer: 'cluster', claims: [{ path: ['kubernetes.io', 'namespace'], anyOf: ['team-b'] }], expiresMs: undefined, scope: undefined },
    ]);
  });

  it.each([
    ['sub', ['sub']],
    ['kubernetes.io/serviceaccount/namespace', ['kubernetes.io/serviceaccount/namespace']],
    ['https://example.com/groups', ['https://example.com/groups']],
    ['a~b', ['a~b']],
    ['/realm_access/roles', ['realm_access', 'roles']],
    ['/https:~1~1example.com~1groups/team', ['https://example.com/groups', 'team']],
    ['/~1odd', ['/odd']],
    ['/a~01', ['a~1']],
    ['/a~2', undefined],
    ['/a~', undefined],
  ])('the claim %s is at %j', (name, expected) => {
    expect(claimPath(name)).toEqual(expected);
  });

  it.each([
    ['an issuer that is not there', 'issuer: cluster,', 'issuer: ‸clutser,', 'tenants[1].credentials[2].jwt.issuer: no issuer has the name "clutser"; did you mean "cluster"?'],
    ['no claim', '{ /kubernetes.io/namespace: team-b }', '‸{}', 'tenants[1].credentials[2].jwt.claims: must not be empty'],
    ['a number', 'sub: prom,', 'sub: ‸5,', 'tenants[1].credentials[1].jwt.claims.sub: must be text or a truth value, or a list of these'],
    ['a pointer that is none', '/kubernetes.io/namespace: team-b', '/a~b: ‸x', 'tenants[1].credentials[2].jwt.claims["/a~b"]: is not a JSON Pointer: "~" is written "~0", and "/" within a name "~1"'],
  ])('with %s are refused', async (_name, from, to, expected) => {
    await expectFaults(from, to, expected);
  });

  it('are not the same twice, whatever their order', async () => {
    const again = '      - ‸jwt: { issuer: okta, claims: { sub: [prom], email_verified: true, groups: [monitoring, ops] } }\n';
    await expectFaults(JWT, JWT + again, 'tenants[1].credentials[3]: this set of claims stands at tenants[1].credentials[1] already; a request could not be told apart');
  });
});
