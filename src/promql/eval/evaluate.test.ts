import { describe, expect, it } from '@jest/globals';
import type { Expr } from '../ast.js';
import { ALL_FEATURES } from '../features.js';
import { parse } from '../parse.js';
import { visit } from '../walk.js';
import { evaluate, unevaluable } from './evaluate.js';
import { labelSet, printLabels } from './labels.js';
import type { Series, Steps } from './series.js';
import { subquerySteps } from './windows.js';

/** Selectors stand for these series; a step without a value is undefined. */
const DATA: Readonly<Record<string, readonly (readonly [labels: Readonly<Record<string, string>>, ...values: readonly (number | undefined)[]])[]>> = {
  x: [[{ pod: '1', ns: 'a' }, 1, 10], [{ pod: '2', ns: 'a' }, 2, 20], [{ pod: '3', ns: 'b' }, 4, undefined]],
  y: [[{ pod: '1' }, 5, 5], [{ pod: '2' }, 2, undefined], [{ pod: '9' }, 7, 7]],
  odd: [[{ k: 'nan' }, Number.NaN], [{ k: 'inf' }, Infinity], [{ k: 'one' }, 1]],
  opposite: [[{ k: 'a' }, Infinity], [{ k: 'b' }, -Infinity]],
  huge: [[{ k: 'a' }, 1e308], [{ k: 'b' }, 1e308], [{ k: 'c' }, 1e308]],
  fine: [[{ k: 'a' }, 1e100], [{ k: 'b' }, 1], [{ k: 'c' }, -1e100]],
  typed: [[{ __type__: 'gauge', __unit__: 's', a: '1' }, 3]],
  buckets: [[{ le: '1' }, 10], [{ le: '2' }, 30], [{ le: '+Inf' }, 40], [{ le: 'x' }, 99]],
  falling: [[{ le: '1' }, 10], [{ le: '2' }, 5], [{ le: '+Inf' }, 20]],
  one: [[{}, 42, 43]],
  none: [],
};
const AT: Steps = { startMs: 60_000, stepMs: 1, count: 1 };
const TWO: Steps = { startMs: 60_000, stepMs: 30_000, count: 2 };

function seriesOf(name: string, { count }: Steps): readonly Series[] {
  return (DATA[name] ?? []).map(([labels, ...values]) => {
    const present = Uint8Array.from({ length: count }, (_, step) => Number(values[step] !== undefined));
    return { labels: labelSet([['__name__', name], ...Object.entries(labels)]), values: Float64Array.from({ length: count }, (_, step) => values[step] ?? 0), present };
  });
}

function read(query: string): Expr {
  const parsed = parse(query, { features: ALL_FEATURES });
  if (!parsed.ok) throw new Error(parsed.error.message);
  return parsed.value;
}

function ask(query: string, steps: Steps, maxPoints = 1_000): ReturnType<typeof evaluate> {
  const expr = read(query);
  const given = new Map<Expr, readonly Series[]>();
  visit(expr, (node) => {
    if (node.kind === 'vector') given.set(node, seriesOf(node.name ?? '', steps));
  });
  return evaluate(expr, { steps, given, maxPoints });
}

/** `{labels} value value`, `_` where there is none; a fault is its text. */
function answer(query: string, steps = AT): readonly string[] {
  const result = ask(query, steps);
  if (!result.ok) return [result.error.kind === 'fault' ? result.error.message : result.error.kind];
  const { value } = result.value;
  if (value.kind === 'string') return [value.value];
  if (value.kind === 'scalar') return [value.values.join(' ')];
  return value.series.map(({ labels, values, present }) => `${printLabels(labels)} ${Array.from(values, (number, step) => (present[step] === 1 ? `${number}` : '_')).join(' ')}`);
}

