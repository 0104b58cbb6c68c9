import { describe, expect, it } from '@jest/globals';
import { create } from '@bufbuild/protobuf';
import type { MessageInitShape } from '@bufbuild/protobuf';
import { Cluster_DiscoveryType, ClusterSchema } from '../gen/envoy/config/cluster/v3/cluster_pb.js';
import { ClusterLoadAssignmentSchema } from '../gen/envoy/config/endpoint/v3/endpoint_pb.js';
import { ListenerSchema } from '../gen/envoy/config/listener/v3/listener_pb.js';
import { RouteConfigurationSchema } from '../gen/envoy/config/route/v3/route_pb.js';
import { HttpConnectionManagerSchema } from '../gen/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.js';
import { DownstreamTlsContextSchema } from '../gen/envoy/extensions/transport_sockets/tls/v3/tls_pb.js';
import { desiredState } from '../../test/support/desired-state.js';
import { pack } from './encode.js';
import { RESOURCE_TYPES } from './resource-types.js';
import type { ResourceSet } from './resource-types.js';
import { buildResources } from './resources/index.js';
import { ads, seconds } from './resources/pack.js';
import { changeSnapshot, changesBetween, changesOf, makeSnapshot } from './snapshot.js';
import type { CheckedSnapshot, ResourceChange, Snapshot } from './snapshot.js';

const NOTHING: ResourceSet = { cluster: [], endpoint: [], listener: [], route: [], secret: [] };

function made(set: Partial<ResourceSet>, previous?: CheckedSnapshot): CheckedSnapshot {
  const result = makeSnapshot({ ...NOTHING, ...set }, previous);
  if (!result.ok) throw new Error(JSON.stringify(result.error));
  return result.value;
}

/** `place: message` of every fault. */
function faults(set: Partial<ResourceSet>): string[] {
  const result = makeSnapshot({ ...NOTHING, ...set });
  return result.ok ? [] : result.error.map(({ place, message }) => `${place}: ${message}`);
}

function cluster(name: string, parts: MessageInitShape<typeof ClusterSchema> = {}): ResourceSet['cluster'][number] {
  return create(ClusterSchema, { name, connectTimeout: seconds(1), ...(parts.$typeName === undefined ? parts : {}) });
}

function clusterIn({ types }: Snapshot, name: string): unknown {
  return types.get(RESOURCE_TYPES.cluster.url)?.resources.get(name);
}

const byEds: Extract<MessageInitShape<typeof ClusterSchema>, { readonly $typeName?: never }> = {
  clusterDiscoveryType: { case: 'type', value: Cluster_DiscoveryType.EDS },
  edsClusterConfig: { edsConfig: ads },
};

function routesTo(...clusters: readonly string[]): ResourceSet['route'][number] {
  return create(RouteConfigurationSchema, {
    name: 'r',
    virtualHosts: [
      {
        name: 'v',
        domains: ['*'],
        routes: clusters.map((name) => ({
          match: { pathSpecifier: { case: 'prefix' as const, value: '/' } },
          action: { case: 'route' as const, value: { clusterSpecifier: { case: 'cluster' as const, value: name } } },
        })),
      },
    ],
  });
}

/** A cluster with maps, a struct and a packed message with maps, all filled in this order. */
function withMaps(keys: readonly string[]): ResourceSet['cluster'][number] {
  const inOrder = <T>(value: (key: string) => T): Record<string, T> => Object.fromEntries(keys.map((key) => [key, value(key)]));
  const metadata = { filterMetadata: inOrder(() => inOrder((key) => [inOrder(() => key)])) };
  return cluster('c', { metadata, typedExtensionProtocolOptions: inOrder((key) => pack(ClusterSchema, cluster(key, { metadata }))) });
}

function resourcesOfState(): ResourceSet {
  return buildResources(desiredState({ tenants: [{ name: 'a' }, { name: 'b' }] }), { dataThreads: 2, runtimeDir: '/run/x' });
}

describe('rule-23-same-content-same-bytes', () => {
  it('whatever the order in which maps, structs and what is packed inside were filled', () => {
    expect(made({ cluster: [withMaps(['x', 'y', 'z'])] }).version).toBe(made({ cluster: [withMaps(['y', 'z', 'x'])] }).version);
  });

  it('in whatever order the resources come', () => {
    expect(made({ cluster: [cluster('a'), cluster('b')] }).version).toBe(made({ cluster: [cluster('b'), cluster('a')] }).version);
  });

  it('so the same state has the same versions when it is built anew, in this process and in the next', () => {
    const first = made(resourcesOfState());
    expect(made(resourcesOfState()).version).toBe(first.version);
    expect(changesBetween(first, made(resourcesOfState(), first)).size).toBe(0);
  });

  it('and a resource that did not change is the same object as before', () => {
    const before = made({ cluster: [cluster('a'), cluster('b')] });
    const after = made({ cluster: [cluster('a'), cluster('b', { connectTimeout: seconds(2) })] }, before);
    expect(clusterIn(after, 'a')).toBe(clusterIn(before, 'a'));
    expect(clusterIn(after, 'b')).not.toBe(clusterIn(before, 'b'));
    expect(changesBetween(before, after)).toEqual(new Map([[RESOURCE_TYPES.cluster.url, new Set(['b'])]]));
  });
});

describe('rule-24-pgv', () => {
  it('a resource that Envoy would refuse makes no snapshot; every fault is said with its path', () => {
    expect(faults({ cluster: [cluster('a', { connectTimeout: seconds(0) }), cluster('')] }).toSorted()).toEqual([
      'cluster "" name: must not be empty',
      'cluster "a" connect_timeout: must be > 0s, is 0s',
      'cluster: has no name',
    ]);
  });
});

