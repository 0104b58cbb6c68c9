import { largestFirst, smallestFirst } from './accumulators.js';
import { compareLabelSets, compareText, labelOf } from './labels.js';
import { mapSeries } from './series.js';
import type { Context, Series } from './series.js';

/** The order of a vector. Over a range there is none but that of the labels. */

/** `sort` and `sort_desc`, of numbers only. */
export function sortedByValue(series: readonly Series[], direction: 'ascending' | 'descending', context: Context): readonly Series[] {
  const numbers = mapSeries(series, context, (labels) => labels, (value) => value);
  const order = direction === 'ascending' ? smallestFirst : largestFirst;
  return context.steps.count > 1 ? numbers : numbers.toSorted((a, b) => order(a.values[0] ?? Number.NaN, b.values[0] ?? Number.NaN));
}

/** By the values of these labels, the first that differ, and by all labels where none does. */
export function sortedByLabels(series: readonly Series[], names: readonly string[], direction: 'ascending' | 'descending'): readonly Series[] {
  const sign = direction === 'ascending' ? 1 : -1;
  return series.toSorted((a, b) => {
    for (const name of names) {
      const [left, right] = [labelOf(a.labels, name), labelOf(b.labels, name)];
      if (left !== right) return precedes(left, right) ? -sign : sign;
    }
    return sign * compareLabelSets(a.labels, b.labels);
  });
}

const INT64_MAX = 2n ** 63n - 1n;

/** Runs of digits are numbers, unless they are too large to be one (facette/natsort). */
export function precedes(a: string, b: string): boolean {
  const [left, right] = [chunks(a), chunks(b)];
  for (const [index, mine] of left.entries()) {
    const theirs = right[index];
    if (theirs === undefined) return false;
    const [one, other] = [integer(mine), integer(theirs)];
    const bothNumbers = one !== undefined && other !== undefined;
    if (bothNumbers ? one !== other : mine !== theirs) return bothNumbers ? one < other : compareText(mine, theirs) < 0;
    if (index === left.length - 1) return true;
    if (index === right.length - 1) return false;
  }
  return false;
}

function chunks(text: string): readonly string[] {
  return text.match(/[0-9]+|[^0-9]+/g) ?? [];
}

/** As Go's Atoi; a sign would be of the chunk before. */
function integer(chunk: string): bigint | undefined {
  const value = /^[0-9]{1,1000}$/.test(chunk) ? BigInt(chunk) : INT64_MAX + 1n;
  return value > INT64_MAX ? undefined : value;
}
