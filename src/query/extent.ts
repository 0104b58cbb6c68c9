import { isObject, labelsOf, objectsOf } from './json.js';

/**
 * What is known of a range query: its series over the steps from `fromMs` to `toMs`. Each step is evaluated for itself, so extents of
 * one query with the same step and phase can be cut and joined.
 */
export interface Extent {
  readonly fromMs: number;
  readonly toMs: number;
  readonly series: readonly ExtentSeries[];
}

export interface ExtentSeries {
  readonly metric: Readonly<Record<string, string>>;
  readonly values: readonly Point[];
  readonly histograms: readonly Point[];
}

export interface Point {
  readonly timeMs: number;
  /** `[seconds, value]`, as the backend wrote it. */
  readonly pair: readonly unknown[];
}

/** The data of an answer; undefined where it is no matrix. */
export function extentOf(data: unknown, fromMs: number, toMs: number): Extent | undefined {
  if (!isObject(data) || data.resultType !== 'matrix' || !Array.isArray(data.result)) return undefined;
  const series: ExtentSeries[] = [];
  for (const item of objectsOf(data.result)) {
    const metric = labelsOf(item.metric);
    const [values, histograms] = [pointsOf(item.values), pointsOf(item.histograms)];
    if (metric === undefined || values === undefined || histograms === undefined) return undefined;
    series.push({ metric, values, histograms });
  }
  return { fromMs, toMs, series };
}

function pointsOf(value: unknown): readonly Point[] | undefined {
  if (value === undefined) return [];
  if (!Array.isArray(value)) return undefined;
  const points: Point[] = [];
  for (const pair of value) {
    if (!Array.isArray(pair)) return undefined;
    const [seconds]: readonly unknown[] = pair;
    if (typeof seconds !== 'number') return undefined;
    points.push({ timeMs: Math.round(seconds * 1000), pair });
  }
  return points;
}

/** Series without a point in it are no part of it. */
export function cut({ series }: Extent, fromMs: number, toMs: number): Extent {
  const within = ({ timeMs }: Point): boolean => timeMs >= fromMs && timeMs <= toMs;
  const parts = series.map(({ metric, values, histograms }) => ({ metric, values: values.filter(within), histograms: histograms.filter(within) }));
  return { fromMs, toMs, series: parts.filter(({ values, histograms }) => values.length + histograms.length > 0) };
}

/** `later` begins where `earlier` ends. Series come in Prometheus's order, by labels. */
export function join(earlier: Extent, later: Extent): Extent {
  const byLabels = new Map(earlier.series.map((series) => [keyOf(series), series]));
  for (const series of later.series) {
    const key = keyOf(series);
    const before = byLabels.get(key);
    byLabels.set(key, before === undefined ? series : { metric: series.metric, values: [...before.values, ...series.values], histograms: [...before.histograms, ...series.histograms] });
  }
  return { fromMs: earlier.fromMs, toMs: later.toMs, series: [...byLabels.values()].sort((a, b) => compareLabels(sortedLabels(a), sortedLabels(b))) };
}

export function dataOf({ series }: Extent): unknown {
  const pairs = (points: readonly Point[]): readonly unknown[] => points.map(({ pair }) => pair);
  return {
    resultType: 'matrix',
    result: series.map(({ metric, values, histograms }) => ({
      metric,
      ...(values.length === 0 ? {} : { values: pairs(values) }),
      ...(histograms.length === 0 ? {} : { histograms: pairs(histograms) }),
    })),
  };
}

function keyOf(series: ExtentSeries): string {
  return JSON.stringify(sortedLabels(series));
}

type Labels = readonly (readonly [string, string])[];

function sortedLabels({ metric }: ExtentSeries): Labels {
  return Object.entries(metric).sort(([a], [b]) => compareBytes(a, b));
}

/** As Go's labels.Compare: name before value, label by label, and the shorter first. */
function compareLabels(a: Labels, b: Labels): number {
  for (let index = 0; index < Math.min(a.length, b.length); index += 1) {
    const [nameA = '', valueA = ''] = a[index] ?? [];
    const [nameB = '', valueB = ''] = b[index] ?? [];
    const order = compareBytes(nameA, nameB) || compareBytes(valueA, valueB);
    if (order !== 0) return order;
  }
  return a.length - b.length;
}

function compareBytes(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b));
}
