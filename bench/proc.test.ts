import { describe, expect, it } from '@jest/globals';
import { descendants, parseMachineTicks, parseResidentBytes, parseStat } from './proc.js';

const REST = 'S 10 42 42 0 -1 4194304 100 0 0 0 250 50 7 8 20 0 11 0 12345 1000000 2000 18446744073709551615';

describe('a line of /proc/<pid>/stat', () => {
  it('tells name, parent and CPU time', () => {
    expect(parseStat(`42 (node) ${REST}\n`)).toEqual({ id: 42, name: 'node', parentId: 10, cpuTicks: 300 });
  });

  it.each(['wrk:worker_0', 'a b', ') S 1 (', 'tab\tname', ''])('may have the name %j', (name) => {
    expect(parseStat(`42 (${name}) ${REST}`)).toEqual({ id: 42, name, parentId: 10, cpuTicks: 300 });
  });

  it.each(['', '42', '42 node S 1', '42 (node)', '42 (node) S 10'])('is not %j', (text) => expect(parseStat(text)).toBeUndefined());
});

describe('/proc/<pid>/status', () => {
  it('tells resident memory', () => {
    expect(parseResidentBytes('Name:\tnode\nVmHWM:\t  200 kB\nVmRSS:\t  100 kB\nRssAnon:\t 1 kB\n')).toBe(102_400);
  });

  it('may have none', () => expect(parseResidentBytes('Name:\tkthreadd\n')).toBe(0));
});

describe('/proc/stat', () => {
  it('tells how busy the machine is', () => {
    const text = 'cpu  10 1 20 1000 50 2 3 4 99 99\ncpu0 1 1 1 1 1 1 1 1 1 1\nintr 5\n';
    expect(parseMachineTicks(text)).toEqual({ busy: 40, total: 1090 });
  });
});

const stat = (id: number, parentId: number) => ({ id, parentId, name: 'x', cpuTicks: 0 });

describe('descendants', () => {
  it('are children and their children, and nobody else', () => {
    const all = [stat(1, 0), stat(2, 1), stat(3, 2), stat(4, 1), stat(5, 0)];
    expect(descendants(1, all).map(({ id }) => id)).toEqual([2, 4, 3]);
  });
});
