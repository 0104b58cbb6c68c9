import { describe, expect, it } from '@jest/globals';
import { readProjectFile, sourcesBelow } from '../../house/sources.js';

/**
 * docs/xds.md says of each rule in which file it is: the file says so too, and a test is named after it.
 */
const rows = [...readProjectFile('docs/xds.md').matchAll(/^\| rule-(\d\d) \|.*\| (.*) \|$/gm)].map(([, number = '', files = '']) => ({
  number,
  files: [...files.matchAll(/`([^`]+)`/g)].map(([, file = '']) => file),
}));
const tests = sourcesBelow('src', 'test').filter(({ path }) => /xds\/.*\.test\.ts$/.test(path));

/** `rule 3`, `Rules 3 and 4`, `rules 13 to 15` and the like. */
function names(text: string, number: number): boolean {
  return [...text.matchAll(/\brules? ((?:\d+|,|and|to| )+)/gi)].some(([, list = '']) => {
    const range = /(\d+) to (\d+)/.exec(list);
    return list.split(/\D+/).includes(String(number)) || (range !== null && number > Number(range[1]) && number < Number(range[2]));
  });
}

describe('docs/xds.md', () => {
  it('has every rule once', () => {
    expect(rows.map(({ number }) => Number(number))).toEqual(Array.from({ length: 25 }, (_, index) => index + 1));
  });

  it.each(rows)('rule-$number has a test of its name, and is named where it is', ({ number, files }) => {
    expect(tests.filter(({ text }) => text.includes(`describe('rule-${number}-`))).not.toEqual([]);
    expect(files.filter((file) => !names(readProjectFile(`src/xds/${file}`), Number(number)))).toEqual([]);
    expect(files).not.toEqual([]);
  });
});
