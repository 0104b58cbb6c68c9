import { describe, expect, it } from '@jest/globals';
import { create, toJson } from '@bufbuild/protobuf';
import type { DescMessage, MessageInitShape, MessageShape } from '@bufbuild/protobuf';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { Cluster_DiscoveryType, ClusterSchema } from '../../../src/gen/envoy/config/cluster/v3/cluster_pb.js';
import { ListenerSchema } from '../../../src/gen/envoy/config/listener/v3/listener_pb.js';
import type { RouteConfigurationSchema } from '../../../src/gen/envoy/config/route/v3/route_pb.js';
import { FileAccessLogSchema } from '../../../src/gen/envoy/extensions/access_loggers/file/v3/file_pb.js';
import { LocalRateLimitSchema } from '../../../src/gen/envoy/extensions/filters/http/local_ratelimit/v3/local_rate_limit_pb.js';
import { RouterSchema } from '../../../src/gen/envoy/extensions/filters/http/router/v3/router_pb.js';
import { HttpConnectionManagerSchema } from '../../../src/gen/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.js';
import { HttpProtocolOptionsSchema } from '../../../src/gen/envoy/extensions/upstreams/http/v3/http_protocol_options_pb.js';
import { SecretSchema } from '../../../src/gen/envoy/extensions/transport_sockets/tls/v3/secret_pb.js';
import { registry } from '../../../src/xds/registry.js';
import { pack, seconds } from '../../../src/xds/resources/pack.js';
import { validateMessage } from '../../../src/xds/validate.js';
import { binary } from '../../support/binaries.js';
import { createTempDir } from '../../support/temp-dir.js';

/**
 * rule-24-pgv against the Envoy that is shipped: the same resources through our check and through `envoy --mode validate`. The
 * two agree; where Envoy is looser or stricter, the row says why.
 */
type Cluster = Extract<MessageInitShape<typeof ClusterSchema>, { readonly $typeName?: never }>;
type Listener = Extract<MessageInitShape<typeof ListenerSchema>, { readonly $typeName?: never }>;
type Manager = Extract<MessageInitShape<typeof HttpConnectionManagerSchema>, { readonly $typeName?: never }>;
type Routes = Extract<MessageInitShape<typeof RouteConfigurationSchema>, { readonly $typeName?: never }>;
type VirtualHost = NonNullable<Routes['virtualHosts']>[number];
type Route = NonNullable<Extract<VirtualHost, { readonly $typeName?: never }>['routes']>[number];

const router: NonNullable<Manager['httpFilters']>[number] = { name: 'envoy.filters.http.router', configType: { case: 'typedConfig', value: pack(RouterSchema, {}) } };

function cluster(parts: Cluster): Cluster {
  return { name: 'c', clusterDiscoveryType: { case: 'type', value: Cluster_DiscoveryType.STATIC }, connectTimeout: seconds(1), loadAssignment: { clusterName: 'c' }, ...parts };
}

function listener(parts: Listener): Listener {
  return { name: 'l', address: { address: { case: 'pipe', value: { path: '/tmp/never-bound.sock' } } }, ...parts };
}

function manager(parts: Manager): Listener {
  const config = pack(HttpConnectionManagerSchema, { statPrefix: 's', routeSpecifier: { case: 'routeConfig', value: { name: 'r' } }, httpFilters: [router], ...parts });
  return listener({ filterChains: [{ filters: [{ name: 'envoy.filters.network.http_connection_manager', configType: { case: 'typedConfig', value: config } }] }] });
}

function routes(parts: Routes): Listener {
  return manager({ routeSpecifier: { case: 'routeConfig', value: { name: 'r', ...parts } } });
}

function route(parts: Route): Listener {
  return routes({ virtualHosts: [{ name: 'v', domains: ['*'], routes: [parts] }] });
}

const toC: NonNullable<Extract<Route, { readonly $typeName?: never }>['action']> = {
  case: 'route',
  value: { clusterSpecifier: { case: 'cluster', value: 'c' } },
};
const anyPath = { pathSpecifier: { case: 'prefix' as const, value: '/' } };

/** Of any enum. */
const NO_SUCH_VALUE: number = 99;

interface Row {
  readonly name: string;
  readonly cluster?: Cluster;
  readonly listener?: Listener;
  readonly secret?: MessageInitShape<typeof SecretSchema>;
  readonly ours: 'takes' | 'refuses';
  /** Where it differs from ours: why. */
  readonly envoy?: { readonly verdict: 'takes' | 'refuses'; readonly because: string };
}

