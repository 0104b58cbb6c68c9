import type { CredentialProof, CredentialTerms, PushTarget } from './desired-state.js';

/** What the operator of a site wants of the push door at the agent. Plain data, read from the agent's file. */
export interface SitePush {
  readonly listen: { readonly host: string; readonly port: number };
  /** PEM texts. Undefined = plain HTTP. */
  readonly tls: SitePushTls | undefined;
  readonly limits: SitePushLimits;
  /** None of them behind an agent: they are dialled. */
  readonly targets: readonly PushTarget[];
  readonly tenants: readonly SiteTenant[];
}

export interface SitePushTls {
  readonly certificate: string;
  readonly key: string;
  /** Who signs jobs' certificates; undefined = none is asked for. */
  readonly clientCa: string | undefined;
}

export interface SitePushLimits {
  /** Pushes of one tenant per second, with bursts of twice as many. */
  readonly requestsPerSecond: number;
  /** Pushes of one tenant under way. */
  readonly concurrentPerTenant: number;
  /** Memory that all pushes under way may hold. */
  readonly inFlightBytes: number;
  /** At a time; for one more, the one that has been idle longest is closed. */
  readonly maxConnections: number;
}

export interface SiteTenant {
  /** The value of the tenant label. */
  readonly name: string;
  readonly credentials: readonly SiteCredential[];
  /** Names of push targets. */
  readonly targets: readonly string[];
}

/** Those that need nobody else to be checked. */
export type SiteCredential = Extract<CredentialProof, { readonly kind: 'certificate' | 'basic' | 'bearer' }> & Pick<CredentialTerms, 'expiresMs'>;
