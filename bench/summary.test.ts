import { describe, expect, it } from '@jest/globals';
import type { RoundResult } from './round.js';
import { medianRound, summaryTable, threadTable } from './summary.js';
import type { Standing } from './summary.js';

function round(value: number, threadName = 'worker'): RoundResult {
  const cost = { cpuUsPerScrape: value, residentMb: value * 2 };
  return {
    scrapesPerSecond: value * 1000,
    p50Ms: value,
    p99Ms: value * 3,
    foreignShare: value / 100,
    processes: [
      { role: 'Envoy', side: 'server', ...cost, threads: [{ name: threadName, cpuUsPerScrape: value }, { name: 'idle', cpuUsPerScrape: 0 }] },
      { role: 'hub', side: 'server', ...cost, threads: [] },
      { role: 'load', side: 'client', ...cost, threads: [{ name: 'node', cpuUsPerScrape: value }] },
    ],
  };
}

const standing = (name: string, ...rounds: readonly RoundResult[]): Standing => ({ name, what: '', note: undefined, rounds });

/** Cells of the table's only row. */
function cells(table: string): readonly string[] {
  return (table.split('\n')[2] ?? '').split('|').slice(1, -1).map((cell) => cell.trim());
}

describe('the median of rounds', () => {
  it('is taken of each figure on its own', () => {
    const middle = medianRound([round(1), round(9), round(2)]);
    expect(middle).toEqual(round(2));
  });

  it('takes a thread that a round has not for idle there', () => {
    const [envoy] = medianRound([round(4), round(4, 'other'), round(4, 'other')])?.processes ?? [];
    expect(envoy?.threads).toEqual([{ name: 'other', cpuUsPerScrape: 4 }, { name: 'worker', cpuUsPerScrape: 0 }, { name: 'idle', cpuUsPerScrape: 0 }]);
  });

  it('of none is nothing', () => expect(medianRound([])).toBeUndefined());
});

describe('the summary', () => {
  it('sets servers apart from those that load them', () => {
    expect(cells(summaryTable([standing('plain', round(5))]))).toEqual(['plain', '5,000', '5', '15', '10', '5', '5', '10', '10', '5', '5']);
  });

  it('says who failed, and shows the rounds before', () => {
    const failed: Standing = { ...standing('plain', round(5)), note: { kind: 'failed', reason: 'gone' } };
    expect(cells(summaryTable([failed])).slice(0, 2)).toEqual(['plain: failed', '5,000']);
    expect(cells(summaryTable([{ ...failed, rounds: [] }])).slice(0, 2)).toEqual(['plain: failed', '']);
  });

  it('lists the busy threads of servers', () => {
    expect(threadTable([standing('plain', round(5))]).split('\n').slice(2)).toEqual(['| plain: Envoy: worker |             5 |', '']);
  });
});
