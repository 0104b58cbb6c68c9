import { describe, expect, it } from '@jest/globals';
import { readMetricPattern } from '../promql/enforce/metric-pattern.js';
import { desiredState } from '../../test/support/desired-state.js';
import { queryGrantFaults, viewOf } from './grants.js';

describe('syntax of PromQL that is on by request', () => {
  const state = {
    ...desiredState({ tenants: [{ name: 't', query: [{ backends: undefined, metrics: ['x'], labels: {} }] }] }),
    backends: [{ name: 'plain', url: 'http://plain', timeoutMs: 1000 }, { name: 'one', url: 'http://one', timeoutMs: 1000, features: ['promql-experimental-functions', 'promql-binop-fill-modifiers'] }, { name: 'two', url: 'http://two', timeoutMs: 1000, features: ['promql-experimental-functions'] }],
    backendGroups: [{ name: 'both', members: ['one', 'two'], disjointBy: [], onFailure: 'fail' as const }, { name: 'mixed', members: ['one', 'plain'], disjointBy: [], onFailure: 'fail' as const }],
  };

  it.each([
    ['plain', { experimentalFunctions: false, fillModifiers: false }],
    ['one', { experimentalFunctions: true, fillModifiers: true, extendedRangeSelectors: false }],
    ['both', { experimentalFunctions: true, fillModifiers: false }],
    ['mixed', { experimentalFunctions: false, fillModifiers: false }],
  ])('is that of the backend, or of all members: %s', (backend, features) => {
    expect(viewOf(state, 't', backend)?.features).toMatchObject(features);
  });
});

describe('a metric pattern', () => {
  it.each([
    ['up', { kind: 'exact', name: 'up' }],
    [':cluster:cores:sum', { kind: 'exact', name: ':cluster:cores:sum' }],
    ['sum', { kind: 'exact', name: 'sum' }],
    ['http_.*', { kind: 'regex', pattern: 'http_.*' }],
    ['ab{2}', { kind: 'regex', pattern: 'ab{2}' }],
    ['node_*', { kind: 'regex', pattern: 'node_*' }],
    ['(a|b)_total', { kind: 'regex', pattern: '(a|b)_total' }],
    ['up{job=~"data-.*"}', { kind: 'selector', selector: 'up{job=~"data-.*"}' }],
    ['{__name__=~"a|b",job="x"}', { kind: 'selector', selector: '{__name__=~"a|b",job="x"}' }],
    ['a\\{b', { kind: 'regex', pattern: 'a\\{b' }],
    ['\\p{Greek}+', { kind: 'regex', pattern: '\\p{Greek}+' }],
    ['.*', { kind: 'any' }],
  ])('%s', (pattern, expected) => {
    expect(readMetricPattern(pattern)).toEqual(expected);
  });

  it.each(['{}', '{__name__=~".*"}', '*_total', 'up{', 'up{job="a}', 'up offset {5m}', '{job="x"} offset 5m', '.*', 'x{1001}', 'up{job=~"\\d+"}'])('%s is a fault', (pattern) => {
    expect(queryGrantFaults([{ backends: undefined, metrics: ['up', pattern], labels: {} }])).toEqual([{ place: 'query[0].metrics[1]', message: expect.any(String) }]);
  });
});
