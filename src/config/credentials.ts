import { createHash } from 'node:crypto';
import type { Credential } from '../model/desired-state.js';
import { credentialKey } from '../model/entry.js';
import { compileClaims } from './claims.js';
import type { Draft } from './draft.js';
import type { CredentialFile, SanFile } from './gateway-file.js';
import type { Claim } from './references.js';
import type { Path } from './yaml-source.js';

/**
 * Tenants' credentials: read, hashed where they are not yet, and never the same for two. No message quotes one.
 */

const BCRYPT = /^\$2[abxy]\$(\d\d)\$[./A-Za-z0-9]{53}$/;
/** Each step doubles the time; at 14 one check takes about a second of a processor. */
const MAX_BCRYPT_COST = 14;
const MIN_BCRYPT_COST = 4;
/** RFC 6750 §2.1: what an Authorization header can carry. */
const TOKEN = /^[A-Za-z0-9._~+/-]+=*$/;
const MIN_TOKEN_CHARS = 16;

/** Compiles one credential; the caller has checked that it is exactly one. */
export async function compileCredential(draft: Draft, place: Path, file: CredentialFile): Promise<Credential | undefined> {
  if (file.certificate !== undefined) return { kind: 'certificate', san: compileSan(file.certificate) };
  if (file.basic !== undefined) {
    const bcryptHash = await readHash(draft, [...place, 'basic'], file.basic);
    return bcryptHash === undefined ? undefined : { kind: 'basic', user: file.basic.user, bcryptHash };
  }
  if (file.jwt !== undefined) return { kind: 'jwt', issuer: file.jwt.issuer, claims: compileClaims(draft, [...place, 'jwt', 'claims'], file.jwt.claims) };
  if (file.serviceAccount !== undefined) return { kind: 'service-account', namespace: file.serviceAccount.namespace, name: file.serviceAccount.name };
  const sha256 = await readTokenHash(draft, [...place, 'bearer'], file.bearer ?? {});
  return sha256 === undefined ? undefined : { kind: 'bearer', sha256 };
}

/** When it ends; undefined = never. */
export function compileExpiry(draft: Draft, place: Path, expires: string | undefined): number | undefined {
  const expiresMs = expires === undefined ? undefined : Date.parse(expires);
  if (expiresMs !== undefined && Number.isNaN(expiresMs)) draft.fault([...place, 'expires'], 'is not a time');
  else if (expiresMs !== undefined && expiresMs <= draft.nowMs) draft.warn([...place, 'expires'], 'has passed; the credential is not taken any more and can be removed');
  return expiresMs;
}

/** Nobody else may have it. */
export function claimCredential(claim: Claim, place: Path, credential: Credential): void {
  claim(credentialKey(credential), place, (first) => `${CLAIMED[credential.kind]} stands at ${first} already; a request could not be told apart`);
}

const CLAIMED: Readonly<Record<Credential['kind'], string>> = {
  certificate: 'this name in a certificate',
  basic: 'this user',
  bearer: 'this token',
  jwt: 'this set of claims',
  'service-account': 'this service account',
};

export function compileSan({ uri, dns }: SanFile): { readonly type: 'uri' | 'dns'; readonly value: string } {
  return uri === undefined ? { type: 'dns', value: dns ?? '' } : { type: 'uri', value: uri };
}

async function readHash(draft: Draft, place: Path, { passwordHash, passwordHashFile }: { readonly passwordHash?: string; readonly passwordHashFile?: string }): Promise<string | undefined> {
  const hashPlace = [...place, passwordHash === undefined ? 'passwordHashFile' : 'passwordHash'];
  const hash = passwordHash ?? (await draft.readSecret(hashPlace, passwordHashFile ?? ''));
  if (hash === undefined) return undefined;
  const cost = Number(BCRYPT.exec(hash)?.[1]);
  if (Number.isNaN(cost)) {
    const advice = /^[^:]+:\$2/.test(hash) ? 'keep only what follows the colon' : 'make one with "htpasswd -nB USER", it is what follows the colon';
    draft.fault(hashPlace, `is not a bcrypt hash; ${advice}`);
    return undefined;
  }
  if (cost < MIN_BCRYPT_COST || cost > MAX_BCRYPT_COST) draft.fault(hashPlace, `the cost of the bcrypt hash is ${cost}; it must be from ${MIN_BCRYPT_COST} to ${MAX_BCRYPT_COST}`);
  return hash;
}

async function readTokenHash(draft: Draft, place: Path, { sha256, tokenFile }: { readonly sha256?: string; readonly tokenFile?: string }): Promise<string | undefined> {
  if (sha256 !== undefined) return sha256.toLowerCase();
  const filePlace = [...place, 'tokenFile'];
  const token = await draft.readSecret(filePlace, tokenFile ?? '');
  if (token === undefined) return undefined;
  if (!TOKEN.test(token) || token.length < MIN_TOKEN_CHARS) {
    draft.fault(filePlace, `the token must be at least ${MIN_TOKEN_CHARS} of A-Z, a-z, 0-9, "-", ".", "_", "~", "+", "/", on one line; for instance from "openssl rand -hex 32"`);
    return undefined;
  }
  return createHash('sha256').update(token).digest('hex');
}
