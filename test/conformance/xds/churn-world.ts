import { create } from '@bufbuild/protobuf';
import type { MessageInitShape } from '@bufbuild/protobuf';
import { Cluster_DiscoveryType, ClusterSchema } from '../../../src/gen/envoy/config/cluster/v3/cluster_pb.js';
import { ClusterLoadAssignmentSchema } from '../../../src/gen/envoy/config/endpoint/v3/endpoint_pb.js';
import { ListenerSchema } from '../../../src/gen/envoy/config/listener/v3/listener_pb.js';
import { RouteConfigurationSchema } from '../../../src/gen/envoy/config/route/v3/route_pb.js';
import { RouterSchema } from '../../../src/gen/envoy/extensions/filters/http/router/v3/router_pb.js';
import { HttpConnectionManagerSchema } from '../../../src/gen/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.js';
import { TlsParameters_TlsProtocol } from '../../../src/gen/envoy/extensions/transport_sockets/tls/v3/common_pb.js';
import { SecretSchema } from '../../../src/gen/envoy/extensions/transport_sockets/tls/v3/secret_pb.js';
import type { ResourceSet } from '../../../src/xds/resource-types.js';
import { downstreamTls } from '../../../src/xds/resources/downstream-tls.js';
import { pipeLoadAssignment } from '../../../src/xds/resources/endpoints.js';
import { ads, pack, seconds } from '../../../src/xds/resources/pack.js';
import { socketAddress } from '../../../src/xds/resources/socket.js';

/**
 * A world that changes at random: a listener `main` that always serves the same paths, each by a route to a cluster that comes
 * and goes; its certificate; and listeners that nobody uses. `wanted` is what it is now; whoever asks for one of `PATHS` must
 * be answered at any moment.
 */
export const PATHS: readonly string[] = ['/a', '/b', '/c', '/d'];

export interface Certificate {
  readonly certificateChainPem: string;
  readonly privateKeyPem: string;
}

interface ClusterState {
  readonly name: string;
  /** Changes the cluster itself. */
  readonly connectTimeoutS: number;
  /** Which of the upstream sockets. */
  readonly upstream: number;
}

export interface ChurnOptions {
  readonly upstreams: readonly string[];
  readonly certificates: readonly Certificate[];
  /** [0, 1) */
  readonly random: () => number;
}

export class ChurnWorld {
  readonly #options: ChurnOptions;
  readonly #clusters = new Map<string, ClusterState>();
  readonly #routes = new Map<string, string>();
  readonly #extraListeners = new Set<string>();
  #certificate = 0;
  /** Changes the listener's filter chain, and so the listener. */
  #listenerRevision = 0;
  #lastId = 0;

  constructor(options: ChurnOptions) {
    this.#options = options;
    for (const path of PATHS) this.#routes.set(path, this.#newCluster());
  }

