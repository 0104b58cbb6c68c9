import type { Agent, Backend, BackendGroup, Credential, DesiredState, ExportDestination, FrontProxy, Issuer, PushTarget, Revoked, San, Site, Template, Tenant } from './desired-state.js';

/**
 * One entry of one of the file's lists, compiled by itself: what an object of the cluster is. And what an entry claims: no other
 * entry, in whichever list, may claim the same.
 */
export interface EntryValues {
  readonly tenants: Tenant;
  readonly agents: Agent;
  readonly sites: Site;
  readonly templates: Template;
  readonly issuers: Issuer;
  readonly backends: Backend;
  readonly backendGroups: BackendGroup;
  readonly pushTargets: PushTarget;
  readonly exportDestinations: ExportDestination;
  readonly frontProxies: FrontProxy;
  /** Not a list: what several say adds up. */
  readonly revoked: Revoked;
}

/** The file's key. */
export type EntryKind = keyof EntryValues;
export interface EntryOf<K extends EntryKind> {
  readonly kind: K;
  readonly value: EntryValues[K];
}
export type Entry = { readonly [K in EntryKind]: EntryOf<K> }[EntryKind];

/** A claim that begins so is never quoted: it may say who somebody else's credential is. */
export const CREDENTIAL_CLAIM = 'credential ';

export function claimsOf(entry: Entry): readonly string[] {
  switch (entry.kind) {
    case 'tenants':
      return [`tenant ${entry.value.name}`, ...entry.value.credentials.map((credential) => `${CREDENTIAL_CLAIM}${credentialKey(credential)}`)];
    case 'agents':
      return [`agent ${entry.value.name}`, `agent's certificate ${entry.value.san.type} ${entry.value.san.value}`];
    case 'sites':
      // Grants name sites and agents alike, and an agent is in one site at most.
      return [`agent ${entry.value.name}`, ...entry.value.agents.map((agent) => `the membership of agent ${agent}`)];
    case 'templates':
      return [`template ${entry.value.name}`];
    case 'issuers':
      return [`token issuer ${entry.value.name}`, `the tokens' issuer ${entry.value.issuer}`];
    case 'backends':
    case 'backendGroups':
      return [`backend ${entry.value.name}`];
    case 'pushTargets':
      return [`push target ${entry.value.name}`];
    case 'exportDestinations':
      return [`export destination ${entry.value.name}`];
    case 'frontProxies':
      return [`${CREDENTIAL_CLAIM}${certificateKey(entry.value.san)}`];
    case 'revoked':
      return [];
  }
}

/** What all entries of a state claim. */
export function claimsOfState({ gateway, tenants, agents, sites = [], templates = [], backends = [], backendGroups = [], pushTargets = [], exportDestinations = [], frontProxies = [] }: DesiredState): readonly string[] {
  const entries: readonly Entry[] = [
    ...tenants.map((value) => ({ kind: 'tenants', value }) as const),
    ...agents.map((value) => ({ kind: 'agents', value }) as const),
    ...sites.map((value) => ({ kind: 'sites', value }) as const),
    ...templates.map((value) => ({ kind: 'templates', value }) as const),
    ...(gateway.issuers ?? []).map((value) => ({ kind: 'issuers', value }) as const),
    ...backends.map((value) => ({ kind: 'backends', value }) as const),
    ...backendGroups.map((value) => ({ kind: 'backendGroups', value }) as const),
    ...pushTargets.map((value) => ({ kind: 'pushTargets', value }) as const),
    ...exportDestinations.map((value) => ({ kind: 'exportDestinations', value }) as const),
    ...frontProxies.map((value) => ({ kind: 'frontProxies', value }) as const),
  ];
  return entries.flatMap(claimsOf);
}

/** What two credentials must not have in common: a user is one user, whatever the password. */
export function credentialKey(credential: Credential): string {
  switch (credential.kind) {
    case 'certificate':
      return certificateKey(credential.san);
    case 'basic':
      return `basic ${credential.user}`;
    case 'bearer':
      return `bearer ${credential.sha256}`;
    case 'jwt':
      return `jwt ${credential.issuer} ${JSON.stringify(credential.claims)}`;
    case 'service-account':
      return `service account ${credential.namespace} ${credential.name ?? ''}`;
  }
}

function certificateKey({ type, value }: San): string {
  return `certificate ${type} ${value}`;
}
