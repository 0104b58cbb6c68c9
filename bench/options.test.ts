import { describe, expect, it } from '@jest/globals';
import { readOptions } from './options.js';

const CONTESTANTS = ['plain', 'secure'];

describe('the command line', () => {
  it('has a default for everything', () => {
    expect(readOptions([], CONTESTANTS)).toEqual({ ok: true, value: { rounds: 5, seconds: 8, agents: 1000, connections: 100, bodyBytes: 6144, only: undefined } });
  });

  it('takes what is given', () => {
    const argv = ['--rounds', '1', '--seconds=2', '--agents', '3', '--connections', '4', '--body', '300000', '--only', 'secure,plain'];
    expect(readOptions(argv, CONTESTANTS)).toEqual({ ok: true, value: { rounds: 1, seconds: 2, agents: 3, connections: 4, bodyBytes: 300_000, only: ['secure', 'plain'] } });
  });

  it.each([
    ['an unknown contestant', ['--only', 'plain,x'], 'no contestant x; there are plain, secure'],
    ['an unknown option', ['--fast'], 'fast'],
    ['no number', ['--rounds', 'many'], '--rounds must be'],
    ['a fraction', ['--seconds', '0.5'], '--seconds must be'],
    ['a body of nothing', ['--body', '0'], '--body must be'],
    ['no agent', ['--agents', '0'], '--agents must be'],
  ])('refuses %s', (_, argv, message) => {
    const result = readOptions(argv, CONTESTANTS);
    expect(result).toEqual({ ok: false, error: expect.stringContaining(message) });
  });
});