  /** One change of one kind; says which. */
  change(): string {
    const changes = {
      'route to another cluster': () => this.#routes.set(this.#pick(PATHS), this.#pick([...this.#clusters.keys()])),
      'route to a new cluster': () => this.#routes.set(this.#pick(PATHS), this.#newCluster()),
      'all routes to one new cluster': () => {
        const name = this.#newCluster();
        for (const path of PATHS) this.#routes.set(path, name);
      },
      'cluster changed': () => this.#alter((cluster) => ({ ...cluster, connectTimeoutS: cluster.connectTimeoutS + 1 })),
      'endpoints changed': () => this.#alter((cluster) => ({ ...cluster, upstream: (cluster.upstream + 1) % this.#options.upstreams.length })),
      'certificate rotated': () => {
        this.#certificate = (this.#certificate + 1) % this.#options.certificates.length;
      },
      'listener changed': () => {
        this.#listenerRevision += 1;
      },
      'listener added': () => this.#extraListeners.add(`extra-${this.#nextId()}`),
      'listener removed': () => this.#extraListeners.delete([...this.#extraListeners][0] ?? ''),
    };
    const [name, apply] = this.#pick(Object.entries(changes));
    apply();
    const used = new Set(this.#routes.values());
    for (const cluster of this.#clusters.keys()) if (!used.has(cluster)) this.#clusters.delete(cluster);
    if (this.#extraListeners.size > 3) this.#extraListeners.clear();
    return name;
  }

  get wanted(): ResourceSet {
    const { upstreams, certificates } = this.#options;
    const clusters = [...this.#clusters.values()];
    const certificate = certificates[this.#certificate];
    if (certificate === undefined) throw new Error('no certificate');
    return {
      cluster: clusters.map(({ name, connectTimeoutS }) =>
        create(ClusterSchema, {
          name,
          clusterDiscoveryType: { case: 'type', value: Cluster_DiscoveryType.EDS },
          edsClusterConfig: { edsConfig: ads },
          connectTimeout: seconds(connectTimeoutS),
        }),
      ),
      endpoint: clusters.map(({ name, upstream }) => create(ClusterLoadAssignmentSchema, pipeLoadAssignment(name, [{ path: upstreams[upstream] ?? '' }]))),
      listener: [this.#listener('main', this.#listenerRevision), ...[...this.#extraListeners].map((name) => this.#listener(name, 0))].map((each) =>
        create(ListenerSchema, each),
      ),
      route: [
        create(RouteConfigurationSchema, {
          name: 'routes',
          virtualHosts: [
            {
              name: 'all',
              domains: ['*'],
              routes: [...this.#routes].map(([path, cluster]) => ({
                match: { pathSpecifier: { case: 'prefix' as const, value: path } },
                action: { case: 'route' as const, value: { clusterSpecifier: { case: 'cluster' as const, value: cluster } } },
              })),
            },
          ],
        }),
      ],
      secret: [
        create(SecretSchema, {
          name: 'server',
          type: {
            case: 'tlsCertificate',
            value: {
              certificateChain: { specifier: { case: 'inlineString', value: certificate.certificateChainPem } },
              privateKey: { specifier: { case: 'inlineString', value: certificate.privateKeyPem } },
            },
          },
        }),
      ],
    };
  }

  #listener(name: string, revision: number): MessageInitShape<typeof ListenerSchema> {
    return {
      name,
      address: socketAddress({ host: '127.0.0.1', port: 0 }),
      filterChains: [
        {
          name,
          transportSocket: downstreamTls({
            certificateSecret: 'server',
            trustSecret: undefined,
            requireClientCertificate: false,
            alpn: ['http/1.1'],
            minimumVersion: TlsParameters_TlsProtocol.TLSv1_3,
          }),
          filters: [
            {
              name: 'envoy.filters.network.http_connection_manager',
              configType: {
                case: 'typedConfig',
                value: pack(HttpConnectionManagerSchema, {
                  statPrefix: `${name}-${revision}`,
                  routeSpecifier: { case: 'rds', value: { configSource: ads, routeConfigName: 'routes' } },
                  httpFilters: [{ name: 'envoy.filters.http.router', configType: { case: 'typedConfig', value: pack(RouterSchema, {}) } }],
                }),
              },
            },
          ],
        },
      ],
    };
  }

  #newCluster(): string {
    const name = `cluster-${this.#nextId()}`;
    this.#clusters.set(name, { name, connectTimeoutS: 1, upstream: 0 });
    return name;
  }

  #alter(change: (cluster: ClusterState) => ClusterState): void {
    const cluster = this.#clusters.get(this.#pick([...this.#clusters.keys()]));
    if (cluster !== undefined) this.#clusters.set(cluster.name, change(cluster));
  }

  #nextId(): number {
    this.#lastId += 1;
    return this.#lastId;
  }

  #pick<T>(list: readonly T[]): T {
    const item = list[Math.floor(this.#options.random() * list.length)];
    if (item === undefined) throw new Error('nothing to pick from');
    return item;
  }
}

/** The same numbers for the same seed (mulberry32), so that a failure can be repeated. */
export function seededRandom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
}
