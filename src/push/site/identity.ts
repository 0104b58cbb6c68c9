import { readAuthorization } from '../../credentials/authorization.js';
import { groupBy, INVALID, judge, passwordClaim, passwordTable, tokenDigest } from '../../credentials/claims.js';
import type { Claim, Owned, Password, PasswordTable } from '../../credentials/claims.js';
import type { PasswordChecker } from '../../credentials/password.js';
import { ownersOf, sanKey } from '../../credentials/san.js';
import type { SanKey } from '../../credentials/san.js';
import { whenAllReady } from '../../lib/maybe-promise.js';
import type { MaybePromise } from '../../lib/maybe-promise.js';
import type { Reason } from '../../model/reasons.js';
import type { SiteTenant } from '../../model/site-push.js';

/**
 * Who pushes at a site: the gateway's rule (credentials/claims.ts) over the three kinds of credentials that need neither an issuer nor a
 * cluster, so that pushes go on while the site is cut off from everything.
 */

export interface SiteCredentials extends PasswordTable<Owned> {
  readonly certificates: ReadonlyMap<SanKey, ReadonlySet<Owned>>;
  /** By SHA-256 in hexadecimal digits. */
  readonly tokens: ReadonlyMap<string, ReadonlySet<Owned>>;
}

/** What a request shows. */
export interface Shown {
  readonly authorization: string | undefined;
  /** Names in the client's certificate; `unverified`: it was not signed by whom we trust, or has expired. */
  readonly certificate: readonly SanKey[] | 'unverified' | undefined;
}

/** Whose the decoy is: it is over. */
const NOBODY: Owned = { tenant: '', expiresMs: 0 };

export function compileSiteCredentials(tenants: readonly SiteTenant[]): SiteCredentials {
  const certificates: [SanKey, Owned][] = [];
  const tokens: [string, Owned][] = [];
  const passwords = new Map<string, Password<Owned>[]>();
  for (const { name: tenant, credentials } of tenants) {
    for (const credential of credentials) {
      const owned: Owned = { tenant, expiresMs: credential.expiresMs };
      switch (credential.kind) {
        case 'certificate':
          certificates.push([sanKey(credential.san.type, credential.san.value), owned]);
          break;
        case 'bearer':
          tokens.push([credential.sha256.toLowerCase(), owned]);
          break;
        case 'basic':
          passwords.set(credential.user, [...(passwords.get(credential.user) ?? []), { credential: owned, bcryptHash: credential.bcryptHash }]);
          break;
      }
    }
  }
  return { certificates: groupBy(certificates), tokens: groupBy(tokens), ...passwordTable(passwords, NOBODY) };
}

/** The tenant, or why it is nobody. At once, except where a password has to be checked for the first time. Never rejects. `nowMs`: wall clock. */
export function whoPushes(table: SiteCredentials, passwords: PasswordChecker, shown: Shown, nowMs: number): MaybePromise<{ readonly tenant: string } | Reason> {
  const claims = [certificateClaim(table, shown.certificate), authorizationClaim(table, passwords, shown.authorization)].filter((claim) => claim !== undefined);
  return whenAllReady<Claim<Owned>, { readonly tenant: string } | Reason>(claims, (ready) => {
    const verdict = judge(ready, nowMs);
    switch (verdict.kind) {
      case 'tenant':
        return { tenant: verdict.tenant };
      case 'nothing_shown':
        return 'no_credentials';
      case 'invalid':
        return 'bad_credentials';
      case 'conflicting':
        return 'conflicting_credentials';
      case 'unchecked':
        return 'authz_busy';
    }
  });
}

function certificateClaim({ certificates }: SiteCredentials, names: Shown['certificate']): Claim<Owned> | undefined {
  if (names === undefined) return undefined;
  return names === 'unverified' ? INVALID : ownersOf({ shown: names, whole: names }, certificates);
}

function authorizationClaim(table: SiteCredentials, passwords: PasswordChecker, value: string | undefined): MaybePromise<Claim<Owned>> | undefined {
  if (value === undefined) return undefined;
  const authorization = readAuthorization(value);
  switch (authorization.kind) {
    case 'unknown':
      return INVALID;
    case 'bearer':
      return table.tokens.get(tokenDigest(authorization.token)) ?? INVALID;
    case 'basic':
      return passwordClaim(table, passwords, authorization);
  }
}
