import { describe, expect, it } from '@jest/globals';
import { compare, interval, verdictTable } from './comparison.js';
import type { Pair } from './comparison.js';

function pairs(ratios: readonly number[], { p99 = 1, rate = 1 } = {}): Pair[] {
  return ratios.map((ratio, i) => ({
    // The machine is another one from pair to pair, by far more than what is looked for.
    base: { contestant: 'plain', scrapesPerSecond: 1000, p99Ms: 10, cpuUs: { hub: 40 + 10 * i } },
    head: { contestant: 'plain', scrapesPerSecond: 1000 * rate, p99Ms: 10 * p99, cpuUs: { hub: (40 + 10 * i) * ratio } },
  }));
}

function regressed(of: readonly Pair[]): readonly string[] {
  return compare(of, 0.05).filter((verdict) => verdict.regressed).map((verdict) => verdict.figure);
}

describe('the comparison of two commits', () => {
  it.each<[string, readonly Pair[], readonly string[]]>([
    ['finds what is 10 % slower, on a machine that changes by more than that', pairs([1.1, 1.12, 1.09, 1.1, 1.11, 1.1, 1.13]), ['CPU µs/scrape hub']],
    ['lets 3 % pass', pairs([1.03, 1.03, 1.02, 1.04, 1.03, 1.03, 1.03]), []],
    ['blames nobody for noise', pairs([0.8, 1.3, 0.9, 1.25, 1.02, 0.85, 1.2]), []],
    ['blames nobody on four pairs', pairs([1.5, 1.5, 1.5, 1.5]), []],
    ['is content with what is faster', pairs([0.7, 0.7, 0.7, 0.7, 0.7]), []],
    ['does not judge rates', pairs([1, 1, 1, 1, 1], { rate: 0.5 }), []],
    ['gives the tail more room', pairs([1, 1, 1, 1, 1], { p99: 1.1 }), []],
    ['but not any room', pairs([1, 1, 1, 1, 1], { p99: 1.5 }), ['p99 ms']],
  ])('%s', (_, of, expected) => {
    expect(regressed(of)).toEqual(expected);
  });

  it('compares contestants apart', () => {
    const slow = pairs([1.5, 1.5, 1.5, 1.5, 1.5]).map(({ base, head }) => ({ base: { ...base, contestant: 'secure' }, head: { ...head, contestant: 'secure' } }));
    const verdicts = compare([...pairs([1, 1, 1, 1, 1]), ...slow], 0.05);
    expect(verdicts.filter((verdict) => verdict.regressed).map(({ contestant }) => contestant)).toEqual(['secure']);
    expect(verdictTable(verdicts)).toMatch(/secure: CPU µs\/scrape hub .* 1\.500 .* REGRESSED/);
  });
});

describe('the interval', () => {
  it('holds the median, and is the wider the less the pairs agree', () => {
    const agreed = interval([1.09, 1.1, 1.1, 1.11, 1.1]);
    const torn = interval([0.8, 1.4, 1.1, 0.9, 1.3]);
    expect(agreed.low).toBeLessThanOrEqual(1.1);
    expect(agreed.high).toBeGreaterThanOrEqual(1.1);
    expect(torn.high - torn.low).toBeGreaterThan(10 * (agreed.high - agreed.low));
  });

  it('is the same for the same pairs', () => {
    expect(interval([1, 1.2, 1.1])).toEqual(interval([1, 1.2, 1.1]));
  });
});
