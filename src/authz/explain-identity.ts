import { hash } from 'node:crypto';
import { readAuthorization } from '../credentials/authorization.js';
import { readClientCertificate } from './client-certificate.js';
import type { KnownCredential, Policy } from './compile.js';
import { credentialHeader, ownersOfAccount } from './identity.js';
import type { Checks } from './identity.js';
import type { Question } from './question.js';
import type { Reviewed } from './service-accounts.js';
import { ifVerified } from './token-claims.js';

/**
 * Who a request would be, credential by credential: what was shown, which identity it matches, what fails and why. The words for
 * what `identity.ts` decides; secrets are never among them.
 */
export interface ShownCredential {
  /** `client certificate`, `Authorization: Basic`. */
  readonly what: string;
  readonly ok: boolean;
  readonly why: string;
}

export async function explainIdentity(policy: Policy, checks: Checks, question: Question, nowMs: number): Promise<ShownCredential[]> {
  const header = credentialHeader(question.door);
  const [ours, other] = header === 'authorization' ? [question.authorization, question.proxyAuthorization] : [question.proxyAuthorization, question.authorization];
  const name = header === 'authorization' ? 'Authorization' : 'Proxy-Authorization';
  const shown: ShownCredential[] = [];
  if (question.clientCertificate !== undefined) shown.push(certificate(policy, question, question.clientCertificate, nowMs));
  if (ours !== undefined) shown.push(await authorization(policy, checks, { name, value: ours, nowMs }));
  if (other !== undefined && header !== 'authorization') shown.push({ what: 'Authorization', ok: true, why: 'is not ours on this door: it goes on to the exporter' });
  if (other !== undefined && header === 'authorization') shown.push({ what: 'Proxy-Authorization', ok: true, why: 'says nothing on this door and is removed' });
  return shown;
}

function certificate(policy: Policy, question: Question, xfcc: string, nowMs: number): ShownCredential {
  const what = 'client certificate';
  const read = readClientCertificate(xfcc, question.principal);
  if (!read.ok) return { what, ok: false, why: `its names cannot be trusted: ${read.error}` };
  const { shown, whole } = read.value;
  const revoked = shown.find((san) => policy.revoked.sans.has(san));
  if (revoked !== undefined) return { what, ok: false, why: `${revoked} is revoked` };
  if (question.peerSerial !== undefined && policy.revoked.serials.has(question.peerSerial)) return { what, ok: false, why: `the serial ${question.peerSerial} is revoked` };
  const known = whole.flatMap((san) => [...(policy.credentials.certificates.get(san) ?? [])]);
  if (known.length === 0) return { what, ok: false, why: `no tenant has a credential for ${shown.join(', ') || 'a certificate without names'}` };
  const wrong = known.find(({ issuer }) => issuer !== undefined && issuer !== question.peerIssuer);
  if (wrong !== undefined) return { what, ok: false, why: `${wrong.tenant} wants the issuer "${wrong.issuer ?? ''}", and it was issued by "${question.peerIssuer ?? ''}"` };
  return verdict(what, known, nowMs);
}

async function authorization(
  { credentials }: Policy,
  checks: Checks,
  { name, value, nowMs }: { readonly name: string; readonly value: string; readonly nowMs: number },
): Promise<ShownCredential> {
  const read = readAuthorization(value);
  switch (read.kind) {
    case 'unknown':
      return { what: name, ok: false, why: 'is neither "Basic <base64 of user:password>" nor "Bearer <token>"' };
    case 'bearer': {
      const issued = ifVerified(credentials, read.token);
      if (issued !== undefined) return tokenVerdict(`${name}: Bearer, a token of the issuer "${issued.issuer}"`, issued.credentials, nowMs);
      const digest = hash('sha256', read.token, 'hex');
      const reviewed = credentials.tokens.has(digest) ? undefined : await checks.serviceAccounts?.review(read.token, digest);
      if (reviewed !== undefined) return reviewVerdict(`${name}: Bearer, a token of a service account of Kubernetes`, { credentials, reviewed, nowMs });
      return verdict(`${name}: Bearer`, [...(credentials.tokens.get(digest) ?? [])], nowMs);
    }
    case 'basic': {
      const what = `${name}: Basic, user "${read.user}"`;
      const candidates = credentials.passwords.get(read.user);
      if (candidates === undefined) return { what, ok: false, why: 'no tenant has a credential of this user' };
      const answers = await Promise.all(candidates.map(({ bcryptHash }) => checks.passwords.matches(read.user, read.password, bcryptHash)));
      const right = candidates.filter((_, index) => answers[index] === 'right').map(({ credential }) => credential);
      return right.length === 0 ? { what, ok: false, why: 'the user is known, the password is another' } : verdict(what, right, nowMs);
    }
  }
}

function reviewVerdict(what: string, { credentials, reviewed, nowMs }: { readonly credentials: Policy['credentials']; readonly reviewed: Reviewed; readonly nowMs: number }): ShownCredential {
  switch (reviewed.kind) {
    case 'account': {
      const account = `the API server knows it as ${reviewed.namespace}/${reviewed.name}`;
      const known = [...ownersOfAccount(credentials.serviceAccounts, reviewed)];
      if (known.length === 0) return { what, ok: false, why: `${account}; no tenant has that` };
      const { ok, why } = verdict(what, known, nowMs);
      return { what, ok, why: `${account}; ${why}` };
    }
    case 'refused':
      return { what, ok: false, why: reviewed.why };
    case 'away':
      return { what, ok: false, why: `the API server cannot be asked: ${reviewed.why}` };
    case 'busy':
      return { what, ok: false, why: 'too many reviews wait' };
  }
}

/** Signature, audience and times are Envoy's to judge, with keys that are not here. */
function tokenVerdict(what: string, known: readonly KnownCredential[], nowMs: number): ShownCredential {
  if (known.length === 0) return { what, ok: false, why: 'no tenant has its claims, even if Envoy finds it good' };
  const { ok, why } = verdict(what, known, nowMs);
  return { what, ok, why: `${why}; if Envoy finds it good: key, audience and times are not looked at here` };
}

function verdict(what: string, known: readonly KnownCredential[], nowMs: number): ShownCredential {
  const [first] = known;
  if (first === undefined) return { what, ok: false, why: 'no tenant has this credential' };
  const tenants = [...new Set(known.map(({ tenant }) => tenant))];
  if (tenants.length > 1) return { what, ok: false, why: `belongs to ${tenants.join(' and ')}` };
  if (first.expiresMs !== undefined && first.expiresMs <= nowMs) return { what, ok: false, why: `${first.id} of ${first.tenant} ended on ${new Date(first.expiresMs).toISOString()}` };
  return { what, ok: true, why: `is ${first.tenant}, by ${first.id}${first.covers === undefined ? '' : ', with a scope of its own'}` };
}
