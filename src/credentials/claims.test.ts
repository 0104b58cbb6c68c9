import { describe, expect, it } from '@jest/globals';
import { judge, passwordClaim, passwordTable } from './claims.js';
import type { Claim, Owned } from './claims.js';
import { ownersOf, sanKey } from './san.js';

const a: Owned = { tenant: 'a', expiresMs: undefined };
const alsoA: Owned = { tenant: 'a', expiresMs: 1000 };
const b: Owned = { tenant: 'b', expiresMs: undefined };
const one = (...owned: readonly Owned[]): Claim<Owned> => new Set(owned);

describe('who shows credentials', () => {
  it.each<readonly [string, readonly Claim<Owned>[], string, string | undefined]>([
    ['nothing', [], 'nothing_shown', undefined],
    ['one that is good', [one(a)], 'tenant', 'a'],
    ['two of one tenant', [one(a), one(alsoA)], 'tenant', 'a'],
    ['two of two tenants', [one(a), one(b)], 'conflicting', undefined],
    ['one that two tenants have', [one(a, b)], 'conflicting', undefined],
    ['one that nobody has', [one()], 'invalid', undefined],
    ['a good one, and one that nobody has', [one(a), one()], 'invalid', undefined],
    ['one that could not be checked', ['busy'], 'unchecked', undefined],
    ['a good one, and one that could not be checked', [one(a), 'busy'], 'unchecked', undefined],
    ['one that nobody has, and one that could not be checked', ['busy', one()], 'invalid', undefined],
  ])('%s', (_what, claims, kind, tenant) => {
    const verdict = judge(claims, 999);
    expect([verdict.kind, verdict.kind === 'tenant' ? verdict.tenant : undefined]).toEqual([kind, tenant]);
  });

  it('one that is over is one that nobody has', () => {
    expect(judge([one(alsoA)], 1000)).toEqual({ kind: 'invalid' });
    expect(judge([one(a), one(alsoA)], 1000)).toEqual({ kind: 'invalid' });
  });
});

describe('a password', () => {
  const nobody: Owned = { tenant: '', expiresMs: 0 };
  const asked: string[] = [];
  const checker = {
    matches: (user: string, password: string, bcryptHash: string) => {
      asked.push(`${user} ${password} ${bcryptHash}`);
      return password === 'right' ? ('right' as const) : ('wrong' as const);
    },
  };

  it('of an unknown user costs as much as one that is wrong', () => {
    const hash = `$2b$10$${'a'.repeat(53)}`;
    const table = passwordTable(new Map([['a', [{ credential: a, bcryptHash: hash }]]]), nobody);
    expect(passwordClaim(table, checker, { user: 'a', password: 'right' })).toEqual(new Set([a]));
    expect(passwordClaim(table, checker, { user: 'a', password: 'wrong' })).toEqual(new Set());
    expect(passwordClaim(table, checker, { user: 'x', password: 'wrong' })).toEqual(new Set());
    expect(asked).toEqual([`a right ${hash}`, `a wrong ${hash}`, expect.stringMatching(/^x wrong \$2b\$10\$/)]);
  });

  it('is checked against nothing where nobody has one', () => {
    expect(passwordClaim(passwordTable(new Map(), nobody), checker, { user: 'x', password: 'right' })).toEqual(new Set());
  });
});

describe('names in a certificate', () => {
  it('are compared without case where they are DNS names, and as they stand where they are URIs', () => {
    expect([sanKey('dns', 'A.Example'), sanKey('uri', 'spiffe://A')]).toEqual(['dns:a.example', 'uri:spiffe://A']);
  });

  it('make it everybody’s whose names it has, but only where a whole name is somebody’s', () => {
    const owners = new Map([[sanKey('uri', 'u'), new Set(['a'])], [sanKey('dns', 'd'), new Set(['b'])]]);
    const shown = [sanKey('uri', 'u'), sanKey('dns', 'd')];
    expect(ownersOf({ shown, whole: [sanKey('uri', 'u')] }, owners)).toEqual(new Set(['a', 'b']));
    expect(ownersOf({ shown, whole: [sanKey('dns', 'other')] }, owners)).toEqual(new Set());
  });
});
