import { whenAllReady, whenReady } from '../lib/maybe-promise.js';
import type { MaybePromise } from '../lib/maybe-promise.js';
import type { Reason } from '../model/reasons.js';
import { readAuthorization } from '../credentials/authorization.js';
import { INVALID, judge, passwordClaim, tokenDigest } from '../credentials/claims.js';
import type { Claim as ClaimOf, Unchecked } from '../credentials/claims.js';
import { ownersOf } from '../credentials/san.js';
import type { SanKey } from '../credentials/san.js';
import { readClientCertificate } from './client-certificate.js';
import { serviceAccountKey } from './compile.js';
import type { CredentialTable, KnownCredential, Policy, RevokedTable } from './compile.js';
import type { PasswordChecker } from '../credentials/password.js';
import type { Door, Question } from './question.js';
import { lastMs } from './service-accounts.js';
import type { Reviewed, ServiceAccounts } from './service-accounts.js';
import { issuersTokenClaim, shownBy, whyNobody } from './token-claims.js';
import type { TokenFindings } from './token-findings.js';

/**
 * Who is asking. Each kind of credential is a function from the question to a claim, and the claims are judged together
 * (credentials/claims.ts); a new kind is one more entry in `claimsOf`.
 */
export type Caller =
  | {
      readonly kind: 'tenant';
      readonly tenant: string;
      /** All that were shown; each may narrow what is allowed. */
      readonly credentials: readonly KnownCredential[];
    }
  | { readonly kind: 'agent'; readonly agent: string }
  | {
      readonly kind: 'stranger';
      readonly reason: Reason;
      /** For the audit line, where more is known than the reason says. */
      readonly rule?: string | undefined;
    };

type Claim = ClaimOf<KnownCredential>;

const UNCHECKED: Readonly<Record<Unchecked, Reason>> = { busy: 'authz_busy', no_keys: 'issuer_unavailable', no_review: 'issuer_unavailable' };

/** What checks the credentials that tables alone cannot. */
export interface Checks {
  readonly passwords: PasswordChecker;
  /** Undefined: no tokens of service accounts are taken. */
  readonly serviceAccounts?: ServiceAccounts | undefined;
}

/** At once, except where a password or a token has to be checked for the first time. Never rejects. `nowMs`: wall clock. */
export function identify(policy: Policy, checks: Checks, question: Question, nowMs: number): MaybePromise<Caller> {
  if (question.door === 'agent' || question.door === 'renew') return identifyAgent(policy, question);
  // whatever is shown there counts for nothing, and costs nothing
  if (question.door === 'join') return { kind: 'stranger', reason: 'no_credentials' };
  return whenAllReady(claimsOf(policy, checks, question), (claims) => {
    const caller = callerOf(claims, question.door, nowMs);
    return caller.kind === 'stranger' ? { ...caller, rule: proxyTrouble(policy, question) ?? tokenTrouble(policy, checks, question) } : caller;
  });
}

/** On the agents' listener a certificate is the only credential, and Envoy has verified it. */
function identifyAgent(policy: Policy, question: Question): Caller {
  const [agent, ...others] = certificateOwners(policy.agentsBySan, policy.revoked, question) ?? INVALID;
  return agent !== undefined && others.length === 0 ? { kind: 'agent', agent } : { kind: 'stranger', reason: 'agent_unknown' };
}

function callerOf(claims: readonly Claim[], door: Door, nowMs: number): Caller {
  const proxy = credentialHeader(door) === 'proxy-authorization';
  const verdict = judge(claims, nowMs);
  switch (verdict.kind) {
    case 'tenant':
      return verdict;
    case 'nothing_shown':
      return { kind: 'stranger', reason: proxy ? 'proxy_no_credentials' : 'no_credentials' };
    case 'invalid':
      return { kind: 'stranger', reason: proxy ? 'proxy_bad_credentials' : 'bad_credentials' };
    case 'conflicting':
      return { kind: 'stranger', reason: 'conflicting_credentials' };
    case 'unchecked':
      return { kind: 'stranger', reason: UNCHECKED[verdict.why] };
  }
}

/**
 * The header that is ours on this door. Where the authority names a target, `Authorization` belongs to the exporter and goes on
 * to it (facts/prometheus-scrape.md §3); on the gateway's own names it is ours, and `Proxy-Authorization` says nothing.
 */
export function credentialHeader(door: Door): 'authorization' | 'proxy-authorization' {
  return door === 'proxy' || door === 'connect' ? 'proxy-authorization' : 'authorization';
}

function shownAuthorization({ door, authorization, proxyAuthorization }: Question): string | undefined {
  return credentialHeader(door) === 'authorization' ? authorization : proxyAuthorization;
}

/** Why a front proxy is nobody, for the audit line; only ASCII. */
function proxyTrouble({ credentials, revoked }: Policy, question: Question): string | undefined {
  const proxies = certificateOwners(credentials.frontProxies, revoked, question);
  if (proxies === undefined || proxies.size === 0) return undefined;
  if (question.assertedTenant === undefined) return 'frontProxies: no X-Tenant-Namespace';
  return assertedBy(proxies, question.assertedTenant).size > 0 ? undefined : `frontProxies: it may not speak for ${question.assertedTenant.replace(/[^!-~]/g, '?').slice(0, 100)}`;
}