const AT_ONE_MOMENT: readonly (readonly [string, readonly string[]])[] = [
  ['sum(x)', ['{} 7']],
  ['sum by (ns) (x)', ['{ns="a"} 3', '{ns="b"} 4']],
  ['sum by (__name__) (x)', ['{__name__="x"} 7']],
  ['sum without (pod) (x)', ['{ns="a"} 3', '{ns="b"} 4']],
  ['sum(fine)', ['{} 1']],
  ['sum(none)', []],
  ['avg(huge)', ['{} 1e+308']],
  ['avg(opposite)', ['{} NaN']],
  ['min(odd)', ['{} 1']],
  ['max(odd)', ['{} Infinity']],
  ['stddev(x)', ['{} 1.247219128924647']],
  ['stdvar(odd)', ['{} NaN']],
  ['count(odd)', ['{} 3']],
  ['group(x)', ['{} 1']],
  ['quantile(0.5, x)', ['{} 2']],
  ['quantile(0.25, odd)', ['{} NaN']],
  ['quantile(7, x)', ['{} Infinity']],
  ['quantile(-7, x)', ['{} -Infinity']],
  ['topk(2, x)', ['{__name__="x", ns="b", pod="3"} 4', '{__name__="x", ns="a", pod="2"} 2']],
  ['bottomk by (ns) (1, x)', ['{__name__="x", ns="a", pod="1"} 1', '{__name__="x", ns="b", pod="3"} 4']],
  ['topk(3, odd)', ['{__name__="odd", k="inf"} Infinity', '{__name__="odd", k="one"} 1', '{__name__="odd", k="nan"} NaN']],
  ['bottomk(1, odd)', ['{__name__="odd", k="one"} 1']],
  ['topk(NaN, x)', ['Parameter value is NaN']],
  ['topk(1e30, x)', ['Scalar value 1e+30 overflows int64']],
  ['topk(0.9, x)', []],
  ['count_values("v", y)', ['{v="5"} 1', '{v="2"} 1', '{v="7"} 1']],
  ['count_values by (pod) ("pod", one)', ['{pod="42"} 1']],
  ['count_values without (k) ("k", odd)', ['{} 3']],
  ['count_values("v", vector(1 / 0))', ['{v="+Inf"} 1']],

  ['x + on (pod) y', ['{pod="1"} 6', '{pod="2"} 4']],
  ['x > on (pod) y', []],
  ['x < on (pod) y', ['{pod="1"} 1']],
  ['x < bool on (pod) y', ['{pod="1"} 1', '{pod="2"} 0']],
  ['x == ignoring (ns) y', ['{__name__="x", pod="2"} 2']],
  ['x * on (pod) group_left y', ['{ns="a", pod="1"} 5', '{ns="a", pod="2"} 4']],
  ['y - on (pod) group_right x', ['{ns="a", pod="1"} 4', '{ns="a", pod="2"} 0']],
  ['y - on (pod) group_left (ns) x', ['{ns="a", pod="1"} 4', '{ns="a", pod="2"} 0']],
  ['x + y', []],
  ['x + on (ns) x', ['found duplicate series for the match group {ns="a"} on the right hand-side of the operation: [{__name__="x", ns="a", pod="1"}, {__name__="x", ns="a", pod="2"}];many-to-many matching not allowed: matching labels must be unique on one side']],
  ['x + on (ns) sum by (ns) (x)', ['multiple matches for labels: many-to-one matching must be explicit (group_left/group_right)']],
  ['label_replace(x, "pod", "", "", "") + on (ns) group_left sum by (ns) (x)', ['vector cannot contain metrics with the same labelset']],
  ['x + on (pod) fill (100) y', ['{pod="1"} 6', '{pod="2"} 4', '{pod="3"} 104', '{pod="9"} 107']],
  ['x + on (pod) fill_right (100) y', ['{pod="1"} 6', '{pod="2"} 4', '{pod="3"} 104']],
  ['none + fill_left (1) y', ['{pod="1"} 6', '{pod="2"} 3', '{pod="9"} 8']],
  ['x and on (pod) y', ['{__name__="x", ns="a", pod="1"} 1', '{__name__="x", ns="a", pod="2"} 2']],
  ['x unless on (pod) y', ['{__name__="x", ns="b", pod="3"} 4']],
  ['y or on (pod) x', ['{__name__="y", pod="1"} 5', '{__name__="y", pod="2"} 2', '{__name__="y", pod="9"} 7', '{__name__="x", ns="b", pod="3"} 4']],
  ['none or vector(0)', ['{} 0']],
  ['x > 1', ['{__name__="x", ns="a", pod="2"} 2', '{__name__="x", ns="b", pod="3"} 4']],
  ['3 > x', ['{__name__="x", ns="a", pod="1"} 1', '{__name__="x", ns="a", pod="2"} 2']],
  ['3 > bool one', ['{} 0']],
  ['one ^ 2 % 10', ['{} 4']],
  ['-one', ['{} -42']],
  ['+one', ['{__name__="one"} 42']],
  ['-typed', ['{a="1"} -3']],
  ['1 ^ NaN', ['1']],
  ['(0 - 1) ^ Inf', ['1']],
  ['2 < bool 3', ['1']],

  ['abs(-one)', ['{} 42']],
  ['clamp(x, 2, 3)', ['{ns="a", pod="1"} 2', '{ns="a", pod="2"} 2', '{ns="b", pod="3"} 3']],
  ['clamp(x, 3, 2)', []],
  ['clamp_min(one, NaN)', ['{} NaN']],
  ['round(one / 8, 0.5)', ['{} 5.5']],
  ['round(-one / 84)', ['{} 0']],
  ['scalar(one)', ['42']],
  ['scalar(x)', ['NaN']],
  ['time()', ['60']],
  ['timestamp(one)', ['{} 60']],
  ['hour(vector(90061))', ['{} 1']],
  ['day_of_year(vector(86400 * 59))', ['{} 60']],
  ['days_in_month(vector(86400 * 31))', ['{} 28']],
  ['minute()', ['{} 1']],
  ['absent(one)', []],
  ['absent(none{a="1",b!="2",c="3",c="4"})', ['{a="1"} 1']],
  ['absent(sum(none))', ['{} 1']],
  ['sort(odd)', ['{__name__="odd", k="one"} 1', '{__name__="odd", k="inf"} Infinity', '{__name__="odd", k="nan"} NaN']],
  ['sort_desc(odd)', ['{__name__="odd", k="inf"} Infinity', '{__name__="odd", k="one"} 1', '{__name__="odd", k="nan"} NaN']],
  ['label_replace(one, "a", "$1-${1}x$$", "__name__", "(o).*")', ['{__name__="one", a="o-ox$"} 42']],
  ['label_replace(one, "__name__", "", "", "")', ['{} 42']],
  ['label_replace(x, "pod", "0", "", "")', ['vector cannot contain metrics with the same labelset']],
  ['label_replace(one, "a", "b", "c", "(")', ['invalid regular expression in label_replace(): (']],
  ['label_join(x, "j", "-", "ns", "pod", "gone")', ['{__name__="x", j="a-1-", ns="a", pod="1"} 1', '{__name__="x", j="a-2-", ns="a", pod="2"} 2', '{__name__="x", j="b-3-", ns="b", pod="3"} 4']],
  ['histogram_quantile(0.5, buckets)', ['{} 1.5']],
  ['histogram_quantile(0.99, buckets)', ['{} 2']],
  ['histogram_quantile(0.75, falling)', ['{} 2']],
  ['histogram_quantile(NaN, buckets)', ['{} NaN']],
  ['histogram_quantile(0.5, none)', []],
  ['histogram_fraction(0, 1.5, buckets)', ['{} 0.5']],
  ['histogram_count(x)', []],
];

