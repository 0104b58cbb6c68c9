import { hash } from 'node:crypto';
import { whenAllReady } from '../lib/maybe-promise.js';
import type { MaybePromise } from '../lib/maybe-promise.js';
import type { Reason } from '../model/reasons.js';
import { readAuthorization } from './authorization.js';
import { ownersOf, readClientCertificate } from './client-certificate.js';
import type { SanKey } from './client-certificate.js';
import type { CredentialTable, Policy } from './compile.js';
import type { Answer, PasswordChecker } from './password.js';
import type { Door, Question } from './question.js';

/**
 * Who is asking. A request may show several credentials (a certificate and a password, say), and the rule is one for all kinds:
 *
 *   every credential that is shown must be valid, and all must name the same tenant.
 *
 * Each kind is a function from the question to a claim; a new kind is one more entry in `claimsOf`.
 */
export type Caller =
  | { readonly kind: 'tenant'; readonly tenant: string }
  | { readonly kind: 'agent'; readonly agent: string }
  | { readonly kind: 'stranger'; readonly reason: Reason };

/** What one credential says: these tenants (exactly one, when all is well), or that it could not be checked. */
type Claim = ReadonlySet<string> | 'busy';

const INVALID: ReadonlySet<string> = new Set();

/** At once, except where a password has to be checked for the first time. Never rejects. */
export function identify(policy: Policy, passwords: PasswordChecker, question: Question): MaybePromise<Caller> {
  if (question.door === 'agent') return identifyAgent(policy, question);
  return whenAllReady(claimsOf(policy.credentials, passwords, question), (claims) => callerOf(claims, question.door));
}

/** On the agents' listener a certificate is the only credential, and Envoy has verified it. */
function identifyAgent(policy: Policy, question: Question): Caller {
  const [agent, ...others] = certificateClaim(policy.agentsBySan, question) ?? INVALID;
  return agent !== undefined && others.length === 0 ? { kind: 'agent', agent } : { kind: 'stranger', reason: 'agent_unknown' };
}

function callerOf(claims: readonly Claim[], door: Door): Caller {
  const proxy = credentialHeader(door) === 'proxy-authorization';
  const tenants = new Set<string>();
  let [busy, invalid] = [false, false];
  for (const claim of claims) {
    if (claim === 'busy') busy = true;
    else if (claim.size === 0) invalid = true;
    else for (const tenant of claim) tenants.add(tenant);
  }
  if (invalid) return { kind: 'stranger', reason: proxy ? 'proxy_bad_credentials' : 'bad_credentials' };
  if (busy) return { kind: 'stranger', reason: 'authz_busy' };
  if (tenants.size > 1) return { kind: 'stranger', reason: 'conflicting_credentials' };
  const [tenant] = tenants;
  if (tenant === undefined) return { kind: 'stranger', reason: proxy ? 'proxy_no_credentials' : 'no_credentials' };
  return { kind: 'tenant', tenant };
}

/**
 * The header that is ours on this door. Where the authority names a target, `Authorization` belongs to the exporter and goes on
 * to it (facts/prometheus-scrape.md §3); on the gateway's own names it is ours, and `Proxy-Authorization` says nothing.
 */
export function credentialHeader(door: Door): 'authorization' | 'proxy-authorization' {
  return door === 'proxy' || door === 'connect' ? 'proxy-authorization' : 'authorization';
}

function claimsOf(table: CredentialTable, passwords: PasswordChecker, question: Question): MaybePromise<Claim>[] {
  const certificate = certificateClaim(table.certificates, question);
  const authorization = credentialHeader(question.door) === 'authorization' ? question.authorization : question.proxyAuthorization;
  return [certificate, authorization === undefined ? undefined : authorizationClaim(table, passwords, authorization)].filter((claim) => claim !== undefined);
}

function certificateClaim(owners: ReadonlyMap<SanKey, ReadonlySet<string>>, question: Question): ReadonlySet<string> | undefined {
  if (question.clientCertificate === undefined) return undefined;
  const certificate = readClientCertificate(question.clientCertificate, question.principal);
  return certificate.ok ? ownersOf(certificate.value, owners) : INVALID;
}

function authorizationClaim(table: CredentialTable, passwords: PasswordChecker, value: string): MaybePromise<Claim> {
  const authorization = readAuthorization(value);
  switch (authorization.kind) {
    case 'unknown':
      return INVALID;
    case 'bearer':
      // The time that this look-up takes depends on the digest, which nobody can steer towards a stored one.
      return table.tokens.get(hash('sha256', authorization.token, 'hex')) ?? INVALID;
    case 'basic':
      return passwordClaim(table, passwords, authorization);
  }
}

function passwordClaim(table: CredentialTable, passwords: PasswordChecker, { user, password }: { user: string; password: string }): MaybePromise<Claim> {
  const candidates = table.passwords.get(user) ?? table.decoy;
  const answers = candidates.map(({ bcryptHash }) => passwords.matches(user, password, bcryptHash));
  return whenAllReady<Answer, Claim>(answers, (settled) => {
    const tenants = new Set(candidates.filter((_, index) => settled[index] === 'right').map(({ tenant }) => tenant));
    return tenants.size === 0 && settled.includes('busy') ? 'busy' : tenants;
  });
}
