import { describe, expect, it } from '@jest/globals';
import { REASONS } from '../../src/model/reasons.js';
import { readProjectFile } from './sources.js';

function isRuler(line: string | undefined): boolean {
  return line !== undefined && /^\|(?:\s*:?-+:?\s*\|)+\s*$/.test(line);
}

/** The cells of each row of each table of a Markdown text, heads and rulers left out. */
function tableRows(markdown: string): readonly (readonly string[])[] {
  const lines = markdown.split('\n');
  return lines
    .filter((line, index) => line.startsWith('|') && !isRuler(line) && !isRuler(lines[index + 1]))
    .map((line) => line.split(/(?<!\\)\|/).slice(1, -1).map((cell) => cell.trim()));
}

function codeSpans(text: string): readonly string[] {
  return [...text.matchAll(/`([^`]+)`/g)].map(([, code]) => code ?? '');
}

describe('docs/reasons.md', () => {
  const rows = tableRows(readProjectFile('docs/reasons.md'));

  it('has each reason once, with its status and who raises it', () => {
    const documented = rows.map(([code = '', status, hop]) => `${codeSpans(code).join()} ${status} ${hop}`);
    const actual = Object.entries(REASONS).map(([code, { status, hop }]) => `${code} ${status} ${hop}`);
    expect(documented.toSorted()).toEqual(actual.toSorted());
  });

  it('says of each what it means and what to do', () => {
    expect(rows.filter((cells) => cells.length !== 5 || cells.some((cell) => cell === ''))).toEqual([]);
  });

  it('names no reason that does not exist', () => {
    const known = new Set(Object.keys(REASONS));
    const mentioned = rows.flatMap(([, , , ...texts]) => texts.flatMap(codeSpans)).filter((code) => /^[a-z]+_[a-z_]+$/.test(code));
    const notReasons = new Set(['basic_auth', 'tls_config', 'proxy_url', 'proxy_connect_header']);
    expect(mentioned.filter((code) => !known.has(code) && !notReasons.has(code))).toEqual([]);
  });
});

describe('docs/dependencies.md', () => {
  const manifest: Readonly<Record<'dependencies' | 'devDependencies', Readonly<Record<string, string>>>> = JSON.parse(readProjectFile('package.json'));
  const [runtime = '', development = ''] = readProjectFile('docs/dependencies.md').split(/^## /m);

  it.each([
    ['dependencies', runtime],
    ['devDependencies', development],
  ] as const)('has each of the %s, and no other', (kind, section) => {
    const documented = tableRows(section).flatMap(([names = '']) => codeSpans(names));
    expect(documented.toSorted()).toEqual(Object.keys(manifest[kind]).toSorted());
  });

  it('gives for each a reason and a licence', () => {
    expect(tableRows(runtime + development).filter((cells) => cells.length !== 3 || cells.some((cell) => cell === ''))).toEqual([]);
  });
});