const OVER_TWO_STEPS: readonly (readonly [string, readonly string[]])[] = [
  ['sum(x)', ['{} 7 30']],
  ['sum by (ns) (x)', ['{ns="a"} 3 30', '{ns="b"} 4 _']],
  ['topk(1, x)', ['{__name__="x", ns="b", pod="3"} 4 _', '{__name__="x", ns="a", pod="2"} _ 20']],
  ['topk(scalar(one) - 41, x)', ['{__name__="x", ns="b", pod="3"} 4 _', '{__name__="x", ns="a", pod="2"} _ 20', '{__name__="x", ns="a", pod="1"} _ 10']],
  ['topk(scalar(one) - 41, x @ 7)', ['{__name__="x", ns="b", pod="3"} 4 _', '{__name__="x", ns="a", pod="2"} _ 20']],
  ['quantile(scalar(one) - 42, x)', ['{} 1 20']],
  ['absent(x{pod="3"} > 3)', []],
  ['x unless on (pod) y', ['{__name__="x", ns="b", pod="3"} 4 _', '{__name__="x", ns="a", pod="2"} _ 20']],
  ['x - time()', ['{ns="a", pod="1"} -59 -80', '{ns="a", pod="2"} -58 -70', '{ns="b", pod="3"} -56 _']],
  ['absent(y > 6 unless on (pod) y < 6)', []],
  ['absent(x > 3 < 5)', ['{} _ 1']],
  ['scalar(x > 3 < 5)', ['4 NaN']],
  ['sort(one)', ['{__name__="one"} 42 43']],
  ['label_replace(x > 3 < 5, "pod", "2", "", "") or x == 20', ['{__name__="x", ns="b", pod="2"} 4 _', '{__name__="x", ns="a", pod="2"} _ 20']],
];

/** One series, at the steps of its subquery: its value is the number of the minute. */
function overMinutes(query: string, steps: Steps): readonly string[] {
  const expr = read(query);
  const given = new Map<Expr, readonly Series[]>();
  visit(expr, (node) => {
    const inner = node.kind === 'subquery' ? subquerySteps(node, steps, undefined) : undefined;
    if (node.kind !== 'subquery' || inner === undefined) return;
    const values = Float64Array.from({ length: inner.count }, (_, step) => (inner.startMs + step * inner.stepMs) / 60_000);
    given.set(node.expr, [{ labels: labelSet([['__name__', 'm'], ['a', '1']]), values, present: new Uint8Array(inner.count).fill(1) }]);
  });
  const result = evaluate(expr, { steps, given, maxPoints: 1_000 });
  if (!result.ok || result.value.value.kind !== 'vector') return ['no vector'];
  return result.value.value.series.map(({ labels, values, present }) => `${printLabels(labels)} ${Array.from(values, (number, step) => (present[step] === 1 ? `${number}` : '_')).join(' ')}`);
}

