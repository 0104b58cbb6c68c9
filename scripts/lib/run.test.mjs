import { describe, expect, it } from '@jest/globals';
import { run, SetupError } from './run.mjs';

const node = (script, options) => run(process.execPath, ['-e', script], { timeoutMs: 20_000, ...options });

describe('run', () => {
  it('returns what the command printed', async () => {
    expect(await node('console.log("out"); console.error("err")')).toBe('out\n');
  });

  it('fails with the last lines of the output', async () => {
    const failure = node('console.log("one"); console.error("two\\nthree"); process.exitCode = 3', { shownLines: 2 });
    await expect(failure).rejects.toThrow(/: exit code 3\ntwo\nthree$/);
    await expect(failure).rejects.toBeInstanceOf(SetupError);
  });

  it('says that a command does not exist', async () => {
    await expect(run('no-such-command', [], { timeoutMs: 1_000 })).rejects.toThrow('no-such-command : no such command');
  });

  it('ends a command that takes too long', async () => {
    await expect(node('setInterval(() => {}, 1000)', { timeoutMs: 200 })).rejects.toThrow(/: not done after 0 s$/);
  });
});
