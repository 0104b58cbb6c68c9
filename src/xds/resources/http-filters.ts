/**
 * The HTTP filters, and the forms in which routes configure them. Order on the scrape listener: decide, limit, route; the
 * limiter reads the tenant from what ext_authz decided.
 */
import type { MessageInitShape } from '@bufbuild/protobuf';
import type { Any } from '@bufbuild/protobuf/wkt';
import { ApiVersion } from '../../gen/envoy/config/core/v3/config_source_pb.js';
import { ExtAuthzPerRouteSchema, ExtAuthzSchema } from '../../gen/envoy/extensions/filters/http/ext_authz/v3/ext_authz_pb.js';
import { LocalRateLimitSchema } from '../../gen/envoy/extensions/filters/http/local_ratelimit/v3/local_rate_limit_pb.js';
import { RouterSchema } from '../../gen/envoy/extensions/filters/http/router/v3/router_pb.js';
import type { HttpFilterSchema } from '../../gen/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.js';
import { StatusCode } from '../../gen/envoy/type/v3/http_status_pb.js';
import type { DesiredState, Rate, TenantLimits } from '../../model/desired-state.js';
import { CLUSTER, FILTER, PEER_ISSUER_HEADER, PEER_SERIAL_HEADER } from './names.js';
import type { Door } from './names.js';
import { pack, seconds } from './pack.js';

export type HttpFilter = MessageInitShape<typeof HttpFilterSchema>;
export type PerRoute = Record<string, Any>;

export function filter(name: string, config: Any): HttpFilter {
  return { name, configType: { case: 'typedConfig', value: config } };
}

/** Only what a rule can read: each header costs time. Method, path, host and protocol are always sent. */
const ASKED_HEADERS = [
  'authorization',
  'proxy-authorization',
  'x-forwarded-client-cert',
  PEER_ISSUER_HEADER,
  PEER_SERIAL_HEADER,
  'x-prometheus-scrape-timeout-seconds',
  'upgrade',
  'x-tenant-namespace',
];

export function extAuthz(): HttpFilter {
  return filter(
    FILTER.extAuthz,
    pack(ExtAuthzSchema, {
      transportApiVersion: ApiVersion.V3,
      services: {
        case: 'grpcService',
        // The default of 200 ms is short for a check that hashes a password.
        value: { targetSpecifier: { case: 'envoyGrpc', value: { clusterName: CLUSTER.authz } }, timeout: seconds(1) },
      },
      failureModeAllow: false, // always (DESIGN §2.2)
      // The default, 403, could not be told from a refusal.
      statusOnError: { code: StatusCode.ServiceUnavailable },
      // The routes match on what the answer stamps: look again.
      clearRouteCache: true,
      // An invalid header in an answer gives 500, not undefined behaviour.
      validateMutations: true,
      // The payload of a token that was verified, lists whole, and why one was not.
      metadataContextNamespaces: [FILTER.jwtAuthn],
      allowedHeaders: { patterns: ASKED_HEADERS.map((name) => ({ matchPattern: { case: 'exact' as const, value: name } })) },
    }),
  );
}

/** Tells ext_authz the door that a request came by. */
export function askingAs(door: Door): PerRoute {
  return {
    [FILTER.extAuthz]: pack(ExtAuthzPerRouteSchema, {
      override: { case: 'checkSettings', value: { contextExtensions: { door } } },
    }),
  };
}

/** No question asked. Only on a route that no answer can lead to or away from. */
export function askingNothing(): PerRoute {
  return { [FILTER.extAuthz]: pack(ExtAuthzPerRouteSchema, { override: { case: 'disabled', value: true } }) };
}

export function router(): HttpFilter {
  return filter(
    FILTER.router,
    // No x-envoy-upstream-service-time etc.: the answer is the exporter's. It also keeps x-envoy-expected-rq-timeout-ms from
    // the hub, which learns its deadline from the header that ext_authz stamps.
    pack(RouterSchema, { suppressEnvoyHeaders: true }),
  );
}

