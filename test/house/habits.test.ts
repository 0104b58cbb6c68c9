import { describe, expect, it } from '@jest/globals';
import { isTest, readProjectFile, sourcesBelow, trackedFiles } from './sources.js';

/**
 * House rules that no linter knows. Default exports, `any` and the like are the linter's (.oxlintrc.json).
 */

const product = sourcesBelow('src').filter(({ path }) => !isTest(path));

describe('the process', () => {
  it('has its environment read in one file', () => {
    const readers = product.filter(({ code }) => /\bprocess\s*\.\s*env\b|\{[^}]*\benv\b[^}]*\}\s*from\s*['"](?:node:)?process['"]/.test(code));
    expect(readers.map(({ path }) => path).filter((path) => path !== 'src/config/env.ts')).toEqual([]);
  });

  it('is ended, and gets its signal handlers, in main only', () => {
    const actors = product.filter(({ code }) => /\bprocess\s*\.\s*(?:on|once|addListener|prependListener|exit|exitCode|abort|kill|reallyExit)\b/.test(code));
    expect(actors.map(({ path }) => path).filter((path) => !path.startsWith('src/main/'))).toEqual([]);
  });
});

describe('files', () => {
  const MAX_LINES = 400;
  /** Longer ones, each with its reason. */
  const LONGER: Readonly<Record<string, string>> = {};

  it(`have at most ${MAX_LINES} lines`, () => {
    const long = sourcesBelow('src', 'test', 'bench').filter(({ text }) => text.split('\n').length - 1 > MAX_LINES);
    expect(long.map(({ path }) => path)).toEqual(Object.keys(LONGER).toSorted());
  });

  it('name no machine and no registry', () => {
    const forbidden = /(?:^|[\s"'`(=:])\/(?:root|home|Users|work)\/\w|registry\.npmjs|files\.pythonhosted|pypi\.org|proxy\.golang|sum\.golang|deb\.debian|repo\.maven|index\.crates/;
    const naming = trackedFiles().flatMap((file) =>
      readProjectFile(file)
        .split('\n')
        .flatMap((line, index) => (forbidden.test(line) ? [`${file}:${index + 1}: ${line.trim().slice(0, 120)}`] : [])),
    );
    expect(naming).toEqual([]);
  });

  it('lock dependencies without saying where they came from', () => {
    expect(readProjectFile('package-lock.json')).not.toContain('"resolved"');
  });
});
