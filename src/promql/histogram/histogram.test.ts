import { describe, expect, it } from '@jest/globals';
import { added, isPartlyUnseen, meanOf, sumOf } from './add.js';
import { boundOf, indexOf } from './bounds.js';
import { bucketsOf, divided, Inexact, pointsOf, scaled } from './histogram.js';
import type { Histogram } from './histogram.js';
import { histogramsFrom } from './layout.js';
import type { ShownBucket, ShownHistogram } from './layout.js';
import { fractionOf, quantileOf, varianceOf } from './statistics.js';
import { trimmed } from './trim.js';

/** `(1,2]:3`, with square brackets where the bound belongs to the bucket. */
function read(text: string): ShownBucket {
  const [, left, lower, upper, right, count] = /^([[(])(.+),(.+)([\])]):(.+)$/.exec(text) ?? [];
  const number = (bound: string | undefined): number => Number(bound?.replace('Inf', 'Infinity'));
  return { lower: number(lower), upper: number(upper), count: number(count), lowerInclusive: left === '[', upperInclusive: right === ']' };
}

function shown(written: readonly string[], totals: Partial<ShownHistogram> = {}): ShownHistogram {
  const buckets = written.map(read);
  return { count: buckets.reduce((sum, { count }) => sum + count, 0), sum: 0, buckets, ...totals };
}

function histogram(written: readonly string[], totals?: Partial<ShownHistogram>): Histogram {
  const [only] = histogramsFrom([shown(written, totals)]);
  if (only === undefined) throw new Error('no histogram');
  return only;
}

function texts(of: Histogram | undefined): readonly string[] {
  return of === undefined ? ['nothing'] : bucketsOf(of).map(({ lower, upper, count }) => `${lower}..${upper}:${count}`);
}

const FINE = Math.SQRT2 - Number.EPSILON;

describe('what the buckets of a native histogram tell', () => {
  it.each<readonly [string, readonly string[], unknown]>([
    ['bounds of powers of two', ['(1,2]:3', '(2,4]:1'], { kind: 'exponential', schema: 0 }],
    ['finer bounds', [`(1,${FINE}]:3`], { kind: 'exponential', schema: 1 }],
    ['coarser bounds', ['(1,16]:3', '(256,4096]:1'], { kind: 'exponential', schema: -2 }],
    ['a zero bucket', ['[-0.001,0.001]:2', '(1,2]:1'], { kind: 'exponential', schema: 0, zeroThreshold: 0.001, zeroCount: 2 }],
    ['a lowest bucket that begins where the zero bucket ends', ['(1.5,2]:2', '(2,4]:1'], { kind: 'exponential', schema: 0, zeroThreshold: 1.5, zeroCount: 0 }],
    ['below zero', ['[-4,-2):1', '[-2,-1):2'], { kind: 'exponential', schema: 0 }],
    ['the last bucket of all', ['(8.98846567431158e+307,1.7976931348623157e+308]:1', '(1.7976931348623157e+308,Inf]:1'], { kind: 'exponential', schema: 0 }],
    ['a first bucket without a lower bound', ['[-Inf,0.1]:2', '(0.1,0.5]:1'], { kind: 'custom' }],
    ['a last bucket without an upper bound', ['(0.5,Inf]:1'], { kind: 'custom' }],
    ['bounds of no schema', ['(0.1,0.5]:1', '(0.5,1]:7'], { kind: 'custom' }],
    ['bounds on both sides of zero', ['(-1,1]:1'], { kind: 'custom' }],
    ['no bucket', [], { kind: 'empty' }],
  ])('%s', (_, buckets, expected) => {
    expect(histogram(buckets)).toMatchObject(expected as object);
  });

  it('is asked of the others where one could be both', () => {
    const [either, custom] = histogramsFrom([shown(['(1,2]:3', '(2,4]:1']), shown(['[-Inf,1]:3'])]);
    expect([either?.kind, custom?.kind]).toEqual(['custom', 'custom']);
  });

  it.each<readonly [string, readonly ShownHistogram[]]>([
    ['a schema that no bound shows', [shown([`(1.2,${FINE}]:1`])]],
    ['one that could be both among both', [shown(['(1,2]:3']), shown(['[-Inf,1]:3']), shown([`(1,${FINE}]:3`])]],
    ['a zero bucket with less than nothing in it', [shown(['(1,2]:3'], { count: 1 })]],
    ['a zero bucket that is not around zero', [shown(['[-1,2]:1'])]],
    ['a count that is none', [shown(['(1,2]:3'], { count: Infinity })]],
  ])('is not guessed: %s', (_, all) => {
    expect(() => histogramsFrom(all)).toThrow(Inexact);
  });

  it('may be less than the count where there are observations of NaN', () => {
    expect(histogram(['(1,2]:3'], { count: 5, sum: Number.NaN })).toMatchObject({ count: 5 });
  });

  it('finds the bucket of a bound, in every schema', () => {
    for (let schema = -4; schema <= 8; schema += 1) for (const index of [-300, -7, 0, 1, 5, 200]) if (Math.abs(index * 2 ** -schema) < 1000) expect(indexOf(boundOf(index, schema), schema)).toBe(index);
  });
});

