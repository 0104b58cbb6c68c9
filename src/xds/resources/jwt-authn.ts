/**
 * Verification of issuers' tokens. The filter refuses nobody (`allow_missing_or_failed`): an opaque token is a tenant's own as
 * before, and what a token that failed is worth, ext_authz decides. It only leaves in the metadata what it found.
 *
 * Each issuer is there twice, since on the proxy doors the credential is in Proxy-Authorization, and Authorization is the
 * exporter's. Which of the two counts is chosen by virtual host, not by the filter's `rules`: those match on the path, and CONNECT
 * has none. The header is left in place (`forward`), so that ext_authz sees the whole of what was shown, and takes it off.
 */
import type { MessageInitShape } from '@bufbuild/protobuf';
import { JwtAuthenticationSchema, PerRouteConfigSchema } from '../../gen/envoy/extensions/filters/http/jwt_authn/v3/config_pb.js';
import type { JwtProviderSchema, JwtRequirementSchema } from '../../gen/envoy/extensions/filters/http/jwt_authn/v3/config_pb.js';
import type { Issuer, IssuerKeys } from '../../model/desired-state.js';
import { CLOCK_SKEW_S, TOKEN_METADATA } from '../../model/token-metadata.js';
import { filter } from './http-filters.js';
import type { HttpFilter, PerRoute } from './http-filters.js';
import { FILTER, JWKS_CLUSTER_PREFIX } from './names.js';
import { pack, seconds } from './pack.js';
import type { Init } from './pack.js';

/** Where our credential is: on the gateway's own names, and where the authority names a target. */
const HEADERS = { own: 'authorization', proxy: 'proxy-authorization' } as const;
export type TokenPlace = keyof typeof HEADERS;
const PLACES: readonly TokenPlace[] = ['own', 'proxy'];

const FETCH_TIMEOUT_S = 3;
/** After a fetch that failed. */
const REFETCH_S = 2;

/** None where nobody issues tokens. */
export function jwtAuthn(issuers: readonly Issuer[]): HttpFilter[] {
  if (issuers.length === 0) return [];
  const providers = PLACES.flatMap((place) => issuers.map((issuer) => [providerName(place, issuer), provider(place, issuer)] as const));
  const config = pack(JwtAuthenticationSchema, {
    providers: Object.fromEntries(providers),
    requirementMap: Object.fromEntries(PLACES.map((place) => [place, requirement(place, issuers)])),
  });
  return [filter(FILTER.jwtAuthn, config)];
}

/** For `typed_per_filter_config`: the header in which tokens are looked for. */
export function verifying(issuers: readonly Issuer[], place: TokenPlace): PerRoute {
  return perRoute(issuers, { requirementSpecifier: { case: 'requirementName', value: place } });
}

/** No token is looked at. */
export function verifyingNothing(issuers: readonly Issuer[]): PerRoute {
  return perRoute(issuers, { requirementSpecifier: { case: 'disabled', value: true } });
}

function perRoute(issuers: readonly Issuer[], config: MessageInitShape<typeof PerRouteConfigSchema>): PerRoute {
  return issuers.length === 0 ? {} : { [FILTER.jwtAuthn]: pack(PerRouteConfigSchema, config) };
}

function providerName(place: TokenPlace, { name }: Issuer): string {
  return `${place}/${name}`;
}

function requirement(place: TokenPlace, issuers: readonly Issuer[]): Init<typeof JwtRequirementSchema> {
  const named = issuers.map((issuer): Init<typeof JwtRequirementSchema> => ({ requiresType: { case: 'providerName', value: providerName(place, issuer) } }));
  return { requiresType: { case: 'requiresAny', value: { requirements: [...named, { requiresType: { case: 'allowMissingOrFailed', value: {} } }] } } };
}

function provider(place: TokenPlace, { name, issuer, audiences, keys }: Issuer): Init<typeof JwtProviderSchema> {
  return {
    issuer,
    audiences: [...audiences],
    // A token without an end could not be got rid of.
    requireExpiration: true,
    clockSkewSeconds: CLOCK_SKEW_S,
    jwksSourceSpecifier: keySource(name, keys),
    // Nothing but this header: by default a query parameter would do, too.
    fromHeaders: [{ name: HEADERS[place], valuePrefix: 'Bearer ' }],
    forward: true,
    payloadInMetadata: TOKEN_METADATA.payload,
    failedStatusInMetadata: `${TOKEN_METADATA.failed}${name}`,
    // No jwt_cache_config: a token whose key the issuer has withdrawn would go on being taken.
  };
}

function keySource(name: string, keys: IssuerKeys): NonNullable<Init<typeof JwtProviderSchema>['jwksSourceSpecifier']> {
  if (keys.kind === 'local') return { case: 'localJwks', value: { specifier: { case: 'inlineString', value: keys.jwks } } };
  return {
    case: 'remoteJwks',
    value: {
      httpUri: { uri: keys.uri, timeout: seconds(FETCH_TIMEOUT_S), httpUpstreamType: { case: 'cluster', value: `${JWKS_CLUSTER_PREFIX}${name}` } },
      cacheDuration: seconds(keys.cacheMs / 1000),
      // Fetched ahead of need, and keys that are there stay until new ones have come: an issuer that is away stops nobody whose
      // key is known. `fastListener`: nor does it keep the listener, with all the other credentials, from coming up.
      asyncFetch: { fastListener: true, failedRefetchDuration: seconds(REFETCH_S) },
    },
  };
}
