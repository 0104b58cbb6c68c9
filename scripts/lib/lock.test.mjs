import { describe, expect, it } from '@jest/globals';
import { randomUUID } from 'node:crypto';
import { withLock } from './lock.mjs';

describe('withLock', () => {
  it('lets one in at a time, and the others after it', async () => {
    const name = randomUUID();
    let inside = 0;
    let most = 0;
    const visit = () =>
      withLock(name, async () => {
        inside += 1;
        most = Math.max(most, inside);
        await new Promise((resolve) => setImmediate(resolve));
        inside -= 1;
      });
    await Promise.all([visit(), visit(), visit()]);
    expect(most).toBe(1);
  });

  it('tells whoever has to wait', async () => {
    const name = randomUUID();
    const events = [];
    await withLock(name, async () => {
      const second = withLock(name, async () => events.push('second'), () => events.push('waits'));
      while (events.length === 0) await new Promise((resolve) => setImmediate(resolve));
      events.push('first done');
      return { second };
    }).then(({ second }) => second);
    expect(events).toEqual(['waits', 'first done', 'second']);
  });

  it('lets go when the work fails', async () => {
    const name = randomUUID();
    await expect(withLock(name, () => Promise.reject(new Error('broken')))).rejects.toThrow('broken');
    expect(await withLock(name, async () => 'in')).toBe('in');
  });
});
