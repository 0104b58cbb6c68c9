import { err, ok } from '../../lib/result.js';
import type { Result } from '../../lib/result.js';
import { METRIC_NAME_LABEL } from '../ast.js';
import type { Aggregation, Binary, Call, Expr } from '../ast.js';
import { unwrapped } from '../walk.js';
import { Inexact, scaled } from '../histogram/histogram.js';
import { fractionOf, quantileOf } from '../histogram/statistics.js';
import { aggregate, countValues, firstOf, isAggregated, rank } from './aggregate.js';
import { calculate, compare, isArithmetic, isTrim } from './arithmetic.js';
import type { NumericOp } from './arithmetic.js';
import { bucketFraction, bucketQuantile, overHistograms } from './buckets.js';
import type { Evaluate } from './buckets.js';
import { elementOf, isGauge } from './elements.js';
import { DATE_FUNCTIONS, HISTOGRAM_FUNCTIONS, ofDate, openMetricsNumber, VALUE_FUNCTIONS } from './functions.js';
import { isInvariant } from './invariant.js';
import { dropping, NO_LABELS, perLabelSet, withLabel, withoutMetadata } from './labels.js';
import { setOperation, vectorOperation } from './matching.js';
import { absentLabels, labelJoin, labelReplace } from './relabel.js';
import { Collector, countAt, EvaluationFault, everywhere, mapSamples, mapSeries, NUMBER, timeMs, TooManyPoints } from './series.js';
import type { Context, Sample, Series, Steps } from './series.js';
import { sortedByLabels, sortedByValue } from './sorting.js';
import { overWindows, subquerySteps, windowedCall } from './windows.js';
import type { Windowed } from './windows.js';

/**
 * The upper part of a query, evaluated over what its lower parts have given: as Prometheus evaluates it. Whatever looks
 * at samples before they are a vector (selectors and their ranges) must be given.
 */

export type Value =
  | { readonly kind: 'vector'; readonly series: readonly Series[] }
  | { readonly kind: 'scalar'; readonly values: Float64Array }
  | { readonly kind: 'string'; readonly value: string };

export interface Evaluation {
  readonly steps: Steps;
  /** Vectors, by the nodes of the tree that they are the values of, at the steps of the subquery where they are in one. In place of an argument of `absent_over_time`: where there is something. */
  readonly given: ReadonlyMap<Expr, readonly Series[]>;
  /** Of all vectors that are made on the way, series times steps. */
  readonly maxPoints: number;
  /** Of subqueries without a step of their own, where there are any. */
  readonly subqueryStepMs?: number | undefined;
}

export interface Evaluated {
  readonly value: Value;
  readonly warnings: readonly string[];
  readonly infos: readonly string[];
}

/** `fault`: what Prometheus says of such data; `inexact`: why it is not known what it would say. */
export type EvaluationError = { readonly kind: 'fault' | 'inexact'; readonly message: string } | { readonly kind: 'too_many_points' };

export function evaluate(expr: Expr, { steps, given, maxPoints, subqueryStepMs }: Evaluation): Result<Evaluated, EvaluationError> {
  const context: Context = { steps, budget: { points: maxPoints }, warnings: new Set(), infos: new Set() };
  try {
    return ok({ value: new Evaluator(context, given, subqueryStepMs).value(expr), warnings: [...context.warnings], infos: [...context.infos] });
  } catch (error) {
    if (error instanceof EvaluationFault) return err({ kind: 'fault', message: error.message });
    if (error instanceof Inexact) return err({ kind: 'inexact', message: error.message });
    if (error instanceof TooManyPoints) return err({ kind: 'too_many_points' });
    throw error;
  }
}

const OTHER_FUNCTIONS: ReadonlySet<string> = new Set([
  'pi', 'time', 'scalar', 'vector', 'timestamp', 'absent', 'absent_over_time', 'sort', 'sort_desc', 'sort_by_label', 'sort_by_label_desc', 'label_replace', 'label_join', 'histogram_quantile', 'histogram_quantiles',
  'histogram_fraction', 'max_of', 'min_of',
]);