describe('a sum of native histograms', () => {
  it.each<readonly [string, readonly string[], readonly string[], readonly string[]]>([
    ['is bucket by bucket', ['(1,2]:3', '(4,8]:1'], ['(1,2]:1', '(2,4]:5'], ['1..2:4', '2..4:5', '4..8:1']],
    ['has the coarser schema', [`(1,${FINE}]:3`, `(${FINE},2]:1`], ['(2,4]:1', '(4,8]:1'], ['1..2:4', '2..4:1', '4..8:1']],
    ['has the wider zero bucket', ['[-0.5,0.5]:1', '(1,2]:1'], ['(0.25,0.5]:4', '(1,2]:1'], ['-0.5..0.5:5', '1..2:2']],
    ['has no bucket that is partly in the zero bucket', ['[-0.3,0.3]:1', '(1,2]:1'], ['[-0.5,-0.25):1', '(0.25,0.5]:4', '(0.5,1]:1'], ['-0.5..0.5:6', '0.5..1:1', '1..2:1']],
    ['has what is below zero too', ['[-2,-1):1', '(1,2]:1'], ['[-4,-2):2', '[-2,-1):1'], ['-4..-2:2', '-2..-1:2', '1..2:1']],
    ['has the bounds of custom buckets', ['[-Inf,0.1]:1', '(0.1,0.3]:2'], ['(0.1,0.3]:5', '(0.3,Inf]:1'], ['-Infinity..0.1:1', '0.1..0.3:7', '0.3..Infinity:1']],
    ['is the other one where one is empty', [], ['(1,2]:3', '(2,4]:1'], ['1..2:3', '2..4:1']],
    ['is nothing of both kinds', ['(1,2]:1', '(2,4]:1'], ['[-Inf,0.1]:1'], ['nothing']],
  ])('%s', (_, a, b, expected) => {
    expect(texts(added(histogram(a), histogram(b)))).toEqual(expected);
    expect(texts(added(histogram(b), histogram(a)))).toEqual(expected);
  });

  it('is not known of custom buckets whose bounds cross', () => {
    expect(() => added(histogram(['[-Inf,0.1]:1', '(0.1,0.3]:2']), histogram(['(0.1,0.5]:1', '(0.5,0.7]:1']))).toThrow(Inexact);
  });

  it('has no bucket in which nothing is left', () => {
    const one = histogram(['(1,2]:3', '(2,4]:1'], { sum: 7 });
    expect(added(one, one, -1)).toMatchObject({ count: 0, sum: 0 });
    expect(texts(added(one, histogram(['(1,2]:3', '(2,4]:3']), -1))).toEqual(['2..4:-2']);
  });

  it('and a mean do not overflow', () => {
    const huge = histogram(['(1,2]:1e308', '(2,4]:1'], { count: 1e308, sum: 1e308 });
    expect(sumOf([huge, huge])).toMatchObject({ sum: Infinity });
    expect(meanOf([huge, huge])).toMatchObject({ sum: 1e308, count: 1e308 });
    expect(texts(meanOf([histogram(['(1,2]:3', '(2,4]:1']), histogram(['(1,2]:5', '(2,4]:1'])]))).toEqual(['1..2:4', '2..4:1']);
  });

  it.each<readonly [string, boolean, readonly (readonly string[])[]]>([
    ['of one schema', false, [['(1,2]:1'], ['(2,4]:1'], []]],
    ['of two schemas', true, [['(1,2]:1'], ['(1,16]:1'], []]],
    ['of two schemas, all seen', false, [['(1,2]:1'], ['(1,16]:1']]],
    ['of two zero buckets', true, [['[-0.1,0.1]:1', '(1,2]:1'], ['[-0.2,0.2]:1', '(1,2]:1'], ['(1,2]:1']]],
  ])('may be coarser than it seems where others differ: %s', (_, isUnseen, all) => {
    expect(isPartlyUnseen(all.map((buckets) => histogram(buckets)))).toBe(isUnseen);
  });

  it('counts by its buckets', () => {
    expect(pointsOf(histogram(['(1,2]:3', '(2,4]:1'])) - pointsOf(histogram([]))).toBe(8);
  });

  it('is scaled in all its parts; by nothing, its buckets are gone', () => {
    const one = histogram(['[-0.5,0.5]:1', '(1,2]:2'], { sum: 3 });
    expect([texts(scaled(one, 2)), texts(scaled(one, 0)), texts(scaled(one, -1)), texts(divided(one, 0))]).toEqual([['-0.5..0.5:2', '1..2:4'], [], ['1..2:-2'], ['-0.5..0.5:Infinity']]);
  });
});

