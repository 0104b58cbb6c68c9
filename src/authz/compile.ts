import { credentialId, frontProxyId } from '../model/credential-id.js';
import { compileRights, compileScope } from '../model/grants.js';
import type { ScrapeRights } from '../model/grants.js';
import type { ClaimRule, Credential, DesiredState, GatewayLimits, Site } from '../model/desired-state.js';
import { sitesByMember } from '../model/sites.js';
import { compileTargetLimits } from '../model/target-limits.js';
import type { LimitsOf } from '../model/target-limits.js';
import type { Target } from '../model/target.js';
import { groupBy, passwordTable } from '../credentials/claims.js';
import type { Owned, Password, PasswordTable } from '../credentials/claims.js';
import { sanKey } from '../credentials/san.js';
import type { SanKey } from '../credentials/san.js';

/**
 * DesiredState → what a decision looks up. Immutable, replaced as a whole by each configuration; costs O(tenants + agents).
 * Targets, which come and go by the second, are not in it: see `inventory.ts`.
 */
export interface Policy {
  readonly credentials: CredentialTable;
  /** Tenants' own, by id. */
  readonly credentialsById: ReadonlyMap<string, KnownCredential>;
  /** Agents by the name in their certificate. */
  readonly agentsBySan: ReadonlyMap<SanKey, ReadonlySet<string>>;
  /** What each tenant may scrape. */
  readonly rights: ReadonlyMap<string, ScrapeRights>;
  /** By member. */
  readonly sites: ReadonlyMap<string, Site>;
  readonly limits: GatewayLimits;
  /** What templates allow at a target. */
  readonly limitsOf: LimitsOf;
  readonly revoked: RevokedTable;
  /** Tenants with a query door. */
  readonly queriers: ReadonlySet<string>;
  /** Tenants with a push door. */
  readonly pushers: ReadonlySet<string>;
}

export interface RevokedTable {
  readonly serials: ReadonlySet<string>;
  readonly sans: ReadonlySet<SanKey>;
}

/** A credential as it decides: whose it is, and on which terms. */
export interface KnownCredential extends Owned {
  readonly id: string;
  /** How it was shown, for the audit line. */
  readonly method: Credential['kind'] | 'front-proxy';
  /** When the very token ends that was shown for it, ms since the epoch; undefined: it is no token. */
  readonly tokenEndMs?: number | undefined;
  /** The issuer that a certificate must have. */
  readonly issuer: string | undefined;
  /** What it may be used for, of what the tenant may; undefined = all. */
  readonly covers: ((agent: string, target: Target) => boolean) | undefined;
}

/** What is shown → whose it is. Config sees to it that there is one; where there are more tenants, identification refuses. */
export interface CredentialTable extends PasswordTable<KnownCredential> {
  readonly certificates: ReadonlyMap<SanKey, ReadonlySet<KnownCredential>>;
  /** Front proxies: by the name in their certificate, then by the tenant that they may speak for. */
  readonly frontProxies: ReadonlyMap<SanKey, ReadonlySet<ReadonlyMap<string, KnownCredential>>>;
  /** By lower-case hex SHA-256 of the token. */
  readonly tokens: ReadonlyMap<string, ReadonlySet<KnownCredential>>;
  /** By namespace and name, or namespace alone (`serviceAccountKey`). */
  readonly serviceAccounts: ReadonlyMap<string, ReadonlySet<KnownCredential>>;
  /** By `iss`. */
  readonly issuers: ReadonlyMap<string, KnownIssuer>;
}

/** An issuer, as its tokens are judged. */
export interface KnownIssuer {
  readonly name: string;
  /** `iss`. */
  readonly issuer: string;
  readonly credentials: readonly { readonly credential: KnownCredential; readonly claims: readonly ClaimRule[] }[];
}

