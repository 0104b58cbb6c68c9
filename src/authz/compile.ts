import { compileRights } from '../model/grants.js';
import type { ScrapeRights } from '../model/grants.js';
import type { Credential, DesiredState, GatewayLimits } from '../model/desired-state.js';
import { sanKey } from './client-certificate.js';
import type { SanKey } from './client-certificate.js';
import { decoyHash } from './password.js';

/**
 * DesiredState → what a decision looks up. Immutable, replaced as a whole by each configuration; costs O(tenants + agents).
 * Targets, which come and go by the second, are not in it: see `inventory.ts`.
 */
export interface Policy {
  readonly credentials: CredentialTable;
  /** Agents by the name in their certificate. */
  readonly agentsBySan: ReadonlyMap<SanKey, ReadonlySet<string>>;
  /** What each tenant may scrape. */
  readonly rights: ReadonlyMap<string, ScrapeRights>;
  readonly limits: GatewayLimits;
}

/** Credential → tenants. Config sees to it that there is one; where there are more, identification refuses. */
export interface CredentialTable {
  readonly certificates: ReadonlyMap<SanKey, ReadonlySet<string>>;
  /** By user. */
  readonly passwords: ReadonlyMap<string, readonly Password[]>;
  /** What an unknown user's password is checked against. */
  readonly decoy: readonly Password[];
  /** By lower-case hex SHA-256 of the token. */
  readonly tokens: ReadonlyMap<string, ReadonlySet<string>>;
}

export interface Password {
  readonly tenant: string;
  readonly bcryptHash: string;
}

export function compilePolicy(state: DesiredState): Policy {
  return {
    credentials: compileCredentials(state),
    agentsBySan: groupBy(state.agents.map((agent) => [sanKey(agent.san.type, agent.san.value), agent.name])),
    rights: compileRights(state),
    limits: state.gateway.limits,
  };
}

function compileCredentials(state: DesiredState): CredentialTable {
  const certificates: [SanKey, string][] = [];
  const tokens: [string, string][] = [];
  const passwords = new Map<string, Password[]>();
  const add = (tenant: string, credential: Credential): void => {
    switch (credential.kind) {
      case 'certificate':
        certificates.push([sanKey(credential.san.type, credential.san.value), tenant]);
        break;
      case 'bearer':
        tokens.push([credential.sha256.toLowerCase(), tenant]);
        break;
      case 'basic':
        passwords.set(credential.user, [...(passwords.get(credential.user) ?? []), { tenant, bcryptHash: credential.bcryptHash }]);
        break;
    }
  };
  for (const tenant of state.tenants) for (const credential of tenant.credentials) add(tenant.name, credential);
  return { certificates: groupBy(certificates), tokens: groupBy(tokens), passwords, decoy: decoyFor(passwords) };
}

function decoyFor(passwords: ReadonlyMap<string, readonly Password[]>): readonly Password[] {
  const bcryptHash = decoyHash([...passwords.values()].flat().map((password) => password.bcryptHash));
  return bcryptHash === undefined ? [] : [{ tenant: '', bcryptHash }];
}

function groupBy<K>(pairs: readonly (readonly [K, string])[]): ReadonlyMap<K, ReadonlySet<string>> {
  const groups = new Map<K, Set<string>>();
  for (const [key, member] of pairs) groups.set(key, (groups.get(key) ?? new Set()).add(member));
  return groups;
}