describe('what of a native histogram is below or above a value', () => {
  const BOTH = ['[-2,-1):2', '[-0.5,0.5]:2', '(1,2]:4', '(2,4]:4'];
  const CUSTOM = ['[-Inf,1]:2', '(1,3]:4', '(3,Inf]:4'];

  it.each<readonly [readonly string[], number, readonly string[], readonly string[]]>([
    [BOTH, 2, ['-2..-1:2', '-0.5..0.5:2', '1..2:4'], ['2..4:4']],
    [BOTH, 0, ['-2..-1:2', '-0.5..0.5:1'], ['-0.5..0.5:1', '1..2:4', '2..4:4']],
    [BOTH, -9, [], BOTH.map((text) => text.replaceAll(/[[\])(]/g, '').replace(',', '..'))],
    [CUSTOM, 2, ['-Infinity..1:2', '1..3:2'], ['1..3:2', '3..Infinity:4']],
    [CUSTOM, 0.5, ['-Infinity..1:1'], ['-Infinity..1:1', '1..3:4', '3..Infinity:4']],
    [CUSTOM, 5, ['-Infinity..1:2', '1..3:4'], ['3..Infinity:4']],
  ])('of %j at %d', (buckets, value, below, above) => {
    expect([texts(trimmed(histogram(buckets), value, 'below')), texts(trimmed(histogram(buckets), value, 'above'))]).toEqual([below, above]);
  });

  it('divides a bucket evenly on a logarithmic scale', () => {
    const one = histogram(['(1,2]:4', '(2,4]:4']);
    expect([trimmed(one, Math.SQRT2, 'below').count, trimmed(one, Math.SQRT2, 'above').count]).toEqual([expect.closeTo(2, 12), expect.closeTo(6, 12)]);
  });

  it('has a count and a sum of its own, unless it is all', () => {
    const one = histogram(['(1,2]:4', '(2,4]:4'], { sum: 17 });
    expect([trimmed(one, 2, 'below'), trimmed(one, 9, 'below'), trimmed(histogram([], { sum: 3 }), 1, 'above')]).toMatchObject([{ count: 4, sum: 4 * Math.SQRT2 }, { count: 8, sum: 17 }, { count: 0, sum: 3 }]);
  });
});

