import { describe, expect, it } from '@jest/globals';
import type { BackendDiscovery } from '../model/desired-state.js';
import { readEndpoints, urlsOf } from './endpoints.js';

const ANY: Omit<BackendDiscovery, 'resource'> = { namespaces: undefined, labels: {}, annotations: {}, port: undefined, scheme: undefined, pathPrefix: '' };

function urls(resource: BackendDiscovery['resource'], object: unknown, wanted: Partial<BackendDiscovery> = {}): readonly string[] {
  const endpoints = readEndpoints(object, resource, 'cluster.local');
  return urlsOf(endpoints === undefined ? [] : [endpoints], { ...ANY, resource, ...wanted });
}

const NAMED = { metadata: { namespace: 'mon', name: 'p', annotations: { role: 'infra' } } };
const service = { ...NAMED, spec: { ports: [{ name: 'grpc', port: 10901 }, { name: 'web', port: 9090 }, { name: 'dns', port: 53, protocol: 'UDP' }] } };
const slice = { ...NAMED, ports: [{ name: 'web', port: 9090 }], endpoints: [{ addresses: ['10.0.0.2'] }, { addresses: ['10.0.0.1'], conditions: { ready: true } }, { addresses: ['10.0.0.3'], conditions: { ready: false } }] };
const pod = (podIP: string, more: object = {}, ports: readonly object[] = []): unknown => ({
  ...NAMED, spec: { containers: [{ ports }] }, status: { phase: 'Running', podIP, conditions: [{ type: 'Ready', status: 'True' }], ...more },
});

describe('a Service', () => {
  it.each([
    ['its first port', {}, ['http://p.mon.svc.cluster.local:10901']],
    ['a named port', { port: 'web' }, ['http://p.mon.svc.cluster.local:9090']],
    ['a numbered port', { port: '9090' }, ['http://p.mon.svc.cluster.local:9090']],
    ['a port that it has not', { port: 'metrics' }, []],
    ['a port that speaks no TCP', { port: 'dns' }, []],
    ['a scheme and a path', { port: 'web', scheme: 'https', pathPrefix: '/prometheus' }, ['https://p.mon.svc.cluster.local:9090/prometheus']],
    ['an annotation that it has', { port: 'web', annotations: { role: 'infra' } }, ['http://p.mon.svc.cluster.local:9090']],
    ['an annotation that it has not', { annotations: { role: 'admin' } }, []],
    ['its namespace', { port: 'web', namespaces: ['mon'] }, ['http://p.mon.svc.cluster.local:9090']],
    ['another namespace', { namespaces: ['other'] }, []],
  ] as const)('asked for %s', (_what, wanted, found) => {
    expect(urls('Service', service, wanted)).toEqual(found);
  });
});

describe('an EndpointSlice', () => {
  it('gives what is ready, in an order of its own', () => {
    expect(urls('EndpointSlice', slice)).toEqual(['http://10.0.0.1:9090', 'http://10.0.0.2:9090']);
  });

  it('of IPv6 gives addresses in brackets; names are no addresses', () => {
    expect(urls('EndpointSlice', { ...slice, endpoints: [{ addresses: ['fd00::1'] }, { addresses: ['evil.example'] }] })).toEqual(['http://[fd00::1]:9090']);
  });

  it('says by its port or annotation that it is https', () => {
    expect(urls('EndpointSlice', { ...slice, ports: [{ name: 'https', port: 1 }] })[0]).toBe('https://10.0.0.1:1');
    expect(urls('EndpointSlice', { ...slice, metadata: { ...NAMED.metadata, annotations: { 'prometheus.io/scheme': 'https' } } })[0]).toBe('https://10.0.0.1:9090');
  });
});

describe('a Pod', () => {
  it.each([
    ['without ports', pod('10.0.0.1'), {}, ['http://10.0.0.1:9090']],
    ['without ports, a number wanted', pod('10.0.0.1'), { port: '9091' }, ['http://10.0.0.1:9091']],
    ['with a named port', pod('fd00::1', {}, [{ name: 'web', containerPort: 8080 }]), { port: 'web' }, ['http://[fd00::1]:8080']],
    ['without the named port', pod('10.0.0.1'), { port: 'web' }, []],
    ['that is not ready', pod('10.0.0.1', { conditions: [{ type: 'Ready', status: 'False' }] }), {}, []],
    ['that is over', pod('10.0.0.1', { phase: 'Succeeded' }), {}, []],
    ['that has no address yet', pod(''), {}, []],
    ['that is going', { ...Object(pod('10.0.0.1')), metadata: { ...NAMED.metadata, deletionTimestamp: '2026-01-01T00:00:00Z' } }, {}, []],
  ] as const)('%s', (_what, object, wanted, found) => {
    expect(urls('Pod', object, wanted)).toEqual(found);
  });
});

it.each([undefined, null, 7, {}, { metadata: {} }, { metadata: { namespace: 'a', name: 'b' }, endpoints: 7, ports: 'x', status: null, spec: [] }])('what is no such object gives nothing: %j', (object) => {
  for (const resource of ['EndpointSlice', 'Pod'] as const) expect(urls(resource, object)).toEqual([]);
});