const HEADERS = (name: string): Route => ({ match: anyPath, action: toC, requestHeadersToAdd: [{ header: { key: name, value: 'v' } }] });

const ROWS: readonly Row[] = [
  { name: 'a plain cluster', cluster: cluster({}), ours: 'takes' },
  { name: 'a plain listener', listener: manager({}), ours: 'takes' },
  { name: 'a plain route', listener: route({ match: anyPath, action: toC }), ours: 'takes' },
  { name: 'duration.gt: connect_timeout 0', cluster: cluster({ connectTimeout: seconds(0) }), ours: 'refuses' },
  { name: 'string.min_len: a cluster without a name', cluster: cluster({ name: '' }), ours: 'refuses' },
  { name: 'enum.defined_only: lb_policy 99', cluster: cluster({ lbPolicy: NO_SUCH_VALUE }), ours: 'refuses' },
  { name: 'uint64.lte: a ring that is too large', cluster: cluster({ lbConfig: { case: 'ringHashLbConfig', value: { maximumRingSize: 9_000_000n } } }), ours: 'refuses' },
  { name: 'uint64.lte: the largest ring', cluster: cluster({ lbConfig: { case: 'ringHashLbConfig', value: { maximumRingSize: 8_388_608n } } }), ours: 'takes' },
  { name: 'oneof.required: a host without an address', cluster: cluster({ loadAssignment: { clusterName: 'c', endpoints: [{ lbEndpoints: [{ hostIdentifier: { case: 'endpoint', value: { address: {} } } }] }] } }), ours: 'refuses' },
  { name: 'string.min_len: a load assignment without a name', cluster: cluster({ loadAssignment: {} }), ours: 'refuses' },
  { name: 'uint32.gte: a weight of 0', cluster: cluster({ loadAssignment: { clusterName: 'c', endpoints: [{ lbEndpoints: [{ hostIdentifier: { case: 'endpoint', value: { address: { address: { case: 'pipe', value: { path: '/x' } } } } }, loadBalancingWeight: 0 }] }] } }), ours: 'refuses' },
  { name: 'string.min_len: a pipe without a path', listener: listener({ address: { address: { case: 'pipe', value: { path: '' } } } }), ours: 'refuses' },
  { name: 'uint32.lte: a pipe mode over 511', listener: listener({ address: { address: { case: 'pipe', value: { path: '/x', mode: 512 } } } }), ours: 'refuses' },
  { name: 'uint32.lte: a port over 65535', listener: listener({ address: { address: { case: 'socketAddress', value: { address: '127.0.0.1', portSpecifier: { case: 'portValue', value: 65_536 } } } } }), ours: 'refuses' },
  { name: 'message.required: codec options out of range', cluster: cluster({ typedExtensionProtocolOptions: { 'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': pack(HttpProtocolOptionsSchema, {}) } }), ours: 'refuses' },
  { name: 'uint32.gte in a wrapper: a window below 65535', cluster: cluster({ typedExtensionProtocolOptions: { 'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': pack(HttpProtocolOptionsSchema, { upstreamProtocolOptions: { case: 'explicitHttpConfig', value: { protocolConfig: { case: 'http2ProtocolOptions', value: { initialStreamWindowSize: 100 } } } } }) } }), ours: 'refuses' },
  { name: 'string.min_len inside Any: no stat_prefix', listener: manager({ statPrefix: '' }), ours: 'refuses' },
  { name: 'oneof.required inside Any: no routes', listener: manager({ routeSpecifier: { case: undefined } }), ours: 'refuses' },
  { name: 'Any in Any: an access log without a path', listener: manager({ accessLog: [{ name: 'f', configType: { case: 'typedConfig', value: pack(FileAccessLogSchema, {}) } }] }), ours: 'refuses' },
  { name: 'repeated.min_items: a virtual host without domains', listener: routes({ virtualHosts: [{ name: 'v', domains: [] }] }), ours: 'refuses' },
  { name: 'well_known_regex: a domain with a line feed', listener: routes({ virtualHosts: [{ name: 'v', domains: ['a\nb'] }] }), ours: 'refuses' },
  { name: 'oneof.required: a match without a path', listener: route({ match: {}, action: toC }), ours: 'refuses' },
  { name: 'message.required: a route without a match', listener: route({ action: toC }), ours: 'refuses' },
  { name: 'oneof.required: a route without an action', listener: route({ match: anyPath }), ours: 'refuses' },
  { name: 'enum.defined_only: a redirect code 99', listener: route({ match: anyPath, action: { case: 'redirect', value: { responseCode: NO_SUCH_VALUE } } }), ours: 'refuses' },
  { name: 'uint32.gte and lt: a direct response 199', listener: route({ match: anyPath, action: { case: 'directResponse', value: { status: 199 } } }), ours: 'refuses' },
  { name: 'uint32.lt: a direct response 599', listener: route({ match: anyPath, action: { case: 'directResponse', value: { status: 599 } } }), ours: 'takes' },
  { name: 'well_known_regex: a header name with a line feed', listener: route(HEADERS('a\nb')), ours: 'refuses' },
  { name: 'a header name with a space', listener: route(HEADERS('a b')), ours: 'takes' },
  { name: 'repeated.max_items: 1001 headers to add', listener: route({ match: anyPath, action: toC, requestHeadersToAdd: Array.from({ length: 1_001 }, (_, index) => ({ header: { key: `h${index}`, value: 'v' } })) }), ours: 'refuses' },
  {
    name: 'LOOSENED: a rate limit descriptor without a value',
    listener: manager({ httpFilters: [{ name: 'envoy.filters.http.local_ratelimit', configType: { case: 'typedConfig', value: pack(LocalRateLimitSchema, { statPrefix: 's', tokenBucket: { maxTokens: 1, fillInterval: seconds(1) }, descriptors: [{ entries: [{ key: 'tenant' }], tokenBucket: { maxTokens: 1, fillInterval: seconds(1) } }] }) } }, router] }),
    ours: 'takes',
  },
  { name: 'a token bucket without an interval', listener: manager({ httpFilters: [{ name: 'envoy.filters.http.local_ratelimit', configType: { case: 'typedConfig', value: pack(LocalRateLimitSchema, { statPrefix: 's', tokenBucket: { maxTokens: 1 } }) } }, router] }), ours: 'refuses' },
  { name: 'a secret with an empty inline string', secret: { name: 's', type: { case: 'validationContext', value: { trustedCa: { specifier: { case: 'filename', value: '' } } } } }, ours: 'refuses' },
  {
    name: 'an address that is none',
    listener: listener({ address: { address: { case: 'socketAddress', value: { address: 'no-address', portSpecifier: { case: 'portValue', value: 1 } } } } }),
    ours: 'takes',
    envoy: { verdict: 'refuses', because: 'it is no rule of the protos: what an address may be is up to its resolver, and config/ checks it where it is read' },
  },
];

