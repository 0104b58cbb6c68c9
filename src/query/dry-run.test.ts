import { describe, expect, it } from '@jest/globals';
import { desiredState } from '../../test/support/desired-state.js';
import type { Backend } from '../model/desired-state.js';
import { isDryRun, tryOut } from './dry-run.js';
import type { Trial } from './dry-run.js';
import { viewOf } from './grants.js';
import { KnownQueries } from './known-queries.js';
import { formOf, routeOf } from './route.js';

const RULES = ['x{ns="a"}', 'y{job=~"j.*"}'];

function trial(url: string, union?: Backend['union']): Trial | undefined {
  const state = {
    ...desiredState({ tenants: [{ name: 't', query: [{ backends: undefined, metrics: RULES, labels: {} }], limits: { requestsPerSecond: 1, burst: 1, query: { maxBranches: 1 } }, queryDryRunUntilMs: 2_000 }] }),
    backends: [{ name: 'main', url: 'http://prometheus.example', timeoutMs: 1000, union }],
  };
  const route = routeOf(`/query/main${url}`, 'GET');
  const view = viewOf(state, 't', 'main');
  const form = formOf(Buffer.alloc(0), route?.query ?? '');
  if (route?.endpoint === undefined || view === undefined || !form.ok) throw new Error('no question');
  const question = { ...view, known: new KnownQueries().memory(), form: form.value, json: undefined, message: undefined, segment: route.segment };
  return tryOut(route.endpoint, question, route.endpoint.plan(question));
}

function passed(url: string): unknown {
  const { would, plan, asked, instead } = trial(url) ?? {};
  return [would, plan?.kind === 'forward' ? plan.request.parameters.find(([name]) => name === 'query' || name === 'match[]')?.[1] : plan?.kind, asked, instead];
}

describe('a dry run', () => {
  it.each([
    ['/api/v1/query?query=sum(x)', ['rewritten', 'sum(x)', 'sum(x)', 'sum(x{ns="a"})']],
    ['/api/v1/query?query=other', ['rewritten', 'other', 'other', expect.stringMatching(/^other\{.+\}$/)]],
    ['/api/v1/query_range?start=0&end=60&step=15&query=x', ['rewritten', 'x', 'x', 'x{ns="a"}']],
    ['/api/v1/query?query=x%7Bns%3D%22a%22%7D', ['unchanged', 'x{ns="a"}', 'x{ns="a"}', 'x{ns="a"}']],
    ['/api/v1/query?query=1%2B1', ['unchanged', '1 + 1', '1 + 1', '1 + 1']],
    ['/api/v1/series?match[]=x', ['rewritten', 'x', 'x', 'x{ns="a"}']],
    ['/api/v1/series?match[]=z', ['rewritten', 'z', 'z', '']],
    ['/federate?match[]=x', ['rewritten', 'x', 'x', 'x{ns="a"}']],
  ])('passes %s and says what the rules would have made of it', (url, expected) => {
    expect(passed(url)).toEqual(expected);
  });

  it('passes what the rules would have refused', () => {
    const { would, plan, instead } = trial('/api/v1/query?query=%7Bjob%3D%22j%22%7D') ?? {};
    expect([would, plan, instead]).toEqual(['refused', expect.objectContaining({ kind: 'forward' }), expect.stringMatching(/^query_over_limit: .*branches/)]);
  });

  it.each(['/api/v1/query?query=x{', '/api/v1/query?query=info(x)', '/api/v1/metadata', '/api/v1/rules', '/api/v1/alerts', '/api/v2/silences', '/api/v1/labels', '/-/healthy'])('leaves %s as it is', (url) => {
    expect(trial(url)).toBeUndefined();
  });

  it('takes the rules off what VictoriaMetrics is asked, too', () => {
    const { would, plan } = trial('/api/v1/query?query=x', 'extra_filters') ?? {};
    expect([would, JSON.stringify(plan)]).toEqual(['rewritten', expect.not.stringContaining('extra_filters')]);
  });

  it.each([[undefined, 1, false], [2_000, 1_999, true], [2_000, 2_000, false]])('until %s is, at %s, in force: %s', (dryRunUntilMs, nowMs, expected) => {
    expect(isDryRun({ dryRunUntilMs }, nowMs)).toBe(expected);
  });
});
