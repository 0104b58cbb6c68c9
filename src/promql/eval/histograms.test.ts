import { describe, expect, it } from '@jest/globals';
import type { Expr } from '../ast.js';
import { ALL_FEATURES } from '../features.js';
import { bucketsOf } from '../histogram/histogram.js';
import type { Histogram } from '../histogram/histogram.js';
import { parse } from '../parse.js';
import { visit } from '../walk.js';
import { evaluate } from './evaluate.js';
import { labelSet, printLabels } from './labels.js';
import { newSeries, place, sampleAt } from './series.js';
import type { Sample, Series, Steps } from './series.js';
import { subquerySteps } from './windows.js';

/** Native histograms among the samples of a vector: what of it operators, aggregations and functions take, and what they say besides. */

const AT: Steps = { startMs: 600_000, stepMs: 1, count: 1 };
const BUDGET = { points: 10_000 };

/** In the bucket from 1 to 2. */
function exponential(count: number): Histogram {
  return { kind: 'exponential', count, sum: count * 1.5, schema: 0, zeroThreshold: undefined, zeroCount: 0, positive: { indexes: Int32Array.of(1), counts: Float64Array.of(count) }, negative: { indexes: new Int32Array(0), counts: new Float64Array(0) } };
}

const CUSTOM: Histogram = { kind: 'custom', count: 5, sum: 2, buckets: [{ lower: -Infinity, upper: 0.5, count: 5 }] };

/** Selectors stand for these. */
const DATA: Readonly<Record<string, readonly (readonly [labels: Readonly<Record<string, string>>, sample: Sample])[]>> = {
  h: [[{ pod: '1' }, exponential(3)], [{ pod: '2' }, exponential(4)]],
  g: [[{ pod: '1' }, exponential(1)]],
  x: [[{ pod: '1' }, 7], [{ pod: '3' }, 9]],
  mixed: [[{ pod: '1' }, exponential(3)], [{ pod: '2' }, 8]],
  kinds: [[{ pod: '1' }, exponential(3)], [{ pod: '2' }, CUSTOM]],
  both: [[{ pod: '1' }, exponential(3)], [{ pod: '1', le: '1' }, 1], [{ pod: '1', le: '+Inf' }, 2], [{ pod: '2', le: '2' }, 1], [{ pod: '2', le: '+Inf' }, 2]],
};

function given(name: string, steps: Steps): readonly Series[] {
  return (DATA[name] ?? []).map(([labels, sample]) => {
    const series = newSeries(labelSet([['__name__', name], ...Object.entries(labels)]), { steps, budget: BUDGET });
    for (let step = 0; step < steps.count; step += 1) place(series, step, sample, { budget: BUDGET });
    return series;
  });
}

interface Answer {
  readonly series: readonly string[] | string;
  readonly said: readonly string[];
}

/** A histogram is its buckets. */
function text(sample: Sample | undefined): string {
  return typeof sample === 'object' ? bucketsOf(sample).map(({ lower, upper, count }) => `(${lower},${upper}]:${count}`).join(' ') || 'empty' : `${sample}`;
}

function ask(query: string): Answer {
  const parsed = parse(query, { features: ALL_FEATURES });
  if (!parsed.ok) throw new Error(parsed.error.message);
  const samples = new Map<Expr, readonly Series[]>();
  const steps = stepsOf(parsed.value);
  visit(parsed.value, (node) => {
    if (node.kind === 'vector') samples.set(node, given(node.name ?? '', steps));
    // As if a member had answered.
    if (node.kind === 'call' && node.name === 'rate' && node.args[0]?.kind === 'matrix') samples.set(node, given(node.args[0].selector.name ?? '', steps));
  });
  const result = evaluate(parsed.value, { steps: AT, given: samples, maxPoints: 10_000 });
  if (!result.ok) return { series: result.error.kind === 'too_many_points' ? 'too many points' : result.error.message, said: [] };
  const { value, warnings, infos } = result.value;
  if (value.kind !== 'vector') return { series: value.kind === 'scalar' ? `${value.values[0]}` : value.value, said: [] };
  return { series: value.series.map((series) => `${printLabels(series.labels)} ${text(sampleAt(series, 0))}`), said: [...warnings, ...infos] };
}

/** Of its subquery, where it has one. */
function stepsOf(expr: Expr): Steps {
  let steps = AT;
  visit(expr, (node) => {
    if (node.kind === 'subquery') steps = subquerySteps(node, AT, undefined) ?? AT;
  });
  return steps;
}

const IGNORED = (what: string): string => `PromQL info: ignored histogram in ${what} aggregation`;
const MIX = 'PromQL warning: encountered a mix of histograms and floats for aggregation';

