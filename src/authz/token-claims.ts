import type { ClaimRule } from '../model/desired-state.js';
import { CLOCK_SKEW_S } from '../model/token-metadata.js';
import type { CredentialTable, KnownCredential, KnownIssuer } from './compile.js';
import type { Struct, StructValue } from './struct.js';
import type { TokenFindings } from './token-findings.js';

/**
 * Whose token an issuer's token is. Envoy has verified it or not; here its claims become a tenant.
 *
 * A token that says that it is of one of our issuers is never anything else: where it is not verified it is looked up nowhere, and
 * what it says counts for nothing but that. Every other token is opaque (undefined here), even if it is some JWT.
 */
export function issuersTokenClaim(table: CredentialTable, token: string, findings: TokenFindings | undefined): ReadonlySet<KnownCredential> | 'no_keys' | undefined {
  const claimed = claimedIssuer(table, token);
  if (claimed === undefined) return undefined;
  const payload = verifiedPayload(claimed, findings);
  if (payload === undefined) return findings?.failures.get(claimed.name)?.code === JWKS_FETCH_FAILED ? 'no_keys' : new Set();
  return shownBy(matching(claimed, payload), endOf(payload, CLOCK_SKEW_S));
}

/** The credentials, as this token shows them. */
export function shownBy(credentials: Iterable<KnownCredential>, tokenEndMs: number | undefined): ReadonlySet<KnownCredential> {
  return new Set([...credentials].map((credential) => ({ ...credential, tokenEndMs })));
}

const MAX_TIME_MS = 8.64e15;

/** When what this is the payload of is taken no more, ms since the epoch; undefined where it does not say. */
export function endOf(payload: Struct | undefined, skewS = 0): number | undefined {
  const seconds = payload?.get('exp');
  return typeof seconds === 'number' && Math.abs(seconds + skewS) * 1000 <= MAX_TIME_MS ? (seconds + skewS) * 1000 : undefined;
}

/** `google::jwt_verify::Status::JwksFetchFail`: the only failure that is not the token's. */
const JWKS_FETCH_FAILED = 40;

/** For the audit line: why an issuer's token names nobody; undefined where that is not so. Only ASCII. */
export function whyNobody(table: CredentialTable, token: string, findings: TokenFindings | undefined): string | undefined {
  const claimed = claimedIssuer(table, token);
  if (claimed === undefined) return undefined;
  const place = `issuers/${claimed.name}`;
  const payload = verifiedPayload(claimed, findings);
  if (payload === undefined) return `${place}: ${findings?.failures.get(claimed.name)?.message ?? 'not verified'}`;
  return matching(claimed, payload).length === 0 ? `${place}: no tenant has these claims` : undefined;
}

/** Whose the token would be, if Envoy verified it: for explanations only. Undefined for a token of no issuer. */
export function ifVerified(table: CredentialTable, token: string): { readonly issuer: string; readonly credentials: readonly KnownCredential[] } | undefined {
  const claimed = claimedIssuer(table, token);
  return claimed && { issuer: claimed.name, credentials: matching(claimed, unverifiedPayload(token) ?? new Map()) };
}

function matching({ credentials }: KnownIssuer, payload: Struct): readonly KnownCredential[] {
  return credentials.filter(({ claims }) => claims.every((rule) => holds(rule, payload))).map(({ credential }) => credential);
}

/** The payload that Envoy verified is that of this very issuer. */
function verifiedPayload({ issuer }: KnownIssuer, findings: TokenFindings | undefined): Struct | undefined {
  return findings?.payload?.get('iss') === issuer ? findings.payload : undefined;
}

function claimedIssuer({ issuers }: CredentialTable, token: string): KnownIssuer | undefined {
  const iss = issuers.size === 0 ? undefined : unverifiedPayload(token)?.get('iss');
  return typeof iss === 'string' ? issuers.get(iss) : undefined;
}

/** Whether a claim is, or as a list has, one of the rule's values. */
export function holds({ path, anyOf }: ClaimRule, payload: Struct): boolean {
  let claim: StructValue | undefined = payload;
  for (const step of path) claim = claim instanceof Map ? claim.get(step) : undefined;
  const values: readonly (StructValue | undefined)[] = Array.isArray(claim) ? claim : [claim];
  return values.some((value) => anyOf.some((wanted) => wanted === value));
}

/** What a JWT says of itself; undefined for what is none. */
export function unverifiedPayload(token: string): Struct | undefined {
  const [, payload, , ...more] = token.split('.');
  if (payload === undefined || more.length > 0) return undefined;
  try {
    const parsed = fromJson(JSON.parse(Buffer.from(payload, 'base64url').toString('utf8')));
    return parsed instanceof Map ? parsed : undefined;
  } catch {
    return undefined; // not JSON, or nested deeper than the stack
  }
}

function fromJson(value: unknown): StructValue {
  if (Array.isArray(value)) return value.map(fromJson);
  if (typeof value === 'object' && value !== null) return new Map(Object.entries(value).map(([key, inner]) => [key, fromJson(inner)]));
  return typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean' ? value : null;
}
