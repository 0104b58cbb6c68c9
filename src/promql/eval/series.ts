import { pointsOf } from '../histogram/histogram.js';
import type { Histogram } from '../histogram/histogram.js';
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
  /** 1 where there is a number, 2 where there is a native histogram. */
  readonly present: Uint8Array;
  /** By step; absent as long as there is none. */
  histograms?: Map<number, Histogram>;
}

export type Sample = number | Histogram;

export const NUMBER = 1;
export const HISTOGRAM = 2;

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
  readonly infos: Set<string>;
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

  add(labels: LabelSet, step: number, sample: Sample): void {
    place(this.slot(labels), step, sample, this.#context);
  }

  get series(): readonly Series[] {
    return [...this.#all.values()].filter(isSomewhere);
  }
}

/** Has it a sample at any step? */
export function isSomewhere({ present }: Series): boolean {
  return present.some((kind) => kind !== 0);
}

export function sampleAt({ values, present, histograms }: Series, step: number): Sample | undefined {
  switch (present[step]) {
    case NUMBER:
      return values[step];
    case HISTOGRAM:
      return histograms?.get(step);
    default:
      return undefined;
  }
}

/** Throws EvaluationFault where there is one already, and TooManyPoints. */
export function place(series: Series, step: number, sample: Sample, context: Pick<Context, 'budget'>): void {
  if (series.present[step] !== 0) throw new EvaluationFault('vector cannot contain metrics with the same labelset');
  if (typeof sample === 'number') {
    series.present[step] = NUMBER;
    series.values[step] = sample;
    return;
  }
  spend(context, pointsOf(sample));
  series.present[step] = HISTOGRAM;
  series.histograms ??= new Map();
  series.histograms.set(step, sample);
}

function spend({ budget }: Pick<Context, 'budget'>, points: number): void {
  budget.points -= points;
  if (budget.points < 0) throw new TooManyPoints();
}

/** Without a value anywhere. Throws TooManyPoints. */
export function newSeries(labels: LabelSet, context: Pick<Context, 'steps' | 'budget'>): Series {
  const { count } = context.steps;
  spend(context, count);
  return { labels, values: new Float64Array(count), present: new Uint8Array(count) };
}

/** Each series for itself: other labels, other numbers; undefined takes the number away. Native histograms are left out. Series whose labels become equal are one. */
export function mapSeries(all: readonly Series[], context: Context, relabel: (labels: LabelSet) => LabelSet, map: (value: number, step: number) => number | undefined): readonly Series[] {
  return mapSamples(all, context, relabel, (sample, step) => (typeof sample === 'number' ? map(sample, step) : undefined));
}

/** As `mapSeries`, native histograms too. */
export function mapSamples(all: readonly Series[], context: Context, relabel: (labels: LabelSet) => LabelSet, map: (sample: Sample, step: number) => Sample | undefined = (sample) => sample): readonly Series[] {
  const collector = new Collector(context);
  for (const series of all) {
    const renamed = relabel(series.labels);
    let slot: Series | undefined;
    for (let step = 0; step < series.values.length; step += 1) {
      const sample = sampleAt(series, step);
      const mapped = sample === undefined ? undefined : map(sample, step);
      if (mapped === undefined) continue;
      slot ??= collector.slot(renamed);
      place(slot, step, mapped, context);
    }
  }
  return collector.series;
}

/** One value at every step. */
export function everywhere({ count }: Steps, value: (step: number) => number): Float64Array {
  return Float64Array.from({ length: count }, (_, step) => value(step));
}

/** How many series have a sample there. */
export function countAt(all: readonly Series[], step: number): number {
  let count = 0;
  for (const { present } of all) if (present[step] !== 0) count += 1;
  return count;
}
