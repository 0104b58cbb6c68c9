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

  /** Where values with these labels go. */
  slot(labels: LabelSet): Series {
    const known = this.#all.get(labels.key);
    if (known !== undefined) return known;
    const series = newSeries(labels, this.#context);
    this.#all.set(labels.key, series);
    return series;
  }

  add(labels: LabelSet, step: number, value: number): void {
    place(this.slot(labels), step, value);
  }

  get series(): readonly Series[] {
    return [...this.#all.values()].filter(({ present }) => present.includes(1));
  }
}

/** Throws EvaluationFault where there is one already. */
export function place({ values, present }: Series, step: number, value: number): void {
  if (present[step] === 1) throw new EvaluationFault('vector cannot contain metrics with the same labelset');
  present[step] = 1;
  values[step] = value;
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
    let slot: Series | undefined;
    for (let step = 0; step < values.length; step += 1) {
      const mapped = present[step] === 1 ? map(values[step] ?? Number.NaN, step) : undefined;
      if (mapped === undefined) continue;
      slot ??= collector.slot(renamed);
      place(slot, step, mapped);
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
  let count = 0;
  for (const { present } of all) count += present[step] ?? 0;
  return count;
}
