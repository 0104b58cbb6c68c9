/**
 * Bounds of exponential buckets: powers of 2^(2^-schema), bit for bit as every Prometheus has them, so that what is printed is what one
 * server would print.
 */

export const COARSEST = -4;
export const FINEST = 8;
const MAX_EXPONENT = 1024;
/** 2^(1/2), 2^(1/4) and so on, of which Prometheus's bounds are products; its first one is the number below the nearest. */
const ROOTS = [Math.SQRT2 - Number.EPSILON, 1.189207115002721, 1.0905077326652577, 1.0442737824274138, 1.0218971486541166, 1.0108892860517005, 1.0054299011128027, 1.0027112750502025];

/** From 1 to 2, in the finest schema: each schema has the bounds of the coarser one and, between them, these times its root. */
const BETWEEN = ROOTS.reduce<readonly number[]>((coarser, root) => coarser.flatMap((bound) => [bound, bound * root]), [1]);

/** The upper bound of the bucket. The last but one ends at the largest number, the last one holds the infinities. */
export function boundOf(index: number, schema: number): number {
  if (schema < 0) {
    const exponent = index * 2 ** -schema;
    return exponent === MAX_EXPONENT ? Number.MAX_VALUE : 2 ** exponent;
  }
  const mantissa = BETWEEN[(index & ((1 << schema) - 1)) << (FINEST - schema)] ?? Number.NaN;
  const exponent = index >> schema;
  return mantissa === 1 && exponent === MAX_EXPONENT ? Number.MAX_VALUE : mantissa * 2 ** exponent;
}

/** Of the bucket with this upper bound, where there is one; of another otherwise. */
export function indexOf(bound: number, schema: number): number {
  return bound === Infinity ? Math.trunc(MAX_EXPONENT * 2 ** schema) + 1 : Math.round(Math.log2(bound) * 2 ** schema);
}

/** The bucket of the coarser schema that the bucket is in. */
export function coarserIndex(index: number, from: number, to: number): number {
  return ((index - 1) >> (from - to)) + 1;
}
