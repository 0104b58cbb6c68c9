import { describe, expect, it } from '@jest/globals';
import { histogramJson, readHistograms } from './histogram-json.js';

describe('a native histogram in an answer of the API', () => {
  it.each([
    { count: '7', sum: '12.5', buckets: [[1, '-2', '-1', '2'], [3, '-0.001', '0.001', '1'], [0, '1', '2', '4']] },
    { count: '3', sum: '+Inf', buckets: [[3, '-Inf', '0.1', '1'], [0, '0.1', '0.25', '1'], [0, '0.25', '+Inf', '1']] },
    { count: '0.000001', sum: '1e-07', buckets: [[0, '1', '1.0905077326652577', '0.000001']] },
    { count: '0', sum: '0' },
  ])('is written as it was read: %j', (json) => {
    const [histogram] = readHistograms([json]);
    expect(histogram && histogramJson(histogram)).toEqual(json);
  });

  it.each([[undefined], ['text'], [{ count: 1, sum: '2' }], [{ count: '1', sum: '2', buckets: [['x']] }], [{ count: '1', sum: '2', buckets: [[3, 'x', 'y', '1']] }], [{ count: '1', sum: '2', buckets: [[0, '2', '1', '1']] }]])('is none: %j', (value) => {
    expect(() => readHistograms([value])).toThrow('not an answer of the API');
  });
});
