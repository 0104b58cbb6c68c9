import { describe, expect, it } from '@jest/globals';
import { formatDuration, parseDuration } from './duration.js';

describe('a duration', () => {
  it.each([
    ['500ms', 500],
    ['10s', 10_000],
    ['1m30s', 90_000],
    ['1h', 3_600_000],
    ['2d', 172_800_000],
    ['1w1d', 691_200_000],
    ['1y', 31_536_000_000],
    ['0s', 0],
  ])('%s has %d ms, and is written so again', (text, ms) => {
    expect(parseDuration(text)).toBe(ms);
    expect(formatDuration(ms)).toBe(text);
  });

  it.each(['', '10', 's', '1.5s', '-1s', '1s1m', '1 s', '999999999y'])('"%s" is none', (text) => {
    expect(parseDuration(text)).toBeUndefined();
  });
});
