import { describe, expect, it } from '@jest/globals';
import type { RoundResult } from '../round.js';
import { queryTable } from './report.js';

function round(p50Ms: number, cpu: Readonly<Record<string, number>>): RoundResult {
  const processes = Object.entries(cpu).map(([role, cpuUsPerScrape]) => ({ role, side: role === 'load' ? ('client' as const) : ('server' as const), cpuUsPerScrape, residentMb: 1, threads: [] }));
  return { scrapesPerSecond: 1000, p50Ms, p99Ms: 2 * p50Ms, foreignShare: 0, processes };
}

describe('the table of a run', () => {
  it('says what each way adds to asking the server itself, and whose CPU it takes', () => {
    const cells = [
      { question: 'instant', policy: 'one', path: 'direct', alone: [round(1, {})], loaded: [round(5, { Prometheus: 200, load: 50 })] },
      { question: 'instant', policy: 'one', path: 'gateway', alone: [round(1.5, {}), round(3.5, {}), round(1.75, {})], loaded: [round(5, { Prometheus: 210, Envoy: 90, gateway: 300, load: 50 })] },
    ];
    const [, , direct, gateway] = queryTable(cells).split('\n').map((line) => line.split('|').map((text) => text.trim()).slice(1, -1));
    expect(direct).toEqual(['instant, one, direct', '1.00', '–', '2.00', '1,000', '200', '–', '–']);
    expect(gateway).toEqual(['instant, one, gateway', '1.75', '0.75', '3.50', '1,000', '210', '90', '300']);
  });

  it('leaves a way without figures empty', () => {
    expect(queryTable([{ question: 'instant', policy: 'one', path: 'envoy', alone: [], loaded: [] }]).split('\n')[2]).toMatch(/^\| instant, one, envoy +(\| +)+\|$/);
  });
});
