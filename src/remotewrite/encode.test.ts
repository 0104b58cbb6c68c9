import { describe, expect, it } from '@jest/globals';
import { labelsOf, requestJson } from '../../test/support/remote-write-messages.js';
import { encodeMetadata, encodeSeries } from './encode.js';
import { STALE } from './series.js';
import type { Histogram, Series } from './series.js';

const HISTOGRAM: Histogram = {
  kind: 'int',
  count: 5,
  sum: 1.5,
  schema: -4,
  zeroThreshold: 0.001,
  zeroCount: 2,
  negativeSpans: [{ offset: -3, length: 1 }],
  negativeBuckets: [1],
  positiveSpans: [{ offset: 0, length: 2 }],
  positiveBuckets: [3, -2],
  resetHint: 'gauge',
  timestampMs: 1_700_000_000_000,
  customValues: [],
};

function series(over: Partial<Series> = {}): Series {
  return { labels: [{ name: 'job', value: 'a' }, { name: '__name__', value: 'up' }], samples: [], histograms: [], exemplars: [], ...over };
}

describe('series in both versions', () => {
  it.each(['1', '2'] as const)('have their labels sorted by bytes (%s)', (version) => {
    const labels = ['\u{1F600}', '\uFFFD', 'z', 'A', '__name__'].map((name) => ({ name, value: 'v' }));
    expect(labelsOf(version === '1' ? 1 : 2, encodeSeries(version, [series({ labels })]))).toEqual([['A=v', '__name__=v', 'z=v', '\uFFFD=v', '\u{1F600}=v']]);
  });

  it('have samples with their own time, also before 1970', () => {
    const samples = [{ value: -1.5, timestampMs: 1_700_000_000_001 }, { value: 0, timestampMs: -1 }];
    const expected = [{ value: -1.5, timestamp: '1700000000001' }, { timestamp: '-1' }];
    expect(requestJson(1, encodeSeries('1', [series({ samples })]))).toMatchObject({ timeseries: [{ samples: expected }] });
    expect(requestJson(2, encodeSeries('2', [series({ samples })]))).toMatchObject({ timeseries: [{ samples: expected }] });
  });

  it.each(['1', '2'] as const)('tell the end of a series from a value that is no number (%s)', (version) => {
    const bytes = encodeSeries(version, [series({ samples: [{ value: STALE, timestampMs: 1 }, { value: Number.NaN, timestampMs: 2 }] })]).toString('hex');
    expect(bytes).toContain('09020000000000f07f1001');
    expect(bytes).toContain('09010000000000f87f1002');
  });

  it('have native histograms', () => {
    const expected = {
      countInt: '5',
      sum: 1.5,
      schema: -4,
      zeroThreshold: 0.001,
      zeroCountInt: '2',
      negativeSpans: [{ offset: -3, length: 1 }],
      negativeDeltas: ['1'],
      positiveSpans: [{ length: 2 }],
      positiveDeltas: ['3', '-2'],
      resetHint: 3,
      timestamp: '1700000000000',
    };
    expect(requestJson(1, encodeSeries('1', [series({ histograms: [HISTOGRAM] })]))).toMatchObject({ timeseries: [{ histograms: [expected] }] });
    expect(requestJson(2, encodeSeries('2', [series({ histograms: [HISTOGRAM] })]))).toMatchObject({ timeseries: [{ histograms: [expected] }] });
  });

  it('have float histograms with absolute counts and custom buckets', () => {
    const histogram: Histogram = { ...HISTOGRAM, kind: 'float', schema: -53, count: 2.5, zeroCount: 0, negativeSpans: [], negativeBuckets: [], positiveBuckets: [0.5, 2], customValues: [1, 2] };
    const expected = { countFloat: 2.5, schema: -53, positiveCounts: [0.5, 2], customValues: [1, 2] };
    expect(requestJson(2, encodeSeries('2', [series({ histograms: [histogram] })]))).toMatchObject({ timeseries: [{ histograms: [expected] }] });
  });

  it('have exemplars, and in version 2 metadata beside them', () => {
    const exemplars = [{ labels: [{ name: 'trace_id', value: 'abc' }], value: 7, timestampMs: 9 }];
    const both = series({ exemplars, metadata: { type: 'counter', help: 'Help.', unit: '' } });
    expect(requestJson(1, encodeSeries('1', [both]))).toMatchObject({ timeseries: [{ exemplars: [{ labels: [{ name: 'trace_id', value: 'abc' }], value: 7, timestamp: '9' }] }] });
    expect(requestJson(2, encodeSeries('2', [both]))).toEqual({
      symbols: ['', '__name__', 'up', 'job', 'a', 'trace_id', 'abc', 'Help.'],
      timeseries: [{ labelsRefs: [1, 2, 3, 4], exemplars: [{ labelsRefs: [5, 6], value: 7, timestamp: '9' }], metadata: { type: 1, helpRef: 7 } }],
    });
  });

  it('share their symbols in version 2', () => {
    expect(requestJson(2, encodeSeries('2', [series(), series()]))).toEqual({ symbols: ['', '__name__', 'up', 'job', 'a'], timeseries: [{ labelsRefs: [1, 2, 3, 4] }, { labelsRefs: [1, 2, 3, 4] }] });
  });

  it('may be larger than the buffer they begin with', () => {
    const value = 'x'.repeat(70_000);
    expect(labelsOf(1, encodeSeries('1', [series({ labels: [{ name: 'a', value }] })]))).toEqual([[`a=${value}`]]);
  });
});

describe('metadata of version 1', () => {
  it('goes by family, in a request of its own', () => {
    const bytes = encodeMetadata([{ family: 'up', type: 'gauge', help: 'Is it?', unit: '' }]);
    expect(requestJson(1, bytes)).toEqual({ metadata: [{ type: 2, metricFamilyName: 'up', help: 'Is it?' }] });
  });
});
