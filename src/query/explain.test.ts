import { describe, expect, it } from '@jest/globals';
import { queryState } from '../../test/support/query-door.js';
import { explainQuery } from './explain.js';

const STATE = queryState(
  [{ name: 'main', url: 'http://prometheus.example:9090' }],
  [{ name: 't', query: [{ backends: ['main'], metrics: ['x', 'y{job="j"}', '{'], labels: { ns: 'a' } }, { backends: undefined, metrics: ['z.*'], labels: {} }] }],
);

describe('an explanation', () => {
  it('shows what is asked instead, and by which rules', () => {
    expect(explainQuery(STATE, 't', 'main', 'sum(x) / zeta + secret')).toEqual({
      original: 'sum(x) / zeta + secret',
      rewritten: 'sum(x{ns="a"}) / zeta + secret{__scrapeway_denied__="1",__scrapeway_denied__="2"}',
      filters: [],
      selectors: [
        { selector: 'x', outcome: 'constrained', rules: ['x and {ns="a"}'] },
        { selector: 'zeta', outcome: 'unchanged', rules: ['z.*'] },
        { selector: 'secret', outcome: 'denied', rules: [] },
      ],
      refusal: undefined,
    });
  });

  it('shows each question that the members of a group are asked', () => {
    const state = { ...STATE, backendGroups: [{ name: 'world', members: ['main'], disjointBy: ['cluster'], onFailure: 'fail' as const }] };
    expect(explainQuery(state, 't', 'world', 'stddev(zeta) / sum(z)')).toMatchObject({ rewritten: 'zeta\nsum(z)', refusal: undefined });
    expect(explainQuery(state, 't', 'world', 'quantile_over_time(scalar(avg(z)), z[1h])')).toMatchObject({ rewritten: undefined, refusal: { reason: 'query_not_distributable' } });
  });

  it('takes experimental syntax where the backend says so, under the same rules', () => {
    const state = { ...STATE, backends: (STATE.backends ?? []).map((backend) => ({ ...backend, features: ['promql-experimental-functions', 'promql-binop-fill-modifiers', 'promql-extended-range-selectors'] })) };
    const asked = (query: string): unknown => explainQuery(state, 't', 'main', query).rewritten;
    expect([asked('limitk(1, x)'), asked('sum(x) + fill(0) sum(secret)'), asked('rate(x[5m] anchored)'), asked('info(x)')]).toEqual([
      'limitk(1, x{ns="a"})',
      'sum(x{ns="a"}) + fill (0) sum(secret{__scrapeway_denied__="1",__scrapeway_denied__="2"})',
      'rate(x{ns="a"}[5m] anchored)',
      undefined,
    ]);
    expect(explainQuery(state, 't', 'main', 'info(x)').refusal?.reason).toBe('query_unenforceable');
    expect(explainQuery(STATE, 't', 'main', 'limitk(1, x)').refusal?.reason).toBe('query_invalid');
  });

  it.each([
    ['t', 'main', 'x{', 'query_invalid'],
    ['t', 'main', '{job="j"}[5m]', 'query_unenforceable'],
    ['t', 'none', 'x', 'query_no_backend'],
    ['u', 'main', 'x', 'query_no_backend'],
  ])('says why not: %s at %s: %s', (tenant, backend, text, reason) => {
    expect(explainQuery(STATE, tenant, backend, text)).toMatchObject({ rewritten: undefined, refusal: { reason } });
  });
});