const OVER_SUBQUERIES: readonly (readonly [query: string, atTenMinutes: readonly string[], overTwoSteps: readonly string[]])[] = [
  ['count_over_time(x[3m:1m])', ['{a="1"} 3'], ['{a="1"} 3 3']],
  ['min_over_time(x[3m:1m])', ['{a="1"} 8'], ['{a="1"} 8 9']],
  ['max_over_time(x[3m:1m] offset 1m)', ['{a="1"} 9'], ['{a="1"} 9 10']],
  ['last_over_time(x[3m:2m])', ['{__name__="m", a="1"} 10'], ['{__name__="m", a="1"} 10 10']],
  ['first_over_time(x[3m:2m])', ['{__name__="m", a="1"} 8'], ['{__name__="m", a="1"} 8 10']],
  ['sum_over_time(x[30s:7m])', [], []],
  ['absent_over_time(x[30s:7m])', ['{} 1'], ['{} 1 1']],
  ['absent_over_time(x[3m:1m])', [], []],
  ['quantile_over_time(0.5, x[3m:1m])', ['{a="1"} 9'], ['{a="1"} 9 10']],
  ['max_over_time(x[3m:1m] @ 480)', ['{a="1"} 8'], ['{a="1"} 8 8']],
  ['rate(x[3m:1m])', ['{a="1"} 0.016666666666666666'], ['{a="1"} 0.016666666666666666 0.016666666666666666']],
  ['increase(x[4m:2m])', ['{a="1"} 4'], ['{a="1"} 4 4']],
  ['delta(x[3m:1m] offset 1m)', ['{a="1"} 3'], ['{a="1"} 3 3']],
  ['irate(x[3m:1m])', ['{a="1"} 0.016666666666666666'], ['{a="1"} 0.016666666666666666 0.016666666666666666']],
  ['idelta(x[3m:1m])', ['{a="1"} 1'], ['{a="1"} 1 1']],
  ['rate(x[50s:1m])', [], []],
  ['deriv(x[3m:1m])', ['{a="1"} 0.016666666666666666'], ['{a="1"} 0.016666666666666666 0.016666666666666666']],
  ['predict_linear(x[3m:1m], 60)', ['{a="1"} 11'], ['{a="1"} 11 12']],
  ['changes(x[3m:1m])', ['{a="1"} 2'], ['{a="1"} 2 2']],
  ['resets(x[3m:1m])', ['{a="1"} 0'], ['{a="1"} 0 0']],
  ['mad_over_time(x[3m:1m])', ['{a="1"} 1'], ['{a="1"} 1 1']],
  ['ts_of_max_over_time(x[3m:1m])', ['{a="1"} 600'], ['{a="1"} 600 660']],
  ['ts_of_first_over_time(x[3m:1m])', ['{a="1"} 480'], ['{a="1"} 480 540']],
  ['double_exponential_smoothing(x[3m:1m], 0.5, 0.5)', ['{a="1"} 10'], ['{a="1"} 10 11']],
];

describe('an evaluation over given vectors', () => {
  it.each(AT_ONE_MOMENT)('at a moment: %s', (query, expected) => {
    expect(answer(query)).toEqual(expected);
  });

  it.each(OVER_TWO_STEPS)('over two steps: %s', (query, expected) => {
    expect(answer(query, TWO)).toEqual(expected);
  });

  it.each(OVER_SUBQUERIES)('over the steps of a subquery, its beginning not included: %s', (query, atTenMinutes, overTwoSteps) => {
    expect(overMinutes(query, { startMs: 600_000, stepMs: 1, count: 1 })).toEqual(atTenMinutes);
    expect(overMinutes(query, { startMs: 600_000, stepMs: 60_000, count: 2 })).toEqual(overTwoSteps);
  });

  it('says that a quantile is none, and that a bucket has no bound', () => {
    const warned = (query: string): unknown => {
      const result = ask(query, AT);
      return result.ok ? result.value.warnings : result.error;
    };
    expect(warned('quantile(2, x)')).toEqual(['PromQL warning: quantile value should be between 0 and 1, got 2']);
    expect(warned('histogram_quantile(0.5, buckets)')).toEqual(['PromQL warning: bucket label "le" is missing or has a malformed value of "x"']);
  });

  it('stops where it would have to hold more than it may', () => {
    expect(ask('-x', TWO, 6).ok).toBe(true);
    expect(ask('-x', TWO, 5)).toEqual({ ok: false, error: { kind: 'too_many_points' } });
  });

  it.each(['rate(x[5m])', 'limit_ratio(0.5, x)', 'info(x)', 'start_timestamp(x)', 'x', 'double_exponential_smoothing(x[5m], 0.1, 0.1)'])('leaves %s to a server', (query) => {
    expect(unevaluable(read(query))).toEqual(expect.any(String));
  });
});