describe('observations of a native histogram', () => {
  const POSITIVE = histogram(['[-0.5,0.5]:2', '(1,2]:4', '(2,4]:4'], { sum: 20 });
  const CUSTOM = histogram(['[-Inf,1]:2', '(1,3]:4', '(3,Inf]:4'], { sum: 20 });
  const note = (): void => {};

  it.each<readonly [string, Histogram, number, number]>([
    ['evenly on a logarithmic scale', POSITIVE, 0.4, Math.SQRT2],
    ['from above', POSITIVE, 0.8, 2 ** 1.5],
    ['in a zero bucket, above zero where all others are', POSITIVE, 0.1, 0.25],
    ['in a zero bucket, below zero where all others are', histogram(['[-2,-1):2', '[-0.5,0.5]:2']), 0.75, -0.25],
    ['below zero', histogram(['[-4,-2):2', '[-2,-1):2']), 0.25, -(2 ** 1.5)],
    ['evenly in custom buckets', CUSTOM, 0.4, 2],
    ['from zero in the first one', CUSTOM, 0.1, 0.5],
    ['at the beginning of the last one', CUSTOM, 0.9, 3],
    ['below all', POSITIVE, -1, -Infinity],
    ['above all', POSITIVE, 2, Infinity],
  ])('a quantile: %s', (_, of, q, expected) => {
    expect(quantileOf(q, of, note)).toBeCloseTo(expected, 12);
  });

  it('of which there are none have no quantile and no fraction', () => {
    expect([quantileOf(0.5, histogram([]), note), fractionOf(0, 1, histogram([]), note)]).toEqual([Number.NaN, Number.NaN]);
  });

  it('of NaN are above all others, which is said', () => {
    const said: string[] = [];
    const some = histogram(['(1,2]:1', '(2,4]:1'], { count: 4, sum: Number.NaN });
    expect([quantileOf(0.25, some, (text) => said.push(text)), quantileOf(0.9, some, (text) => said.push(text))]).toEqual([2, Number.NaN]);
    expect(fractionOf(-Infinity, Infinity, some, (text) => said.push(text))).toBe(0.5);
    expect(said).toEqual([expect.stringContaining('skewed higher'), expect.stringContaining('result is NaN'), expect.stringContaining('excluded from all fractions')]);
  });

  it.each<readonly [string, Histogram, number, number, number]>([
    ['of all', POSITIVE, -Infinity, Infinity, 1],
    ['up to a bound', POSITIVE, 0, 2, 0.6],
    ['within a bucket', POSITIVE, Math.SQRT2, 2, 0.2],
    ['between buckets', POSITIVE, 0.6, 0.9, 0],
    ['in the zero bucket', POSITIVE, 0, 0.25, 0.1],
    ['in custom buckets', CUSTOM, 1, 2, 0.2],
    ['in the wrong order', POSITIVE, 2, 1, 0],
  ])('a fraction: %s', (_, of, lower, upper, expected) => {
    expect(fractionOf(lower, upper, of, note)).toBeCloseTo(expected, 12);
  });

  it('vary as if each were in the middle of its bucket', () => {
    expect(varianceOf(histogram(['(1,2]:1', '(2,4]:1'], { sum: Math.SQRT2 + Math.sqrt(8) }))).toBeCloseTo(0.5, 12);
    expect(varianceOf(histogram(['(0.1,0.3]:1', '(0.3,0.5]:1'], { sum: 0.6 }))).toBeCloseTo(0.01, 12);
  });
});
