import { describe, expect, it } from '@jest/globals';
import { suggest } from './suggest.js';

describe('a suggestion', () => {
  it.each([
    ['tenats', 'tenants'],
    ['tenantss', 'tenants'],
    ['tneants', 'tenants'],
    ['TENANTS', 'tenants'],
    ['agent', 'agents'],
    ['listener', 'listeners'],
  ])('for %s is %s', (word, meant) => {
    expect(suggest(word, ['listeners', 'tenants', 'agents'])).toBe(meant);
  });

  it.each(['', 'prometheus', 'ag', 'xyz'])('for "%s" there is none', (word) => {
    expect(suggest(word, ['listeners', 'tenants', 'agents'])).toBeUndefined();
  });

  it('needs something to choose from', () => {
    expect(suggest('x', [])).toBeUndefined();
  });

  it('takes the nearest', () => {
    expect(suggest('certFle', ['keyFile', 'certFile', 'caFile'])).toBe('certFile');
  });
});
