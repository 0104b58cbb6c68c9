import { describe, expect, it } from '@jest/globals';
import { backendCluster, backendClusters, NO_ENDPOINT } from './backend-cluster.js';
import type { Backend } from './desired-state.js';

const discover = { resource: 'Pod', namespaces: undefined, labels: {}, annotations: {}, port: undefined, scheme: undefined, pathPrefix: '/prom' } as const;

function backend(parts: Partial<Backend>): Backend {
  return { name: 'main', url: 'http://one', timeoutMs: 1000, ...parts };
}

describe('the cluster of a backend', () => {
  it.each<[string, Partial<Backend>, string, readonly string[]]>([
    ['has its name', {}, 'backend/main', ['http://one']],
    ['has its path', { url: 'http://one/a/b', replicas: ['http://two/a/b'] }, 'backend/main/a/b', ['http://one/a/b', 'http://two/a/b']],
    ['has each server once', { replicas: ['http://two', 'http://one'] }, 'backend/main', ['http://one', 'http://two']],
    ['has nobody before anybody is found, and the name that it will have then', { url: NO_ENDPOINT, discover }, 'backend/main/prom', []],
    ['has the same name when somebody is', { url: 'http://10.0.0.1:9090/prom', replicas: [], discover }, 'backend/main/prom', ['http://10.0.0.1:9090/prom']],
  ])('%s', (_, parts, cluster, urls) => {
    expect(backendCluster(backend(parts))).toMatchObject({ cluster, urls, backend: 'main' });
  });

  it('knows no credentials', () => {
    expect(JSON.stringify(backendCluster(backend({ headers: { authorization: 'Bearer secret' } })))).not.toContain('secret');
  });
});

it('a backend behind an agent has no cluster', () => {
  expect(backendClusters([backend({ agent: { agent: 'a', service: 's' } }), backend({})])).toHaveLength(1);
});
