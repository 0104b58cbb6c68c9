import { describe, expect, it } from '@jest/globals';
import { desiredState } from '../../test/support/desired-state.js';
import type { QueryGrant, QueryLimits } from '../model/desired-state.js';
import { restrictExpression } from './expressions.js';
import { viewOf } from './grants.js';
import type { View } from './grants.js';
import { KnownQueries } from './known-queries.js';

const INSTANT = { rangeMs: 0, stepMs: 0 };

function view(known: KnownQueries, labels: QueryGrant['labels'], limits: QueryLimits = {}): View {
  const grant = { backends: undefined, metrics: ['.*'], labels };
  const state = { ...desiredState({ tenants: [{ name: 't', query: [grant], limits: { requestsPerSecond: 1, burst: 1, query: limits } }] }), backends: [{ name: 'main', url: 'http://prometheus.example', timeoutMs: 1000 }] };
  const made = viewOf(state, 't', 'main');
  if (made === undefined) throw new Error('no view');
  return { ...made, known: known.memory() };
}

function leaving(text: string, of: View, times = INSTANT): string {
  const restricted = restrictExpression(text, of, times);
  return restricted.ok ? restricted.value.query : restricted.error.reason;
}

describe('a known query', () => {
  it('is what it was the first time', () => {
    const known = new KnownQueries();
    const own = view(known, { ns: 'a' });
    expect([leaving('rate(x[5m])', own), leaving('rate(x[5m])', own), known.size]).toEqual(['rate(x{ns="a"}[5m])', 'rate(x{ns="a"}[5m])', 1]);
  });

  it('is known to its own view only: other rules, other text', () => {
    const known = new KnownQueries();
    const views = ['a', 'b', 'a'].map((ns) => view(known, { ns }));
    expect(views.map((one) => leaving('x', one))).toEqual(['x{ns="a"}', 'x{ns="b"}', 'x{ns="a"}']);
    expect(known.size).toBe(3);
  });

  it('is held to the limits of each time it is asked', () => {
    const own = view(new KnownQueries(), { ns: 'a' }, { maxRangeMs: 600_000 });
    expect([INSTANT, { rangeMs: 600_000, stepMs: 60_000 }, INSTANT].map((times) => leaving('rate(x[5m])', own, times))).toEqual(['rate(x{ns="a"}[5m])', 'query_over_limit', 'rate(x{ns="a"}[5m])']);
  });

  it.each([['is refused', 'x{'], ['is very long', `x{y="${'z'.repeat(40_000)}"}`]])('is not remembered where it %s', (_, text) => {
    const known = new KnownQueries();
    leaving(text, view(known, { ns: 'a' }));
    expect(known.size).toBe(0);
  });

  it('makes way where there are too many', () => {
    const known = new KnownQueries();
    const own = view(known, { ns: 'a' });
    for (let index = 0; index < 400; index += 1) leaving(`x{y="${index}${'z'.repeat(1_000)}"}`, own);
    expect(known.size).toBeGreaterThan(50);
    expect(known.size).toBeLessThan(150);
  });
});