function tokenTrouble({ credentials }: Policy, { serviceAccounts }: Checks, question: Question): string | undefined {
  const authorization = readAuthorization(shownAuthorization(question) ?? '');
  if (authorization.kind !== 'bearer') return undefined;
  const { token } = authorization;
  const issued = whyNobody(credentials, token, question.token);
  const digest = tokenDigest(token);
  if (issued !== undefined || credentials.tokens.has(digest)) return issued;
  // It was asked for a moment ago: the answer is remembered, or nobody is asked again for the audit line.
  const reviewed = serviceAccounts?.remembered(token, digest);
  return reviewed && `kubernetes: ${inWords(reviewed)}`;
}

/** Why a review made nobody of a token; only ASCII. */
function inWords(reviewed: Reviewed): string {
  switch (reviewed.kind) {
    case 'account':
      return `no tenant has the service account ${reviewed.namespace}/${reviewed.name}`;
    case 'busy':
      return 'too many reviews wait';
    case 'refused':
    case 'away':
      return reviewed.why.replace(/[^ -~]/g, '?');
  }
}

function claimsOf(policy: Policy, checks: Checks, question: Question): MaybePromise<Claim>[] {
  const authorization = shownAuthorization(question);
  return [
    certificateClaim(policy, question),
    authorization === undefined ? undefined : authorizationClaim(policy.credentials, checks, { value: authorization, findings: question.token }),
  ].filter((claim) => claim !== undefined);
}

function certificateClaim({ credentials, revoked }: Policy, question: Question): ReadonlySet<KnownCredential> | undefined {
  const proxies = certificateOwners(credentials.frontProxies, revoked, question);
  if (proxies !== undefined && proxies.size > 0) return assertedBy(proxies, question.assertedTenant);
  const owners = certificateOwners(credentials.certificates, revoked, question);
  // Tenants' CAs may know each other's names: a name counts only from the CA that it was configured with.
  const isFromItsCa = ({ issuer }: KnownCredential): boolean => issuer === undefined || issuer === question.peerIssuer;
  return owners === undefined || [...owners].every(isFromItsCa) ? owners : INVALID;
}

/** What a front proxy asserts: nothing that it was not given to say. */
function assertedBy(proxies: ReadonlySet<ReadonlyMap<string, KnownCredential>>, tenant: string | undefined): ReadonlySet<KnownCredential> {
  return new Set([...proxies].flatMap((tenants) => (tenant === undefined ? [] : (tenants.get(tenant) ?? []))));
}

/** Whose the client's certificate is; undefined without one. */
function certificateOwners<T>(owners: ReadonlyMap<SanKey, ReadonlySet<T>>, revoked: RevokedTable, question: Question): ReadonlySet<T> | undefined {
  if (question.clientCertificate === undefined) return undefined;
  const certificate = readClientCertificate(question.clientCertificate, question.principal);
  if (!certificate.ok) return INVALID;
  const isRevoked = certificate.value.shown.some((san) => revoked.sans.has(san)) || (question.peerSerial !== undefined && revoked.serials.has(question.peerSerial));
  return isRevoked ? INVALID : ownersOf(certificate.value, owners);
}

function authorizationClaim(table: CredentialTable, checks: Checks, { value, findings }: { readonly value: string; readonly findings: TokenFindings | undefined }): MaybePromise<Claim> {
  const authorization = readAuthorization(value);
  switch (authorization.kind) {
    case 'unknown':
      return INVALID;
    case 'bearer': {
      const issued = issuersTokenClaim(table, authorization.token, findings);
      if (issued !== undefined) return issued;
      const digest = tokenDigest(authorization.token);
      return table.tokens.get(digest) ?? serviceAccountClaim(table, authorization.token, checks.serviceAccounts?.review(authorization.token, digest));
    }
    case 'basic':
      return passwordClaim(table, checks.passwords, authorization);
  }
}

function serviceAccountClaim(table: CredentialTable, token: string, reviewed: MaybePromise<Reviewed> | undefined): MaybePromise<Claim> {
  return reviewed === undefined ? INVALID : whenReady(reviewed, (verdict) => claimOfReview(table, token, verdict));
}

function claimOfReview({ serviceAccounts }: CredentialTable, token: string, reviewed: Reviewed): Claim {
  switch (reviewed.kind) {
    case 'account':
      return shownBy(ownersOfAccount(serviceAccounts, reviewed), lastMs(token));
    case 'refused':
      return INVALID;
    case 'away':
      return 'no_review';
    case 'busy':
      return 'busy';
  }
}

/** By its own name, and by that of its namespace. */
export function ownersOfAccount(owners: CredentialTable['serviceAccounts'], { namespace, name }: { readonly namespace: string; readonly name: string }): ReadonlySet<KnownCredential> {
  return new Set([namespace, serviceAccountKey(namespace, name)].flatMap((key) => [...(owners.get(key) ?? [])]));
}
