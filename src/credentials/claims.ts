import { hash } from 'node:crypto';
import { whenAllReady } from '../lib/maybe-promise.js';
import type { MaybePromise } from '../lib/maybe-promise.js';
import { decoyHash } from './password.js';
import type { Answer, PasswordChecker } from './password.js';

/**
 * Who shows credentials. A request may show several (a certificate and a password, say), and the rule is one for all kinds, at every door:
 *
 *   every credential that is shown must be valid, and all must be the same tenant's.
 */

/** A credential as it decides: whose it is, and until when. */
export interface Owned {
  readonly tenant: string;
  /** ms since the epoch. */
  readonly expiresMs: number | undefined;
}

/** What one credential says: these (of one tenant, when all is well), none, or that it could not be checked. */
export type Claim<C extends Owned> = ReadonlySet<C> | Unchecked;
export type Unchecked = 'busy' | 'no_keys' | 'no_review';

/** One that nobody has. */
export const INVALID: ReadonlySet<never> = new Set();

export type Verdict<C extends Owned> =
  | {
      readonly kind: 'tenant';
      readonly tenant: string;
      /** All that were shown. */
      readonly credentials: readonly C[];
    }
  | { readonly kind: 'nothing_shown' | 'invalid' | 'conflicting' }
  | { readonly kind: 'unchecked'; readonly why: Unchecked };

/** `nowMs`: wall clock. */
export function judge<C extends Owned>(claims: readonly Claim<C>[], nowMs: number): Verdict<C> {
  const credentials: C[] = [];
  let invalid = false;
  let why: Unchecked | undefined;
  for (const claim of claims) {
    if (typeof claim === 'string') why ??= claim;
    else if (claim.size === 0) invalid = true;
    else credentials.push(...claim);
  }
  if (invalid || credentials.some(({ expiresMs }) => expiresMs !== undefined && expiresMs <= nowMs)) return { kind: 'invalid' };
  if (why !== undefined) return { kind: 'unchecked', why };
  const [first] = credentials;
  if (first === undefined) return { kind: 'nothing_shown' };
  const { tenant } = first;
  if (credentials.some((credential) => credential.tenant !== tenant)) return { kind: 'conflicting' };
  return { kind: 'tenant', tenant, credentials };
}

export interface Password<C extends Owned> {
  readonly credential: C;
  readonly bcryptHash: string;
}

export interface PasswordTable<C extends Owned> {
  /** By user. */
  readonly passwords: ReadonlyMap<string, readonly Password<C>[]>;
  /** What an unknown user's password is checked against. */
  readonly decoy: readonly Password<C>[];
}

/** `nobody`: whose the decoy is, should its hash ever match; it must be good for nothing. */
export function passwordTable<C extends Owned>(passwords: ReadonlyMap<string, readonly Password<C>[]>, nobody: C): PasswordTable<C> {
  const bcryptHash = decoyHash([...passwords.values()].flat().map((password) => password.bcryptHash));
  return { passwords, decoy: bcryptHash === undefined ? [] : [{ credential: nobody, bcryptHash }] };
}

export function passwordClaim<C extends Owned>(table: PasswordTable<C>, checker: PasswordChecker, { user, password }: { readonly user: string; readonly password: string }): MaybePromise<Claim<C>> {
  const candidates = table.passwords.get(user) ?? table.decoy;
  const answers = candidates.map(({ bcryptHash }) => checker.matches(user, password, bcryptHash));
  return whenAllReady<Answer, Claim<C>>(answers, (settled) => {
    const right = new Set(candidates.filter((_, index) => settled[index] === 'right').map(({ credential }) => credential));
    return right.size === 0 && settled.includes('busy') ? 'busy' : right;
  });
}

/** How tokens are looked up. The time that this takes depends on the digest, which nobody can steer towards a stored one. */
export function tokenDigest(token: string): string {
  return hash('sha256', token, 'hex');
}

/** What several may own, by its key. */
export function groupBy<K, V>(pairs: readonly (readonly [K, V])[]): ReadonlyMap<K, ReadonlySet<V>> {
  const groups = new Map<K, Set<V>>();
  for (const [key, member] of pairs) groups.set(key, (groups.get(key) ?? new Set()).add(member));
  return groups;
}