/** What of the node itself, its children apart, cannot be evaluated here; undefined = nothing. */
export function unevaluable(node: Expr): string | undefined {
  switch (node.kind) {
    case 'number':
    case 'string':
    case 'paren':
    case 'unary':
      return undefined;
    case 'vector':
    case 'matrix':
      return 'samples of a selector';
    case 'subquery':
      return 'a subquery';
    case 'aggregation':
      return isAggregated(node.op) ? undefined : node.op;
    case 'binary':
      return undefined;
    case 'call':
      return VALUE_FUNCTIONS.has(node.name) || DATE_FUNCTIONS.has(node.name) || HISTOGRAM_FUNCTIONS.has(node.name) || OTHER_FUNCTIONS.has(node.name) ? undefined : node.name;
  }
}

class Evaluator {
  readonly #context: Context;
  readonly #given: ReadonlyMap<Expr, readonly Series[]>;
  readonly #subqueryStepMs: number | undefined;

  constructor(context: Context, given: ReadonlyMap<Expr, readonly Series[]>, subqueryStepMs: number | undefined) {
    this.#context = context;
    this.#given = given;
    this.#subqueryStepMs = subqueryStepMs;
  }

  value(expr: Expr): Value {
    const given = this.#given.get(expr);
    if (given !== undefined) return vector(given);
    switch (expr.kind) {
      case 'number':
        return this.#everywhere(() => expr.value);
      case 'string':
        return { kind: 'string', value: expr.value };
      case 'paren':
        return this.value(expr.expr);
      case 'unary': {
        const value = this.value(expr.expr);
        if (expr.op === '+' || value.kind === 'string') return value;
        return value.kind === 'scalar' ? { kind: 'scalar', values: value.values.map((number) => -number) } : this.#sampled(value.series, (sample) => (typeof sample === 'number' ? -sample : scaled(sample, -1)));
      }
      case 'aggregation':
        return vector(this.#aggregation(expr));
      case 'call': {
        const windowed = expr.args.some((arg) => this.#given.has(arg)) ? undefined : windowedCall(expr);
        return windowed === undefined ? this.#call(expr) : this.#windows(expr, windowed);
      }
      case 'binary':
        return this.#binary(expr);
      case 'vector':
      case 'matrix':
      case 'subquery':
        throw new TypeError(`the value of ${expr.kind} is not given`);
    }
  }

  #series(expr: Expr): readonly Series[] {
    const value = this.value(expr);
    if (value.kind !== 'vector') throw new TypeError(`${expr.kind} is no vector`);
    return value.series;
  }

  #scalar(expr: Expr): Float64Array {
    const value = this.value(expr);
    if (value.kind !== 'scalar') throw new TypeError(`${expr.kind} is no scalar`);
    return value.values;
  }

