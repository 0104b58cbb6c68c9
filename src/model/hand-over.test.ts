import { describe, expect, it } from '@jest/globals';
import type { ExportReport } from './export-report.js';
import { handOverKey, handOverOf, parseHandOver } from './hand-over.js';

const report = (name: string, deliveredMs: number | undefined): ExportReport => ({ tenant: 'a', name, urls: ['http://r'], state: { kind: 'running' }, lastCollectionMs: undefined, deliveredMs, series: 1 });
const [x, y] = [handOverKey(report('x', 0)), handOverKey(report('y', 0))];

describe('what one gateway leaves to the next', () => {
  it.each<readonly [string, readonly ExportReport[], Readonly<Record<string, number>>, Readonly<Record<string, number>>]>([
    ['is how far each export has come', [report('x', 5), report('y', 7)], {}, { [x]: 5, [y]: 7 }],
    ['is what it was left itself, where it has delivered nothing yet', [report('x', undefined)], { [x]: 3 }, { [x]: 3 }],
    ['never goes back', [report('x', 2)], { [x]: 3 }, { [x]: 3 }],
    ['forgets exports that are no more', [report('x', 5)], { [x]: 3, [y]: 3 }, { [x]: 5 }],
    ['says nothing of what nobody knows', [report('x', undefined)], {}, {}],
  ])('%s', (_, reports, before, expected) => {
    expect(handOverOf(reports, before)).toEqual(expected);
  });

  it.each([
    ['tenant and name', { tenant: 'ab', name: '' }],
    ['receivers', { urls: ['http://other'] }],
  ])('is told apart by %s', (_, other) => {
    expect(handOverKey({ ...report('b', 0), ...other })).not.toBe(handOverKey(report('b', 0)));
  });

  it.each([[undefined, {}], ['{"k":5}', { k: 5 }], ['{"k":"5","l":null}', {}], ['garbage', {}], ['7', {}], ['null', {}]])('is read from %s', (text, expected) => {
    expect(parseHandOver(text)).toEqual(expected);
  });
});