describe('rule-24-pgv and envoy --mode validate', () => {
  it.each(ROWS)('$name', async ({ ours, envoy, ...row }) => {
    const faults = [...check(ClusterSchema, row.cluster), ...check(ListenerSchema, row.listener), ...check(SecretSchema, row.secret)];
    expect({ verdict: faults.length === 0 ? 'takes' : 'refuses', faults }).toMatchObject({ verdict: ours });
    const { verdict, said } = await validate(row);
    expect({ verdict, said }).toEqual({ verdict: envoy?.verdict ?? ours, said });
  });
});

function check<Desc extends DescMessage>(schema: Desc, init: MessageInitShape<Desc> | undefined): readonly unknown[] {
  return init === undefined ? [] : validateMessage(schema, create(schema, init), '');
}

function json<Desc extends DescMessage>(schema: Desc, init: MessageInitShape<Desc> | undefined): readonly unknown[] {
  if (init === undefined) return [];
  const message: MessageShape<Desc> = create(schema, init);
  return [toJson(schema, message, { registry })];
}

/** What Envoy says of a bootstrap with the resource in it, without starting anything. */
async function validate(row: Pick<Row, 'cluster' | 'listener' | 'secret'>): Promise<{ readonly verdict: 'takes' | 'refuses'; readonly said: string }> {
  await using dir = await createTempDir();
  const bootstrap = {
    staticResources: {
      clusters: row.cluster === undefined ? json(ClusterSchema, cluster({})) : json(ClusterSchema, row.cluster),
      listeners: json(ListenerSchema, row.listener),
      secrets: json(SecretSchema, row.secret),
    },
  };
  await writeFile(dir.join('envoy.json'), JSON.stringify(bootstrap));
  const child = spawn(await binary('envoy'), ['--mode', 'validate', '-c', dir.join('envoy.json'), '--log-level', 'error'], { stdio: ['ignore', 'pipe', 'pipe'] });
  let said = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      said += text;
    });
  }
  await once(child, 'close');
  return { verdict: child.exitCode === 0 ? 'takes' : 'refuses', said };
}
