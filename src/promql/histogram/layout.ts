import { boundOf, COARSEST, FINEST, indexOf } from './bounds.js';
import { Inexact, NO_CELLS } from './histogram.js';
import type { Bucket, Cells, CustomHistogram, ExponentialHistogram, Histogram } from './histogram.js';

/**
 * What an answer of the API shows of native histograms is their buckets that hold something, with bounds and counts. Of which kind and schema
 * they are, the bounds tell, each histogram for itself or all of an answer together; where they do not, nobody guesses.
 */

export interface ShownHistogram {
  readonly count: number;
  readonly sum: number;
  /** Ascending. */
  readonly buckets: readonly ShownBucket[];
}

export interface ShownBucket extends Bucket {
  readonly lowerInclusive: boolean;
  readonly upperInclusive: boolean;
}

/** Bounds that are this near are the same: the next one is a quarter of a percent away. */
const NEAR = 1e-12;
/** Of what is in the buckets, beside the count of all: digits, not observations. */
const ROUNDING = 1e-6;

type Seen =
  | { readonly kind: 'certain'; readonly histogram: Histogram }
  /** Powers of two may be custom bounds as well. */
  | { readonly kind: 'either'; readonly exponential: ExponentialHistogram; readonly custom: CustomHistogram };
type Layout = Pick<ExponentialHistogram, 'schema' | 'zeroThreshold' | 'zeroCount' | 'positive' | 'negative'>;

/** Those of one answer; what one of them leaves open, the others may tell. Throws Inexact. */
export function histogramsFrom(shown: Iterable<ShownHistogram>): readonly Histogram[] {
  const seen = Array.from(shown, look);
  const isSome = (kind: Histogram['kind']): boolean => seen.some((one) => one.kind === 'certain' && one.histogram.kind === kind);
  const [isCustom, isExponential] = [isSome('custom'), isSome('exponential')];
  return seen.map((one) => {
    if (one.kind === 'certain') return one.histogram;
    if (isCustom && isExponential) throw new Inexact('native histograms of which it cannot be told whether their buckets are custom');
    return isCustom ? one.custom : one.exponential;
  });
}

/** A zero bucket with less than nothing in it is not shown, and would be missed in every sum. Observations of NaN are in no bucket. */
function checkCount({ count, sum, buckets }: ShownHistogram): void {
  if (Number.isNaN(sum)) return;
  let [inside, most] = [0, Math.abs(count)];
  for (const bucket of buckets) {
    inside += bucket.count;
    most += Math.abs(bucket.count);
  }
  if (!Number.isFinite(count) || !(Math.abs(count - inside) <= ROUNDING * most)) throw new Inexact('a native histogram whose buckets do not add up to its count');
}

function look(shown: ShownHistogram): Seen {
  checkCount(shown);
  const { count, sum, buckets } = shown;
  if (buckets.length === 0) return { kind: 'certain', histogram: { kind: 'empty', count, sum } };
  if (buckets.some(isCustomOnly)) return { kind: 'certain', histogram: customOf(shown) };
  const layout = layoutOf(buckets);
  const isExponential = buckets.some(({ lower, upper, lowerInclusive }) => lowerInclusive || upper === Infinity || isOfSchema(lower) || isOfSchema(upper));
  if (layout === undefined) {
    if (isExponential) throw new Inexact('a native histogram whose schema cannot be told from its buckets');
    return { kind: 'certain', histogram: customOf(shown) };
  }
  const exponential: ExponentialHistogram = { kind: 'exponential', count, sum, ...layout };
  return isExponential ? { kind: 'certain', histogram: exponential } : { kind: 'either', exponential, custom: customOf(shown) };
}

function customOf({ count, sum, buckets }: ShownHistogram): CustomHistogram {
  return { kind: 'custom', count, sum, buckets: buckets.map(({ lower, upper, count: inside }) => ({ lower, upper, count: inside })) };
}

/** Exponential ones are open to the side of zero, and end at the largest number. */
function isCustomOnly({ lower, upper, lowerInclusive }: ShownBucket): boolean {
  return lower === -Infinity || (!lowerInclusive && lower <= 0) || (upper === Infinity && lower !== Number.MAX_VALUE);
}

/** A bound that nobody writes by hand. */
function isOfSchema(bound: number): boolean {
  if (!(bound > 0 && bound < Number.MAX_VALUE)) return false;
  const index = indexOf(bound, FINEST);
  return index % 2 ** FINEST !== 0 && isNear(boundOf(index, FINEST), bound);
}

/** Undefined: bounds that are of no schema. */
function layoutOf(buckets: readonly ShownBucket[]): Layout | undefined {
  const zero = buckets.find(({ lowerInclusive, upperInclusive }) => lowerInclusive && upperInclusive);
  if (zero !== undefined && zero.lower !== -zero.upper) return undefined;
  const above = buckets.filter(({ lowerInclusive }) => !lowerInclusive);
  const below = buckets.filter((bucket) => bucket.lowerInclusive && bucket !== zero).map(({ lower, upper, count }) => ({ lower: -upper, upper: -lower, count })).toReversed();
  const schema = schemaOf(above, below);
  const [positive, negative] = [cellsOf(above, schema), cellsOf(below, schema)];
  if (positive === undefined || negative === undefined) return undefined;
  const cut = positive.cutAt ?? negative.cutAt;
  if ((negative.cutAt ?? cut) !== cut || (zero !== undefined && cut !== undefined && zero.upper !== cut)) return undefined;
  return { schema, zeroThreshold: zero?.upper ?? cut, zeroCount: zero?.count ?? 0, positive: positive.cells, negative: negative.cells };
}

/** The lowest bucket of a side may begin where the zero bucket ends, so the others are asked first. */
function schemaOf(...sides: readonly (readonly Bucket[])[]): number | undefined {
  const whole = sides.flatMap((side) => side.slice(1)).filter(({ upper }) => upper !== Infinity);
  for (const { lower, upper } of [...whole, ...sides.flatMap((side) => side.slice(0, 1))]) {
    const schema = 0 - Math.round(Math.log2(Math.log2(upper) - Math.log2(lower)));
    if (schema >= COARSEST && schema <= FINEST && isNear(boundOf(indexOf(upper, schema), schema), upper) && isNear(boundOf(indexOf(upper, schema) - 1, schema), lower)) return schema;
  }
  return undefined;
}

interface Side {
  readonly cells: Cells;
  /** Where the zero bucket ends within its lowest bucket. */
  readonly cutAt: number | undefined;
}

function cellsOf(side: readonly Bucket[], schema: number | undefined): Side | undefined {
  if (side.length === 0) return { cells: NO_CELLS, cutAt: undefined };
  if (schema === undefined) return undefined;
  const indexes = new Int32Array(side.length);
  const counts = new Float64Array(side.length);
  let cutAt: number | undefined;
  for (const [place, { lower, upper, count }] of side.entries()) {
    const index = indexOf(upper, schema);
    indexes[place] = index;
    counts[place] = count;
    const begins = boundOf(index - 1, schema);
    if (upper !== Infinity && !isNear(boundOf(index, schema), upper)) return undefined;
    if (isNear(begins, lower)) continue;
    if (place > 0 || lower < begins) return undefined;
    cutAt = lower;
  }
  return { cells: { indexes, counts }, cutAt };
}

function isNear(a: number, b: number): boolean {
  return a === b || Math.abs(a - b) <= NEAR * Math.abs(b);
}