describe('native histograms in an evaluation', () => {
  it.each<readonly [string, readonly string[] | string, readonly string[]]>([
    ['sum(h)', ['{} (1,2]:7'], []],
    ['avg(h)', ['{} (1,2]:3.5'], []],
    ['sum by (pod) (h)', ['{pod="1"} (1,2]:3', '{pod="2"} (1,2]:4'], []],
    ['count(mixed)', ['{} 2'], []],
    ['group(h)', ['{} 1'], []],
    ['max(mixed)', ['{} 8'], [IGNORED('max')]],
    ['stddev(h)', [], [IGNORED('stddev')]],
    ['topk(1, mixed)', ['{__name__="mixed", pod="2"} 8'], [IGNORED('topk')]],
    ['limitk(1, h)', ['{__name__="h", pod="1"} (1,2]:3'], []],
    ['sum(mixed)', [], [MIX]],
    ['sum(kinds)', [], ['PromQL warning: vector contains a mix of histograms with exponential and custom buckets schemas for metric name ""']],
    ['h * 2', ['{pod="1"} (1,2]:6', '{pod="2"} (1,2]:8'], []],
    ['2 * h', ['{pod="1"} (1,2]:6', '{pod="2"} (1,2]:8'], []],
    ['g / 2', ['{pod="1"} (1,2]:0.5'], []],
    ['2 / g', [], ['PromQL info: incompatible sample types encountered for binary operator "/": float / histogram']],
    ['g + 1', [], ['PromQL info: incompatible sample types encountered for binary operator "+": histogram + float']],
    ['g > bool 1', [], ['PromQL info: incompatible sample types encountered for binary operator ">": histogram > float']],
    ['-g', ['{pod="1"} (1,2]:-1'], []],
    ['h </ 1', ['{__name__="h", pod="1"} empty', '{__name__="h", pod="2"} empty'], []],
    ['g >/ 1', ['{__name__="g", pod="1"} (1,2]:1'], []],
    ['h </ on (pod) x', ['{pod="1"} (1,2]:3'], []],
    ['x </ 2', [], ['PromQL info: incompatible sample types encountered for binary operator "</": float </ float']],
    ['1 </ g', [], ['PromQL info: incompatible sample types encountered for binary operator "</": float </ histogram']],
    ['h * x', ['{pod="1"} (1,2]:21'], []],
    ['h * on (pod) g', [], ['PromQL info: incompatible sample types encountered for binary operator "*": histogram * histogram']],
    ['rate(h[5m]) + on (pod) g', ['{pod="1"} (1,2]:4'], []],
    ['rate(h[5m]) - on (pod) g', ['{pod="1"} (1,2]:2'], []],
    ['rate(kinds[5m]) + on () group_left g', ['{pod="1"} (1,2]:4'], ['PromQL warning: incompatible bucket layout encountered for binary operator +']],
    ['h and on (pod) x', ['{__name__="h", pod="1"} (1,2]:3'], []],
    ['h unless on (pod) x', ['{__name__="h", pod="2"} (1,2]:4'], []],
    ['g or on (pod) x', ['{__name__="g", pod="1"} (1,2]:1', '{__name__="x", pod="3"} 9'], []],
    ['abs(mixed)', ['{pod="2"} 8'], []],
    ['sort(mixed)', ['{__name__="mixed", pod="2"} 8'], []],
    ['scalar(mixed)', '8', []],
    ['absent(h)', [], []],
    ['timestamp(g)', ['{pod="1"} 600'], []],
    ['label_replace(g, "a", "b", "", "")', ['{__name__="g", a="b", pod="1"} (1,2]:1'], []],
    ['histogram_count(mixed)', ['{pod="1"} 3'], []],
    ['histogram_sum(sum(h))', ['{} 10.5'], []],
    ['histogram_avg(h)', ['{pod="1"} 1.5', '{pod="2"} 1.5'], []],
    ['histogram_quantile(0.5, sum(h))', [`{} ${Math.SQRT2}`], []],
    ['histogram_quantile(0.5, both)', ['{pod="2"} 2'], ['PromQL warning: vector contains a mix of classic and native histograms']],
    ['histogram_fraction(0, 2, g)', ['{pod="1"} 1'], []],
    ['histogram_quantiles(g, "q", 0, 1)', ['{pod="1", q="0.0"} 1', '{pod="1", q="1.0"} 2'], []],
    ['sum_over_time(g[3m:1m])', ['{pod="1"} (1,2]:3'], []],
    ['avg_over_time(g[3m:1m])', ['{pod="1"} (1,2]:1'], []],
    ['last_over_time(g[3m:1m])', ['{__name__="g", pod="1"} (1,2]:1'], []],
    ['count_over_time(g[3m:1m])', ['{pod="1"} 3'], []],
    ['max_over_time(g[3m:1m])', [], [IGNORED('max')]],
    ['deriv(g[3m:1m])', [], []],
  ])('%s', (query, series, said) => {
    expect(ask(query)).toEqual({ series, said });
  });

  it.each([
    ['h + on (pod) g', 'counters'],
    ['g == g', 'empty buckets'],
    ['g != bool g', 'empty buckets'],
    ['count_values("v", h)', 'count_values'],
    ['rate(g[3m:1m])', 'counter resets'],
    ['changes(g[3m:1m])', 'counter resets'],
    ['irate(g[3m:1m])', 'counter resets'],
  ])('%s is left alone, since answers do not tell enough', (query, because) => {
    expect(ask(query)).toEqual({ series: expect.stringContaining(because), said: [] });
  });

  it('count by their buckets', () => {
    const parsed = parse('sum(h)');
    if (!parsed.ok) throw new Error(parsed.error.message);
    const samples = new Map<Expr, readonly Series[]>();
    visit(parsed.value, (node) => node.kind === 'vector' && void samples.set(node, given('h', AT)));
    expect(evaluate(parsed.value, { steps: AT, given: samples, maxPoints: 20 })).toEqual({ ok: false, error: { kind: 'too_many_points' } });
    expect(evaluate(parsed.value, { steps: AT, given: samples, maxPoints: 21 }).ok).toBe(true);
  });
});