/**
 * The limiter in the filter chain is only a place holder: without `filter_enabled` (0 % by default) it does nothing. What it
 * does is said by `tenantRates` in the RouteConfiguration, because a change there disturbs nobody while a change of the
 * listener drains every connection on it (ADR 0010).
 */
export function localRateLimit(): HttpFilter {
  return filter(FILTER.localRateLimit, pack(LocalRateLimitSchema, { statPrefix: 'tenant' }));
}

/** What a tenant gets between the moment that ext_authz knows it and the moment that Envoy does. */
const UNKNOWN_TENANT: TenantLimits = { requestsPerSecond: 100, burst: 200 };
/** How many such tenants, and how many pairs of tenant and target of a template, have a bucket of their own; beyond it the least recently used starts full again. Default: 20. */
const MAX_BUCKETS = 10_000;
/** Requests that have no tenant (health, refusals to unknown clients do not come this far). */
const NO_TENANT: TenantLimits = { requestsPerSecond: 1000, burst: 1000 };

/**
 * Rates of all tenants, for `typed_per_filter_config` of a whole RouteConfiguration: at the level of virtual hosts each would
 * have buckets of its own, and a tenant twice its rate by using two doors. A descriptor without a value is the fallback.
 */
export function tenantRates({ tenants, templates = [] }: Pick<DesiredState, 'tenants' | 'templates'>): PerRoute {
  const byName = [...tenants].sort((a, b) => (a.name < b.name ? -1 : 1));
  return {
    [FILTER.localRateLimit]: pack(LocalRateLimitSchema, {
      statPrefix: 'tenant',
      filterEnabled: { defaultValue: { numerator: 100 } }, // both default to 0 %
      filterEnforced: { defaultValue: { numerator: 100 } },
      tokenBucket: tokenBucket(NO_TENANT),
      alwaysConsumeDefaultTokenBucket: false, // true: one tenant could drain the common bucket
      maxDynamicDescriptors: MAX_BUCKETS,
      rateLimits: [
        { actions: [decided('tenant')] },
        // Of a target without such a template there is no `template`, and so no descriptor.
        { actions: [decided('template'), decided('tenant'), decided('agent'), decided('target')] },
      ],
      descriptors: [
        ...templates.flatMap(({ name, limits }) =>
          limits?.rate === undefined ? [] : [{ entries: [{ key: 'template', value: name }, { key: 'tenant' }, { key: 'agent' }, { key: 'target' }], tokenBucket: tokenBucket(limits.rate) }],
        ),
        ...byName.map((tenant) => ({ entries: [{ key: 'tenant', value: tenant.name }], tokenBucket: tokenBucket(tenant.limits) })),
        { entries: [{ key: 'tenant' }], tokenBucket: tokenBucket(UNKNOWN_TENANT) },
      ],
      enableRetryAfterHeader: true, // remote-write senders obey it
    }),
  };
}

/** What ext_authz said of the request, as part of a descriptor. */
function decided(name: 'tenant' | 'template' | 'agent' | 'target') {
  return {
    actionSpecifier: {
      case: 'metadata' as const,
      value: { descriptorKey: name, metadataKey: { key: FILTER.extAuthz, path: [{ segment: { case: 'key' as const, value: name } }] } },
    },
  };
}

const MAX_FILL_SECONDS = 60;

/**
 * Envoy fills whole tokens in a whole multiple of the common interval (1 s): the shortest interval in which the rate comes to
 * a whole number, so 2.5/s is 5 in 2 s and 0.1/s is 1 in 10 s.
 */
export function tokenBucket(limits: Rate): {
  maxTokens: number;
  tokensPerFill: number;
  fillInterval: ReturnType<typeof seconds>;
} {
  let fillSeconds = 1;
  while (fillSeconds < MAX_FILL_SECONDS && !isWhole(limits.requestsPerSecond * fillSeconds)) fillSeconds += 1;
  const tokensPerFill = Math.max(1, Math.round(limits.requestsPerSecond * fillSeconds));
  return { maxTokens: Math.max(1, Math.round(limits.burst)), tokensPerFill, fillInterval: seconds(fillSeconds) };
}

function isWhole(value: number): boolean {
  return value >= 1 && Math.abs(value - Math.round(value)) < 1e-9;
}
