import { describe, expect, it } from '@jest/globals';
import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { readToken, tokenKey, verifyToken, writeToken } from './token.js';
import type { JoinToken } from './token.js';

const key = randomBytes(32);
const token: JoinToken = { id: 'an id', agent: 'site-a', expiresMs: 1_700_000_000_000, joinAt: 'gw.example:9443', gateway: 'gw.example:8443', caFingerprint: 'ab'.repeat(32) };
const text = writeToken(token, key);

describe('a join token', () => {
  it('is one word that a shell and a chat leave alone, and says what it was made with', () => {
    expect(text).toMatch(/^swj1\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]{43}$/);
    expect(verifyToken(text, key)).toEqual({ ok: true, value: token });
    expect(readToken(text)).toEqual({ ok: true, value: token });
  });

  it('is worth nothing with any one character changed', () => {
    const survivors = [...text].flatMap((character, at) => {
      const other = character === 'A' ? 'B' : 'A';
      const spoilt = verifyToken(text.slice(0, at) + other + text.slice(at + 1), key);
      return spoilt.ok ? [at] : [];
    });
    // the last character of a MAC in base64url has two bits to spare
    expect(survivors.filter((at) => at < text.length - 1)).toEqual([]);
  });

  it.each([
    ['nothing', ''],
    ['another version', text.replace('swj1', 'swj2')],
    ['no signature', text.slice(0, text.lastIndexOf('.'))],
    ['a further part', `${text}.x`],
    ['a megabyte', `swj1.${'A'.repeat(1e6)}.A`],
    ['what is no JSON', `swj1.${Buffer.from('{').toString('base64url')}.A`],
    ['an agent that is no name', writeToken({ ...token, agent: '../x' }, key)],
    ['a fingerprint that is none', writeToken({ ...token, caFingerprint: 'x' }, key)],
  ])('is not %s', (_, spoilt) => {
    expect(verifyToken(spoilt, key).ok).toBe(false);
  });

  it('is signed by a key that comes from the CA\'s, the same each time, and another for another CA', () => {
    const pems = [1, 2].map(() => generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ type: 'pkcs8', format: 'pem' }).toString());
    const [first = '', second = ''] = pems;
    expect(tokenKey(first)).toEqual(tokenKey(first));
    expect(tokenKey(first).equals(tokenKey(second))).toBe(false);
  });
});
