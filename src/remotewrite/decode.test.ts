import { describe, expect, it } from '@jest/globals';
import { decodeSeries } from './decode.js';
import { encodeSeries } from './encode.js';
import { STALE } from './series.js';
import type { Histogram, Series } from './series.js';
import { FieldCursor } from '../lib/wire.js';

const INT: Histogram = {
  kind: 'int', count: 5, sum: -1.5, schema: -4, zeroThreshold: 0.001, zeroCount: 2, negativeSpans: [{ offset: -3, length: 1 }], negativeBuckets: [1],
  positiveSpans: [{ offset: 0, length: 2 }, { offset: 3, length: 1 }], positiveBuckets: [300, -2, -298], resetHint: 'gauge', timestampMs: 1_700_000_000_000, customValues: [],
};
const LABELS = [{ name: '__name__', value: 'up' }, { name: 'job', value: 'a\u{1F600}' }];

function series(over: Partial<Series>): Series {
  return { labels: LABELS, samples: [], histograms: [], exemplars: [], ...over };
}

describe('what is written in version 1 is read back', () => {
  it.each<readonly [string, Partial<Series>]>([
    ['labels alone', {}],
    ['samples of any time', { samples: [{ value: -1.5, timestampMs: 1_700_000_000_001 }, { value: 0, timestampMs: -1 }] }],
    ['values of every kind', { samples: ([Infinity, -Infinity, -0, Number.NaN, STALE] as const).map((value, timestampMs) => ({ value, timestampMs })) }],
    ['exemplars', { exemplars: [{ labels: [{ name: 'trace_id', value: 'x' }], value: 2, timestampMs: 5 }] }],
    ['histograms of integers', { histograms: [INT] }],
    ['histograms of floats', { histograms: [{ ...INT, kind: 'float', count: 2.5, zeroCount: 0.5, positiveBuckets: [0.5, 1e300, 2], resetHint: 'no' }] }],
    ['histograms with buckets of their own', { histograms: [{ ...INT, schema: -53, customValues: [0.1, 5], resetHint: 'yes' }] }],
    ['the end of a series of histograms', { histograms: [{ ...INT, sum: STALE }] }],
  ])('%s', (_, over) => {
    const cursor = new FieldCursor(encodeSeries('1', [series(over)]));
    cursor.enter(0, cursor.bytes.length).next();
    expect(decodeSeries(cursor.inside())).toEqual(series(over));
  });
});
