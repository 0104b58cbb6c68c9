import { describe, expect, it } from '@jest/globals';
import { figure, markdownTable } from './table.js';

describe('a table', () => {
  it('aligns its columns', () => {
    expect(markdownTable(['who', 'per second'], [['us', '1,000'], ['somebody', '']])).toBe(
      ['| who      | per second |', '| -------- | ---------: |', '| us       |      1,000 |', '| somebody |            |', ''].join('\n'),
    );
  });
});

describe('a figure', () => {
  it.each([
    [0, '0'],
    [0.04, '0'],
    [8.94, '8.9'],
    [56.75, '56.8'],
    [123.4, '123'],
    [6435.2, '6,435'],
  ])('of %d reads %s', (value, text) => expect(figure(value)).toBe(text));
});
