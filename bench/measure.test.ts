import { describe, expect, it } from '@jest/globals';
import { foreignShare, look, usageBetween } from './measure.js';
import type { Look } from './measure.js';

const stat = (id: number, name: string, cpuTicks: number) => ({ id, name, parentId: 1, cpuTicks });

const at = (process: number, threads: readonly (readonly [number, string, number])[]): Look => ({
  machine: { busy: 0, total: 0 },
  subjects: [{ role: 'envoy', process: stat(7, 'envoy', process), threads: threads.map(([id, name, ticks]) => stat(id, name, ticks)), residentBytes: process }],
});

describe('usage between two looks', () => {
  it('is the difference, by thread name, the busiest first', () => {
    const [usage] = usageBetween(at(100, [[7, 'main', 10], [8, 'worker', 90], [9, 'worker', 0]]), at(200, [[7, 'main', 20], [8, 'worker', 140], [9, 'worker', 40]]));
    const msPerTick = (usage?.cpuMs ?? 0) / 100;
    expect(usage).toEqual({
      role: 'envoy',
      cpuMs: 100 * msPerTick,
      residentBytes: 200,
      threads: [{ name: 'worker', cpuMs: 90 * msPerTick }, { name: 'main', cpuMs: 10 * msPerTick }],
    });
  });

  it('counts a new thread from its start', () => {
    expect(usageBetween(at(0, []), at(5, [[8, 'late', 5]]))[0]?.threads.map(({ name }) => name)).toEqual(['late']);
  });
});

describe('the foreign share', () => {
  it('is what the machine did besides', () => {
    const before = { ...at(10, []), machine: { busy: 100, total: 1000 } };
    const after = { ...at(60, []), machine: { busy: 170, total: 1200 } };
    expect(foreignShare(before, after)).toBe(0.1);
  });
});

describe('a look', () => {
  it('sees the machine', () => expect(look([]).machine.total).toBeGreaterThan(look([]).machine.busy));

  it('sees this process', () => {
    const { subjects } = look([{ role: 'us', pid: process.pid }]);
    expect(subjects[0]?.process.id).toBe(process.pid);
    expect(subjects[0]?.residentBytes).toBeGreaterThan(1_000_000);
    expect(subjects[0]?.threads.length).toBeGreaterThan(1);
  });

  it('says who is gone', () => expect(() => look([{ role: 'relay', pid: 2 ** 30 }])).toThrow('relay has ended'));
});
