import { describe, expect, it } from '@jest/globals';
import { createSteps, formatElapsed } from './steps.mjs';

const cached = { isDone: () => true, work: () => Promise.reject(new Error('not to be called')) };
const needed = { isDone: async () => false, work: async () => 'a detail' };

function record(steps) {
  const written = [];
  return { steps: createSteps(steps, { write: (text) => written.push(text) }), text: () => written.join('') };
}

describe('progress', () => {
  it('says nothing when everything is there', async () => {
    const { steps, text } = record(2);
    await steps.step('one', cached);
    await steps.step('two', cached);
    steps.finish();
    expect(text()).toBe('');
  });

  it('numbers every step as soon as one has work to do', async () => {
    const { steps, text } = record(3);
    await steps.step('one', cached);
    await steps.step('two', needed);
    await steps.step('three', cached);
    steps.finish();
    expect(text().replaceAll(/\d+ ms/g, 'T')).toBe('[1/3] one … cached\n[2/3] two … T (a detail)\n[3/3] three … cached\nset up in T\n');
  });

  it('ends the line of a step that fails', async () => {
    const { steps, text } = record(1);
    await expect(steps.step('one', { ...needed, work: () => Promise.reject(new Error('broken')) })).rejects.toThrow('broken');
    expect(text()).toMatch(/^\[1\/1\] one … failed after \d+ ms\n$/);
  });

  it.each([
    [12, '12 ms'],
    [3_140, '3.1 s'],
    [125_000, '2 min 5 s'],
  ])('writes %d ms as %s', (ms, written) => expect(formatElapsed(ms)).toBe(written));
});