export function compilePolicy(state: DesiredState): Policy {
  return {
    credentials: compileCredentials(state),
    credentialsById: new Map(state.tenants.flatMap(({ name, credentials }) => credentials.map((credential) => [credentialId(credential), knownCredential(name, credential)]))),
    agentsBySan: groupBy(state.agents.map((agent) => [sanKey(agent.san.type, agent.san.value), agent.name])),
    rights: compileRights(state),
    sites: sitesByMember(state),
    limits: state.gateway.limits,
    limitsOf: compileTargetLimits(state),
    queriers: new Set(state.tenants.filter(({ query }) => query !== undefined && query.length > 0).map(({ name }) => name)),
    pushers: new Set(state.tenants.filter(({ push }) => push !== undefined && push.length > 0).map(({ name }) => name)),
    revoked: {
      serials: new Set(state.gateway.revoked?.serials),
      sans: new Set((state.gateway.revoked?.sans ?? []).map(({ type, value }) => sanKey(type, value))),
    },
  };
}

function compileCredentials(state: DesiredState): CredentialTable {
  const certificates: [SanKey, KnownCredential][] = [];
  const tokens: [string, KnownCredential][] = [];
  const serviceAccounts: [string, KnownCredential][] = [];
  const passwords = new Map<string, Password<KnownCredential>[]>();
  const issued = new Map<string, KnownIssuer['credentials'][number][]>();
  const add = (tenant: string, credential: Credential): void => {
    const known = knownCredential(tenant, credential);
    switch (credential.kind) {
      case 'certificate':
        certificates.push([sanKey(credential.san.type, credential.san.value), known]);
        break;
      case 'bearer':
        tokens.push([credential.sha256.toLowerCase(), known]);
        break;
      case 'basic':
        passwords.set(credential.user, [...(passwords.get(credential.user) ?? []), { credential: known, bcryptHash: credential.bcryptHash }]);
        break;
      case 'jwt':
        issued.set(credential.issuer, [...(issued.get(credential.issuer) ?? []), { credential: known, claims: credential.claims }]);
        break;
      case 'service-account':
        serviceAccounts.push([serviceAccountKey(credential.namespace, credential.name), known]);
        break;
    }
  };
  for (const tenant of state.tenants) for (const credential of tenant.credentials) add(tenant.name, credential);
  const issuers = (state.gateway.issuers ?? []).map(({ name, issuer }) => [issuer, { name, issuer, credentials: issued.get(name) ?? [] }] as const);
  return { certificates: groupBy(certificates), frontProxies: compileFrontProxies(state), tokens: groupBy(tokens), serviceAccounts: groupBy(serviceAccounts), ...passwordTable(passwords, NOBODY), issuers: new Map(issuers) };
}

/** `name` undefined: all of the namespace. */
export function serviceAccountKey(namespace: string, name: string | undefined): string {
  return name === undefined ? namespace : `${namespace}/${name}`;
}

function compileFrontProxies({ frontProxies = [], tenants }: DesiredState): CredentialTable['frontProxies'] {
  return new Map(
    frontProxies.map((proxy) => [
      sanKey(proxy.san.type, proxy.san.value),
      new Set([new Map((proxy.tenants === 'all' ? tenants.map(({ name }) => name) : proxy.tenants).map((tenant) => [tenant, { id: frontProxyId(proxy), tenant, method: 'front-proxy', expiresMs: undefined, issuer: undefined, covers: undefined } as const]))]),
    ]),
  );
}

function knownCredential(tenant: string, credential: Credential): KnownCredential {
  const { kind, expiresMs, scope } = credential;
  return {
    id: credentialId(credential),
    tenant,
    method: kind,
    expiresMs,
    issuer: kind === 'certificate' ? credential.issuer : undefined,
    covers: scope && compileScope(scope),
  };
}

/** Whose the decoy is: it covers nothing, should its hash ever match. */
const NOBODY: KnownCredential = { id: '', tenant: '', method: 'basic', expiresMs: 0, issuer: undefined, covers: () => false };