describe('rule-25-consistency', () => {
  it.each<[string, Partial<ResourceSet>, string[]]>([
    ['an EDS cluster without its endpoints', { cluster: [cluster('a', byEds)] }, ['cluster "a": names endpoint "a", which does not exist']],
    ['endpoints without their cluster', { endpoint: [create(ClusterLoadAssignmentSchema, { clusterName: 'a' })] }, ['endpoint "a": is named by no cluster']],
    ['a route to no cluster', { route: [routesTo('a', 'b')], cluster: [cluster('a')] }, ['route "r": names cluster "b", which does not exist']],
    [
      'a listener without its routes and its secret, both inside Any',
      {
        listener: [
          create(ListenerSchema, {
            name: 'l',
            filterChains: [
              {
                transportSocket: { name: 't', configType: { case: 'typedConfig', value: pack(DownstreamTlsContextSchema, { commonTlsContext: { tlsCertificateSdsSecretConfigs: [{ name: 's', sdsConfig: ads }] } }) } },
                filters: [{ name: 'h', configType: { case: 'typedConfig', value: pack(HttpConnectionManagerSchema, { statPrefix: 's', routeSpecifier: { case: 'rds', value: { configSource: ads, routeConfigName: 'r' } } }) } }],
              },
            ],
          }),
        ],
      },
      ['listener "l": names route "r", which does not exist', 'listener "l": names secret "s", which does not exist'],
    ],
    ['a name that stands twice', { cluster: [cluster('a'), cluster('a')] }, ['cluster "a": stands twice']],
    ['all there', { cluster: [cluster('a', byEds)], endpoint: [create(ClusterLoadAssignmentSchema, { clusterName: 'a' })], route: [routesTo('a')] }, []],
  ])('%s', (_name, set, expected) => {
    expect(faults(set).toSorted()).toEqual(expected);
  });
});

function assignment(name: string): ResourceSet['endpoint'][number] {
  return create(ClusterLoadAssignmentSchema, { clusterName: name });
}

describe('a changed snapshot', () => {
  const BEFORE: Partial<ResourceSet> = { cluster: [cluster('a', byEds), cluster('b')], endpoint: [assignment('a')], route: [routesTo('a')] };

  /** `place: message` of every fault of a change. */
  function changeFaults(change: ResourceChange): string[] {
    const result = changeSnapshot(made(BEFORE), change);
    return result.ok ? [] : result.error.map(({ place, message }) => `${place}: ${message}`);
  }

  it('is the same as one that is made of the whole', () => {
    const before = made(BEFORE);
    const change: ResourceChange = { put: { cluster: [cluster('c'), cluster('b', { connectTimeout: seconds(9) })], route: [routesTo('a', 'c')] }, remove: { cluster: ['gone long ago'] } };
    const changed = changeSnapshot(before, change);
    if (!changed.ok) throw new Error(JSON.stringify(changed.error));
    const whole = made({ ...BEFORE, cluster: [cluster('a', byEds), cluster('b', { connectTimeout: seconds(9) }), cluster('c')], route: [routesTo('a', 'c')] });
    expect(changed.value.version).toBe(whole.version);
    for (const [url, names] of changesBetween(before, changed.value)) expect([...(changesOf(change).get(url) ?? [])]).toEqual(expect.arrayContaining([...names]));
    expect(clusterIn(changed.value, 'a')).toBe(clusterIn(before, 'a'));
  });

  it.each<[string, ResourceChange, string[]]>([
    ['takes a cluster away that is used', { remove: { cluster: ['a'] } }, ['endpoint "a": is named by no cluster', 'route "r": names cluster "a", which does not exist']],
    ['takes endpoints away that are used', { remove: { endpoint: ['a'] } }, ['cluster "a": names endpoint "a", which does not exist']],
    ['forgets endpoints whose cluster is of another kind now', { put: { cluster: [cluster('a')] } }, ['endpoint "a": is named by no cluster']],
    ['adds endpoints of nobody', { put: { endpoint: [assignment('x')] } }, ['endpoint "x": is named by no cluster']],
    ['adds a route to nowhere', { put: { route: [routesTo('x')] } }, ['route "r": names cluster "x", which does not exist']],
    ['breaks a rule of Envoy', { put: { cluster: [cluster('b', { connectTimeout: seconds(0) })] } }, ['cluster "b" connect_timeout: must be > 0s, is 0s']],
    ['moves a route and takes away what it named', { put: { route: [routesTo('b')] }, remove: { cluster: ['a'], endpoint: ['a'] } }, []],
  ])('%s', (_name, change, expected) => {
    expect(changeFaults(change).toSorted()).toEqual(expected);
  });

  it('stays right over so many changes that its layers are merged', () => {
    let snapshot = made({});
    const wanted = new Map<string, number>();
    for (let turn = 0; turn < 1_500; turn += 1) {
      const name = `c${(turn * 7) % 400}`;
      const isRemoval = turn % 3 === 2;
      const next = changeSnapshot(snapshot, isRemoval ? { remove: { cluster: [name] } } : { put: { cluster: [cluster(name, { connectTimeout: seconds(turn + 1) })] } });
      if (!next.ok) throw new Error(JSON.stringify(next.error));
      snapshot = next.value;
      if (isRemoval) wanted.delete(name);
      else wanted.set(name, turn + 1);
    }
    const whole = made({ cluster: [...wanted].map(([name, timeout]) => cluster(name, { connectTimeout: seconds(timeout) })) });
    expect(snapshot.version).toBe(whole.version);
    const state = snapshot.types.get(RESOURCE_TYPES.cluster.url);
    expect([state?.resources.size, [...(state?.resources.keys() ?? [])].toSorted()]).toEqual([wanted.size, [...wanted.keys()].toSorted()]);
  });
});