  #everywhere(value: (step: number) => number): Value {
    return { kind: 'scalar', values: everywhere(this.#context.steps, value) };
  }

  /** The metric is not that metric any more. */
  #mapped(series: readonly Series[], map: (value: number, step: number) => number | undefined): Value {
    return vector(mapSeries(series, this.#context, perLabelSet(withoutMetadata), map));
  }

  /** As `#mapped`, native histograms too. */
  #sampled(series: readonly Series[], map: (sample: Sample, step: number) => Sample | undefined): Value {
    return vector(mapSamples(series, this.#context, perLabelSet(withoutMetadata), map));
  }

  #aggregation(node: Aggregation): readonly Series[] {
    const { op, expr, param } = node;
    const series = this.#series(expr);
    if (op === 'limit_ratio') throw new TypeError(`${op} is not evaluated here`);
    if (op === 'count_values') return countValues(textOf(param), node, series, this.#context);
    const parameter = param === undefined ? undefined : this.#parameter(param, expr);
    if (op !== 'topk' && op !== 'bottomk' && op !== 'limitk') return aggregate(op, node, series, parameter, this.#context);
    if (parameter === undefined) return [];
    return op === 'limitk' ? firstOf(node, series, parameter, this.#context) : rank(op, node, series, parameter, this.#context);
  }

  #parameter(param: Expr, of: Expr): Float64Array {
    const values = this.#scalar(param);
    return isInvariant(of) ? values.map(() => values[0] ?? Number.NaN) : values;
  }

  #binary({ op, lhs, rhs, bool, matching }: Binary): Value {
    const [left, right] = [this.value(lhs), this.value(rhs)];
    if (op === 'and' || op === 'or' || op === 'unless') {
      if (left.kind !== 'vector' || right.kind !== 'vector' || matching === undefined) throw new TypeError(`${op} without two vectors`);
      return vector(setOperation(op, matching, left.series, right.series, this.#context));
    }
    if (left.kind === 'scalar' && right.kind === 'scalar') return this.#everywhere((step) => ofScalars(op, left.values[step] ?? Number.NaN, right.values[step] ?? Number.NaN));
    if (left.kind === 'vector' && right.kind === 'scalar') return this.#withScalar(op, bool, left.series, right.values, 'right');
    if (left.kind === 'scalar' && right.kind === 'vector') return this.#withScalar(op, bool, right.series, left.values, 'left');
    if (left.kind !== 'vector' || right.kind !== 'vector' || matching === undefined) throw new TypeError(`${op} of texts`);
    return vector(vectorOperation({ op, bool, hasGauge: isGauge(lhs) || isGauge(rhs) }, matching, left.series, right.series, this.#context));
  }

  /** A comparison keeps the vector's value, on whichever side it stands, and its name. `side`: the scalar's. */
  #withScalar(op: NumericOp, bool: boolean, series: readonly Series[], values: Float64Array, side: 'left' | 'right'): Value {
    const operation = { op, bool, hasGauge: false };
    const result = (sample: Sample, step: number): Sample | undefined => {
      const value = values[step] ?? Number.NaN;
      const element = side === 'left' ? elementOf(operation, value, sample, this.#context) : elementOf(operation, sample, value, this.#context);
      return element === 'incompatible' ? undefined : element;
    };
    if (isArithmetic(op) || bool) return this.#sampled(series, result);
    return vector(mapSamples(series, this.#context, (labels) => labels, isTrim(op) ? result : (sample, step) => (result(sample, step) === undefined ? undefined : sample)));
  }

  #call({ name, args }: Call): Value {
    const [first, second] = args;
    const valueFunction = VALUE_FUNCTIONS.get(name);
    if (valueFunction !== undefined && first !== undefined) {
      const parameters = args.slice(1).map((arg) => this.#scalar(arg));
      return this.#mapped(this.#series(first), (value, step) => valueFunction(value, ...parameters.map((values) => values[step] ?? Number.NaN)));
    }
    const dateFunction = DATE_FUNCTIONS.get(name);
    if (dateFunction !== undefined) return this.#date(dateFunction, first);
    if (first === undefined) return this.#everywhere((step) => (name === 'pi' ? Math.PI : timeMs(this.#context.steps, step) / 1000));
    const histogramFunction = HISTOGRAM_FUNCTIONS.get(name);
    if (histogramFunction !== undefined) return vector(mapSamples(this.#series(first), this.#context, perLabelSet((labels) => dropping(labels, [METRIC_NAME_LABEL])), (sample) => (typeof sample === 'number' ? undefined : histogramFunction(sample))));
    switch (name) {
      case 'scalar':
        return this.#onlyValue(this.#series(first));
      case 'vector':
        return this.#asVector(this.#scalar(first));
      case 'timestamp':
        return this.#sampled(this.#series(first), (_, step) => timeMs(this.#context.steps, step) / 1000);
      case 'absent':
      case 'absent_over_time':
        return this.#absent(first, this.#series(first));
      case 'max_of':
      case 'min_of': {
        const [left, right] = [this.#scalar(first), this.#scalar(argument(second))];
        return this.#everywhere((step) => (name === 'max_of' ? Math.max : Math.min)(left[step] ?? Number.NaN, right[step] ?? Number.NaN));
      }
      case 'label_replace':
        return vector(labelReplace(this.#series(first), args.slice(1).map(textOf), this.#context));
      case 'label_join':
        return vector(labelJoin(this.#series(first), args.slice(1).map(textOf), this.#context));
      default:
        return vector(this.#orderedOrSummed(name, args));
    }
  }

  /** What looks at more than one series. */
  #orderedOrSummed(name: string, args: readonly Expr[]): readonly Series[] {
    const [first, second, third] = [argument(args[0]), args[1], args[2]];
    switch (name) {
      case 'sort':
      case 'sort_desc':
        return sortedByValue(this.#series(first), name === 'sort' ? 'ascending' : 'descending', this.#context);
      case 'sort_by_label':
      case 'sort_by_label_desc':
        return sortedByLabels(this.#series(first), args.slice(1).map(textOf), name === 'sort_by_label' ? 'ascending' : 'descending');
      case 'histogram_quantile':
        return overHistograms(this.#series(argument(second)), this.#context, this.#quantile(first).evaluate);
      case 'histogram_quantiles':
        return this.#quantiles(this.#series(first), textOf(second), args.slice(2));
      case 'histogram_fraction': {
        const [lower, upper] = [this.#scalar(first), this.#scalar(argument(second))];
        const between = (step: number): readonly [number, number] => [lower[step] ?? Number.NaN, upper[step] ?? Number.NaN];
        return overHistograms(this.#series(argument(third)), this.#context, { classic: (buckets, step) => bucketFraction(...between(step), buckets), native: (histogram, step) => fractionOf(...between(step), histogram, this.#note) });
      }
      default:
        throw new TypeError(`${name} is not evaluated here`);
    }
  }

  /** What is in the subquery is evaluated at steps of its own. */
  #windows({ name, args: [first] }: Call, windowed: Windowed): Value {
    const steps = subquerySteps(windowed.subquery, this.#context.steps, this.#subqueryStepMs);
    const inner = steps === undefined ? [] : new Evaluator({ ...this.#context, steps }, this.#given, this.#subqueryStepMs).#series(windowed.subquery.expr);
    const parameters = windowed.parameters.map((parameter) => this.#scalar(parameter));
    const series = steps === undefined ? [] : overWindows(name, windowed, inner, { steps, parameters, context: this.#context });
    return name === 'absent_over_time' ? this.#absent(argument(first), series) : vector(series);
  }

  readonly #note = (text: string): void => void this.#context.infos.add(text);

  #quantile(of: Expr): { readonly evaluate: Evaluate; readonly values: Float64Array } {
    const values = this.#scalar(of);
    for (const value of values) if (!(value >= 0 && value <= 1)) this.#context.warnings.add(`PromQL warning: quantile value should be between 0 and 1, got ${value}`);
    const at = (step: number): number => values[step] ?? Number.NaN;
    return { values, evaluate: { classic: (buckets, step) => bucketQuantile(at(step), buckets), native: (histogram, step) => quantileOf(at(step), histogram, this.#note) } };
  }

  /** Each with a label that says which it is. */
  #quantiles(series: readonly Series[], label: string, of: readonly Expr[]): readonly Series[] {
    const collector = new Collector(this.#context);
    for (const expr of of) {
      const { evaluate: quantile, values } = this.#quantile(expr);
      const labelled = (step: number): string => openMetricsNumber(values[step] ?? Number.NaN);
      for (const one of overHistograms(series, this.#context, quantile, (labels, step) => withLabel(labels, label, labelled(step)))) {
        for (const [step, kind] of one.present.entries()) if (kind === NUMBER) collector.add(one.labels, step, one.values[step] ?? Number.NaN);
      }
    }
    return collector.series;
  }

  #date(part: (date: Date) => number, of: Expr | undefined): Value {
    if (of !== undefined) return this.#mapped(this.#series(of), (value) => ofDate(part, value));
    return this.#asVector(everywhere(this.#context.steps, (step) => ofDate(part, Math.trunc(timeMs(this.#context.steps, step) / 1000))));
  }

  #onlyValue(series: readonly Series[]): Value {
    return this.#everywhere((step) => {
      const numbers = series.filter(({ present }) => present[step] === NUMBER);
      return numbers.length === 1 ? (numbers[0]?.values[step] ?? Number.NaN) : Number.NaN;
    });
  }

  #asVector(values: Float64Array): Value {
    const collector = new Collector(this.#context);
    for (const [step, value] of values.entries()) collector.add(NO_LABELS, step, value);
    return vector(collector.series);
  }

  #absent(of: Expr, series: readonly Series[]): Value {
    const collector = new Collector(this.#context);
    const labels = absentLabels(of);
    for (let step = 0; step < this.#context.steps.count; step += 1) if (countAt(series, step) === 0) collector.add(labels, step, 1);
    return vector(collector.series);
  }
}

function vector(series: readonly Series[]): Value {
  return { kind: 'vector', series };
}

function ofScalars(op: NumericOp, a: number, b: number): number {
  if (isTrim(op)) throw new EvaluationFault(`operator "${op}" not allowed for Scalar operations`);
  return isArithmetic(op) ? calculate(op, a, b) : Number(compare(op, a, b));
}

function argument(expr: Expr | undefined): Expr {
  if (expr === undefined) throw new TypeError('an argument is missing');
  return expr;
}

function textOf(expr: Expr | undefined): string {
  const inner = unwrapped(argument(expr));
  if (inner.kind !== 'string') throw new TypeError(`${inner.kind} is no text`);
  return inner.value;
}
