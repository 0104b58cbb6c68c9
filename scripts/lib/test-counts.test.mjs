import { describe, expect, it } from '@jest/globals';
import { closingLine, countsOf, secondTry, withSecondTry } from './test-counts.mjs';

const file = (path, passed, failed = 0, skipped = 0) => ({ path, passed, failed, skipped });

describe('counts of a file', () => {
  const result = { testFilePath: '/p/dist/a.test.js', numPassingTests: 3, numFailingTests: 1, numPendingTests: 1, numTodoTests: 1 };
  it('are as jest has them', () => expect(countsOf(result)).toEqual(file('/p/dist/a.test.js', 3, 1, 2)));
  it('have a failure where the file could not be loaded', () =>
    expect(countsOf({ ...result, numPassingTests: 0, numFailingTests: 0, testExecError: new Error('no') })).toMatchObject({ passed: 0, failed: 1 }));
});

describe('a second try', () => {
  it('is for the files that failed', () => expect(secondTry([file('a', 1), file('b', 0, 1)])).toEqual(['b']));
  it('is for nobody where much failed', () => expect(secondTry(['a', 'b', 'c', 'd', 'e'].map((path) => file(path, 9, 1)))).toEqual([]));
});

describe('the closing line', () => {
  it.each([
    ['sums up', [file('a', 1), file('b', 2, 1)], '\n3 passed, 1 failed\n'],
    ['says what was skipped', [file('a', 1, 0, 4)], '\n1 passed, 0 failed, 4 skipped\n'],
    ['names what passed at the second try', withSecondTry([file('a', 1), file('/p/dist/b.js', 1, 1)], [file('/p/dist/b.js', 2)]), '\npassed at the second try only: b.js\n\n3 passed, 0 failed\n'],
    ['counts what befell the second try itself', withSecondTry([file('b', 1, 1)], [file('b', 2), file('the run', 0, 1)]), '\npassed at the second try only: b\n\n2 passed, 1 failed\n'],
    ['counts what failed twice', withSecondTry([file('a', 1), file('b', 1, 1)], [file('b', 1, 1)]), '\n2 passed, 1 failed\n'],
  ])('%s', (_name, counts, line) => expect(closingLine(counts)).toBe(line));
});
