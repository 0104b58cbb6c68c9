import { describe, expect, it } from '@jest/globals';
import { readAuthorization } from './authorization.js';

function basic(pair: string): string {
  return `Basic ${Buffer.from(pair).toString('base64')}`;
}

describe('an authorization', () => {
  it.each([
    [basic('scraper:secret'), 'scraper', 'secret'],
    [basic('scraper:se:cr:et'), 'scraper', 'se:cr:et'],
    [basic('scraper:'), 'scraper', ''],
    [basic(':'), '', ''],
    [basic('jörg:pässword'), 'jörg', 'pässword'],
    ['bAsIc  c2NyYXBlcjpzZWNyZXQ= ', 'scraper', 'secret'],
  ])('%j is the user %j with the password %j', (value, user, password) => {
    expect(readAuthorization(value)).toEqual({ kind: 'basic', user, password });
  });

  it.each(['Bearer abc', 'bearer   abc', 'Bearer abc '])('%j is the token abc', (value) => {
    expect(readAuthorization(value)).toEqual({ kind: 'bearer', token: 'abc' });
  });

  it('may hold every character of a token', () => {
    expect(readAuthorization('Bearer aZ0._~+/-==')).toEqual({ kind: 'bearer', token: 'aZ0._~+/-==' });
  });

  it.each([
    '',
    'Basic',
    'Bearer ',
    'Digest username="x"',
    'abc',
    ' Bearer abc',
    'Bearer a b',
    'Bearer abc,Bearer abc',
    'Basic c2NyYXBlcjpzZWNyZXQ=,Basic eDp5',
    'Basic c2NyYXBlcg==', // no colon
    'Basic %%%',
    'Bearer a\u0000b',
    `Bearer ${'a'.repeat(8192)}`,
  ])('%j is none that we know', (value) => {
    expect(readAuthorization(value)).toEqual({ kind: 'unknown' });
  });
});
