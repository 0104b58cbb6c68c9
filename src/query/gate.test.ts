import { describe, expect, it } from '@jest/globals';
import { Gate } from './gate.js';

describe('a gate', () => {
  const never = new AbortController().signal;

  it('lets in so many, and the others in their order', async () => {
    const gate = new Gate();
    const entered: string[] = [];
    const enter = (name: string): Promise<() => void> | undefined =>
      gate.enter(1, 2, never)?.then((leave) => {
        entered.push(name);
        return leave;
      });
    const first = await enter('first');
    const second = enter('second');
    const third = enter('third');
    expect(enter('fourth')).toBeUndefined();
    expect([gate.running, gate.waiting, entered]).toEqual([1, 2, ['first']]);
    first?.();
    (await second)?.();
    (await third)?.();
    expect([gate.running, gate.waiting, entered]).toEqual([0, 0, ['first', 'second', 'third']]);
  });

  it('forgets who gives up in line', async () => {
    const gate = new Gate();
    const leave = await gate.enter(1, 1, never);
    const impatient = new AbortController();
    const waiting = gate.enter(1, 1, impatient.signal);
    impatient.abort(new Error('gone'));
    await expect(waiting).rejects.toThrow('gone');
    leave?.();
    expect([gate.running, gate.waiting]).toEqual([0, 0]);
  });
});
