import { describe, expect, it } from '@jest/globals';
import { RegexBudget, regexCost } from './regex-cost.js';

describe('the cost of a regular expression', () => {
  it.each([
    ['is that of its characters', 'a.c', 3, 3],
    ['grows with repetitions', 'ab{100}', 101, 101],
    ['by their larger bound', 'a{2,50}', 50, 50],
    ['and by the smaller where there is no other', 'a{50,}', 50, 50],
    ['of groups, too', '(ab){10}', 20, 50],
    ['one within another', '((a{10}){10}){10}', 1000, 5000],
    ['of what looks like one, as text', 'a{x}', 4, 4],
    ['counts escapes and classes as one', String.raw`\d\.[a-z]`, 3, 6],
    ['where a bracket may be in a class', '[]a]{10}[^]b]{10}', 20, 40],
    ['weighs classes that have names', String.raw`\pL[[:alpha:]]\p{Greek}`, 75, 100],
    ['knows quoted text', String.raw`\Q(a){9}\E`, 6, 12],
    ['counts groups that nobody closes', '((((a', 1, 5],
    ['and those that nobody opened', 'a))))', 1, 20],
    ['knows an escape of nothing', 'a\\', 2, 3],
  ])('%s', (_name, pattern, least, most) => {
    expect(regexCost(pattern)).toBeGreaterThanOrEqual(least);
    expect(regexCost(pattern)).toBeLessThanOrEqual(most);
  });

  it.each(['(', '[', '\\', '{', '(?:', '[[:', '\\p{', '\\Q'])('is told at once of many %j', (text) => {
    const before = process.cpuUsage();
    regexCost(text.repeat(20_000));
    const { user } = process.cpuUsage(before);
    expect(user).toBeLessThan(2_000_000);
  });
});

it('a budget has room for a long list of names, once', () => {
  const budget = new RegexBudget();
  const names = Array.from({ length: 7000 }, (_, index) => String.raw`pod\.name-${index}.*`).join('|');
  expect([budget.spend(names), budget.spend(names), budget.spend('a')]).toEqual([true, false, false]);
});
