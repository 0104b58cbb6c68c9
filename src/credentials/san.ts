/** Names in certificates, as credentials: a name with its type, as tables are keyed. */
export type SanKey = `${'uri' | 'dns'}:${string}`;

/** Who a client certificate names. */
export interface ClientCertificate {
  /** Every SAN that it shows: what may speak *against* an identity. */
  readonly shown: readonly SanKey[];
  /** Those that are known to be whole: what may speak *for* one. */
  readonly whole: readonly SanKey[];
}

/** DNS names are compared without case (RFC 5280 §7.2), URIs as they are. */
export function sanKey(type: 'uri' | 'dns', value: string): SanKey {
  return type === 'dns' ? `dns:${value.toLowerCase()}` : `uri:${value}`;
}

/** Whose certificate it is: the owners of all its names, or nobody where no whole name says so. */
export function ownersOf<T>(certificate: ClientCertificate, owners: ReadonlyMap<SanKey, ReadonlySet<T>>): ReadonlySet<T> {
  if (!certificate.whole.some((san) => owners.has(san))) return new Set();
  return new Set(certificate.shown.flatMap((san) => [...(owners.get(san) ?? [])]));
}
