import { describe, expect, it } from '@jest/globals';
import { eventually } from './eventually.js';

function failWith(message: string): () => never {
  return () => {
    throw new Error(message);
  };
}

describe('eventually', () => {
  it('asks until the answer is right, and returns it', async () => {
    let tries = 0;
    const answer = await eventually(
      () => {
        tries += 1;
        if (tries < 3) throw new Error('not yet');
        return 'now';
      },
      { intervalMs: 1 },
    );
    expect([answer, tries]).toEqual(['now', 3]);
  });

  it('ends at the deadline with the last error', async () => {
    await expect(eventually(failWith('two of three'), { timeoutMs: 20, intervalMs: 1, what: 'three targets' })).rejects.toThrow('three targets: not within 20 ms; last: two of three');
  });

  it('ends at the deadline although a try never comes back', async () => {
    await expect(eventually(() => new Promise<never>(() => {}), { timeoutMs: 20 })).rejects.toThrow('not within 20 ms; last: the first try never came back');
  });

  it('ends as soon as there is no hope', async () => {
    await expect(eventually(failWith('not yet'), { timeoutMs: 60_000, hopeless: () => 'the process has ended' })).rejects.toThrow('the process has ended');
  });
});
