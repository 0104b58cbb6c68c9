import { createPublicKey } from 'node:crypto';
import type { Issuer, IssuerKeys } from '../model/desired-state.js';
import { readCas } from './certificates.js';
import type { Draft } from './draft.js';
import type { GatewayFile, IssuerFile } from './gateway-file.js';
import { createClaims, named, unknownName } from './references.js';
import type { Path } from './yaml-source.js';

/**
 * Issuers of tokens. Their keys are judged here: Envoy refuses a whole listener for a key set without one usable key.
 */

const SECOND_MS = 1000;
const DAY_MS = 86_400_000;

export async function compileIssuers(draft: Draft, file: GatewayFile): Promise<Issuer[]> {
  const issuers = await compileIssuerList(draft, file);
  await checkReferences(draft, file);
  return issuers;
}

export async function compileIssuerList(draft: Draft, file: Pick<GatewayFile, 'issuers'>): Promise<Issuer[]> {
  const claim = createClaims(draft);
  return draft.list(['issuers'], () => file.issuers, async (issuer, place) => {
    claim(`name ${issuer.name}`, [...place, 'name'], (first) => `the issuer name "${issuer.name}" is taken by ${first}`);
    claim(`issuer ${issuer.issuer}`, [...place, 'issuer'], (first) => `stands at ${first} already; a token could not be told apart. One issuer may have several audiences`);
    const keys = await compileKeys(draft, place, issuer);
    return keys && { name: issuer.name, issuer: issuer.issuer, audiences: issuer.audiences, keys };
  });
}

async function compileKeys(draft: Draft, place: Path, { jwksUri, jwksFile, caFile, cacheDuration }: IssuerFile): Promise<IssuerKeys | undefined> {
  if (jwksUri === undefined) {
    if (caFile !== undefined) draft.fault([...place, 'caFile'], 'is for `jwksUri` only');
    const jwks = await readJwks(draft, [...place, 'jwksFile'], jwksFile ?? '');
    return jwks === undefined ? undefined : { kind: 'local', jwks };
  }
  if (!isPlainUrl(jwksUri)) {
    draft.fault([...place, 'jwksUri'], 'must be an https:// URL without user and password');
    return undefined;
  }
  const caPem = caFile === undefined ? undefined : await readCas(draft, [{ file: caFile, place: [...place, 'caFile'] }]);
  const cacheMs = draft.durationMs([...place, 'cacheDuration'], cacheDuration, { minMs: SECOND_MS, maxMs: DAY_MS });
  return cacheMs === undefined ? undefined : { kind: 'remote', uri: jwksUri, caPem, cacheMs };
}

function isPlainUrl(text: string): boolean {
  if (!URL.canParse(text)) return false;
  const { protocol, username, password } = new URL(text);
  return protocol === 'https:' && username === '' && password === '';
}

async function readJwks(draft: Draft, place: Path, file: string): Promise<string | undefined> {
  const text = await draft.readFile(place, file);
  if (text === undefined) return undefined;
  const problem = problemOf(text);
  if (problem === undefined) return text;
  draft.fault(place, `${draft.resolve(file)} ${problem}`);
  return undefined;
}

/** What speaks against a key set; what it says is never quoted. */
function problemOf(text: string): string | undefined {
  const keys = keysOf(text);
  if (keys === undefined) return 'is not a JWKS: {"keys": [...]} as JSON';
  // Whoever can verify with such a key can sign with it.
  if (keys.some(({ kty }) => kty === 'oct')) return 'holds a symmetric key; only public keys belong here';
  if (keys.some((key) => 'd' in key)) return 'holds a private key; only public keys belong here';
  return keys.some(isUsable) ? undefined : 'has no usable key: RSA, EC (P-256, P-384, P-521) or Ed25519, for signatures';
}

function keysOf(text: string): readonly Readonly<Record<string, unknown>>[] | undefined {
  try {
    const parsed: { readonly keys?: unknown } | null = JSON.parse(text);
    const keys: unknown = parsed?.keys;
    return Array.isArray(keys) && keys.every((key) => typeof key === 'object' && key !== null) ? keys : undefined;
  } catch {
    return undefined;
  }
}

function isUsable(key: Readonly<Record<string, unknown>>): boolean {
  if (key['use'] !== undefined && key['use'] !== 'sig') return false;
  try {
    const { asymmetricKeyType = '', asymmetricKeyDetails } = createPublicKey({ key, format: 'jwk' });
    return ['rsa', 'ed25519'].includes(asymmetricKeyType) || ['prime256v1', 'secp384r1', 'secp521r1'].includes(asymmetricKeyDetails?.namedCurve ?? '');
  } catch {
    return false;
  }
}

async function checkReferences(draft: Draft, file: GatewayFile): Promise<void> {
  const known = named(file.issuers);
  if (known === undefined) return;
  await draft.list(['tenants'], () => file.tenants, async (tenant, place) => {
    await draft.list([...place, 'credentials'], () => tenant.credentials, ({ jwt }, entryPlace) => {
      if (jwt !== undefined && !known.has(jwt.issuer)) draft.fault([...entryPlace, 'jwt', 'issuer'], unknownName('issuer', jwt.issuer, [...known.keys()]));
    });
  });
}
