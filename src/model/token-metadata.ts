/**
 * Where Envoy's jwt_authn leaves what it found, and ext_authz looks for it: dynamic metadata, which no client can write.
 */
export const TOKEN_METADATA = {
  namespace: 'envoy.filters.http.jwt_authn',
  /** The payload of the one token that was verified. */
  payload: 'jwt',
  /** With an issuer's name behind it: why the token is not one of this issuer's. */
  failed: 'failed:',
} as const;

/** Clocks of an issuer and of ours may differ by so much; Envoy's default, said aloud. A token is taken for so long after its end. */
export const CLOCK_SKEW_S = 60;
