import { describe, expect, it } from '@jest/globals';
import { at, toStatic, withoutPart } from './envoy-config.js';
import type { Json } from './envoy-config.js';

const DUMP: Json = {
  configs: [
    { '@type': 'x/envoy.admin.v3.BootstrapConfigDump', bootstrap: { node: { id: 'a' }, dynamic_resources: { ads_config: {} } } },
    { '@type': 'x/envoy.admin.v3.ClustersConfigDump', dynamic_active_clusters: [{ cluster: { '@type': 't', name: 'hub', type: 'EDS', eds_cluster_config: {} } }] },
    {
      '@type': 'x/envoy.admin.v3.EndpointsConfigDump',
      dynamic_endpoint_configs: [{ endpoint_config: { '@type': 't', cluster_name: 'hub', endpoints: [{ load_balancing_weight: 0, lb_endpoints: [] }] } }],
    },
    {
      '@type': 'x/envoy.admin.v3.ListenersConfigDump',
      dynamic_listeners: [
        {
          active_state: {
            listener: {
              '@type': 't',
              name: 'scrape',
              filter_chains: [{ transport_socket: { sds_config: {}, name: 's' }, name: 'scrape', filters: [{ typed_config: { rds: { route_config_name: 'scrape' }, access_log: [{}] } }] }],
            },
          },
        },
      ],
    },
    {
      '@type': 'x/envoy.admin.v3.RoutesConfigDump',
      dynamic_route_configs: [
        { route_config: { '@type': 't', name: 'scrape', virtual_hosts: [{ name: 'own', door: '[redacted]', routes: [{ match: { prefix: '/scrape/' }, extensions: { door: '[redacted]' } }] }] } },
      ],
    },
    { '@type': 'x/envoy.admin.v3.SecretsConfigDump', dynamic_active_secrets: [{ secret: { '@type': 't', name: 's', tls_certificate: { private_key: '[redacted]' } } }] },
  ],
};

const BOOTSTRAP = toStatic({ dump: DUMP, adminSocket: '/admin', ports: { scrape: 1234 }, privateKeyFile: '/key' });
const LISTENER = ['static_resources', 'listeners', 0] as const;
const MANAGER = [...LISTENER, 'filter_chains', 0, 'filters', 0, 'typed_config'] as const;

describe('a dump made a bootstrap', () => {
  it.each<[string, readonly (string | number)[], Json | undefined]>([
    ['needs no control plane', ['dynamic_resources'], undefined],
    ['keeps the rest of the bootstrap', ['node', 'id'], 'a'],
    ['has the routes in their listener', [...MANAGER, 'route_config', 'name'], 'scrape'],
    ['says the doors that the dump hides', [...MANAGER, 'route_config', 'virtual_hosts', 0, 'routes', 0, 'extensions', 'door'], 'path'],
    ['of the virtual host too', [...MANAGER, 'route_config', 'virtual_hosts', 0, 'door'], 'none'],
    ['listens on the port given', [...LISTENER, 'address', 'socket_address', 'port_value'], 1234],
    ['has the endpoints in their cluster', ['static_resources', 'clusters', 0, 'load_assignment', 'cluster_name'], 'hub'],
    ['without a weight of 0', ['static_resources', 'clusters', 0, 'load_assignment', 'endpoints', 0], { lb_endpoints: [] }],
    ['refers to secrets that are in it', [...LISTENER, 'filter_chains', 0, 'transport_socket'], { name: 's' }],
    ['reads the key that the dump hides', ['static_resources', 'secrets', 0, 'tls_certificate', 'private_key'], { filename: '/key' }],
  ])('%s', (_, path, expected) => {
    expect(at(BOOTSTRAP, ...path)).toEqual(expected);
  });

  it('loses a part, and nothing else', () => {
    const less = withoutPart(BOOTSTRAP, 'access log');
    expect(at(less, ...MANAGER, 'access_log')).toBeUndefined();
    expect(at(less, ...MANAGER, 'route_config')).toEqual(at(BOOTSTRAP, ...MANAGER, 'route_config'));
    expect(at(withoutPart(BOOTSTRAP, 'door TLS'), ...LISTENER, 'filter_chains', 0, 'transport_socket')).toBeUndefined();
  });
});
