import { describe, expect, it } from '@jest/globals';
import { runGroup } from './process-group.mjs';

const shell = (script, timeoutMs = 20_000) => runGroup('/bin/sh', ['-c', script], { timeoutMs, stdio: 'ignore' });

describe('runGroup', () => {
  it('tells how the command ended', async () => {
    expect(await shell('exit 3')).toEqual({ code: 3, timedOut: false, leftProcesses: false });
  });

  it('ends a command that takes too long, and its children', async () => {
    expect(await shell('sleep 60 & sleep 60', 100)).toEqual({ code: null, timedOut: true, leftProcesses: false });
  });

  it('finds what the command left running', async () => {
    expect(await shell('sleep 60 & exit 0')).toEqual({ code: 0, timedOut: false, leftProcesses: true });
  });
});
