import { describe, expect, it } from '@jest/globals';
import { compilePolicy } from '../promql/enforce/policy.js';
import type { Policy } from '../promql/enforce/policy.js';
import { visibleAlertsIn, visibleGroups } from './alerting.js';
import { visibleMetadata } from './metadata.js';
import { visibleTargets } from './targets.js';

function policy(...selectors: readonly string[]): Policy {
  const compiled = compilePolicy(selectors.map((selector) => ({ metric: { kind: 'selector', selector }, labels: [] })));
  if (!compiled.ok) throw new Error(JSON.stringify(compiled.error));
  return compiled.value;
}

const OWN = policy('{ns="a"}');

function alerting(query: string, parts: Readonly<Record<string, unknown>> = {}): Record<string, unknown> {
  return { type: 'alerting', name: 'n', query, labels: {}, annotations: {}, lastError: 'about secret', ...parts };
}

function groups(...rules: readonly unknown[]): unknown {
  return { groups: [{ name: 'g', file: 'f', interval: 60, evaluationTime: 9, rules }] };
}

const ALL = { selectors: [], withAlerts: true };

describe('rules', () => {
  it('are those that ask for allowed series only', () => {
    const shown = visibleGroups(groups(
      alerting('up{ns="a"} == 0'), alerting('up == 0'), alerting('up{ns="a"} > on () group_left () secret'), alerting('vector(1)'), alerting('info(up{ns="a"})'),
      alerting('up{ns="a"}', { annotations: { text: '{{ "}}" | query }}' } }), alerting('not a query ('), { type: 'recording', name: 'r', query: 'sum(x{ns="a"})' },
    ), OWN, ALL);
    expect(shown).toEqual([{ name: 'g', file: 'f', interval: 60, evaluationTime: 0, rules: [
      { type: 'alerting', name: 'n', query: 'up{ns="a"} == 0', labels: {}, annotations: {}, alerts: [] },
      { type: 'recording', name: 'r', query: 'sum(x{ns="a"})' },
    ] }]);
  });

  it('of groups without any are not mentioned', () => {
    expect(visibleGroups(groups(alerting('secret')), OWN, ALL)).toEqual([]);
    expect(visibleGroups('garbage', OWN, ALL)).toEqual([]);
  });
});

describe('alerts', () => {
  const alert = (ns: string): unknown => ({ labels: { alertname: 'n', ns }, annotations: { text: 'secret is 5' }, state: 'firing', activeAt: 'then', value: '5e+00' });

  it('of own rules are shown whole', () => {
    expect(visibleAlertsIn(groups(alerting('up{ns="a"}', { alerts: [alert('a')] })), OWN)).toEqual([alert('a')]);
  });

  it('of other rules are shown if their series in ALERTS is allowed, and with no more than that says', () => {
    const shown = { labels: { alertname: 'n', ns: 'a' }, annotations: {}, state: 'firing', activeAt: 'then', value: '1e+00' };
    const others = groups(alerting('secret', { alerts: [alert('a'), alert('b')] }));
    expect(visibleAlertsIn(others, OWN)).toEqual([shown]);
    expect(visibleAlertsIn(others, policy('ALERTS{ns="a",alertstate="pending"}', 'up'))).toEqual([]);
  });
});

describe('metadata', () => {
  const counter = (help: string): unknown => ({ type: 'counter', help, unit: '' });

  it('is of names that the tenant has', () => {
    const all = { x_total: [counter('x')], secret: [counter('s')], h: [{ type: 'histogram', help: 'h', unit: '' }], y: [counter('y')], g: [{ type: 'gauge', help: 'g', unit: '' }] };
    expect([...visibleMetadata(all, ['x_total', 'h_bucket', 'y_total', 'g_bucket'], OWN).keys()]).toEqual(['x_total', 'h', 'y']);
  });

  it('has the help of a shared name only where there is one, or where the name is allowed whatever the labels', () => {
    const shared = { x: [counter('mine'), counter('theirs')] };
    expect(visibleMetadata(shared, ['x'], OWN).get('x')).toEqual([{ type: 'counter', help: '', unit: '' }]);
    expect(visibleMetadata(shared, ['x'], policy('x')).get('x')).toEqual(shared.x);
  });
});

describe('targets', () => {
  const target = (ns: string): Record<string, unknown> => ({
    labels: { job: 'j', ns }, discoveredLabels: { __secret: 'x' }, scrapePool: `pool-${ns}`, scrapeUrl: 'http://user:word@host:1/metrics?token=secret', globalUrl: 'http://host:1/metrics?token=secret', health: 'down',
    lastError: 'Get "http://user:word@host:1/metrics?token=secret": refused', unheardOf: 'secret',
  });

  it('are those whose series "up" is allowed, without what they were before relabelling and without secrets of their URLs', () => {
    const shown = visibleTargets({ activeTargets: [target('a'), target('b'), { labels: { ns: 1 } }] }, OWN);
    expect(shown).toEqual([{ labels: { job: 'j', ns: 'a' }, discoveredLabels: {}, scrapePool: 'pool-a', scrapeUrl: 'http://host:1/metrics', globalUrl: 'http://host:1/metrics', health: 'down', lastError: 'Get "http://host:1/metrics": refused' }]);
  });

  it('are not shown to whom other series of theirs are allowed', () => {
    expect(visibleTargets({ activeTargets: [target('a')] }, policy('load{ns="a"}'))).toEqual([]);
  });
});
