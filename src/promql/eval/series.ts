import type { LabelSet } from './labels.js';

/**
 * An instant vector at all steps of a query: for each series one value per step, or none. What a function does to each series for
 * itself, and where results with equal labels meet, is here once for all of them.
 */

/** When a query is evaluated; an instant query has one step. */
export interface Steps {
  readonly startMs: number;
  readonly stepMs: number;
  /** At least 1. */
  readonly count: number;
}

export interface Series {
  readonly labels: LabelSet;
  /** One place per step. */
  readonly values: Float64Array;
  /** 1 where there is a value. */
  readonly present: Uint8Array;
}

/** What Prometheus says is wrong with the data that the query meets. */
export class EvaluationFault extends Error {}

/** More values than may be held at once. */
export class TooManyPoints extends Error {}

export interface Context {
  readonly steps: Steps;
  /** Counts what is made, series times steps. */
  readonly budget: { points: number };
  /** Prometheus's annotations, as texts. */
  readonly warnings: Set<string>;
}

export function timeMs({ startMs, stepMs }: Steps, step: number): number {
  return startMs + step * stepMs;
}

/** Series in the order in which their first values come. */
export class Collector {
  readonly #context: Context;
  readonly #all = new Map<string, Series>();

  constructor(context: Context) {
    this.#context = context;
  }

  add(labels: LabelSet, step: number, value: number): void {
    const series = this.#all.get(labels.key) ?? this.#create(labels);
    if (series.present[step] === 1) throw new EvaluationFault('vector cannot contain metrics with the same labelset');
    series.present[step] = 1;
    series.values[step] = value;
  }

  #create(labels: LabelSet): Series {
    const series = newSeries(labels, this.#context);
    this.#all.set(labels.key, series);
    return series;
  }

  get series(): readonly Series[] {
    return [...this.#all.values()];
  }
}

/** Without a value anywhere. Throws TooManyPoints. */
export function newSeries(labels: LabelSet, { steps: { count }, budget }: Pick<Context, 'steps' | 'budget'>): Series {
  budget.points -= count;
  if (budget.points < 0) throw new TooManyPoints();
  return { labels, values: new Float64Array(count), present: new Uint8Array(count) };
}

/** Each series for itself: other labels, other values; undefined takes the value away. Series whose labels become equal are one. */
export function mapSeries(all: readonly Series[], context: Context, relabel: (labels: LabelSet) => LabelSet, map: (value: number, step: number) => number | undefined = (value) => value): readonly Series[] {
  const collector = new Collector(context);
  for (const { labels, values, present } of all) {
    const renamed = relabel(labels);
    for (const [step, value] of values.entries()) {
      const mapped = present[step] === 1 ? map(value, step) : undefined;
      if (mapped !== undefined) collector.add(renamed, step, mapped);
    }
  }
  return collector.series;
}

/** One value at every step. */
export function everywhere({ count }: Steps, value: (step: number) => number): Float64Array {
  return Float64Array.from({ length: count }, (_, step) => value(step));
}

/** How many series have a value there. */
export function countAt(all: readonly Series[], step: number): number {
  return all.reduce((sum, { present }) => sum + (present[step] ?? 0), 0);
}
