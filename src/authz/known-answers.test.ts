import { describe, expect, it } from '@jest/globals';
import { createKnownAnswers } from './known-answers.js';
import type { Question } from './question.js';

const QUESTION: Question = {
  door: 'path',
  method: 'GET',
  path: '/scrape/site-1/node',
  host: 'gateway.example',
  authorization: 'Basic x',
  proxyAuthorization: undefined,
  principal: '',
  clientCertificate: undefined,
  scrapeTimeout: '10',
  upgrade: undefined,
  assertedTenant: undefined,
  peerIssuer: undefined,
  peerSerial: undefined,
  token: undefined,
};
const ANSWER = Buffer.from('yes');

function setUp() {
  const clock = { nowMs: 0 };
  const known = createKnownAnswers(() => clock.nowMs);
  const key = known.keyOf(QUESTION) ?? '';
  known.keep(key, ANSWER, known.epoch);
  return { clock, known, key };
}

describe('known answers', () => {
  it('gives an answer to the same question', () => {
    const { known } = setUp();
    expect(known.get(known.keyOf({ ...QUESTION }) ?? '')).toBe(ANSWER);
  });

  it.each<[string, Partial<Question>]>([
    ['another path', { path: '/scrape/site-1/other' }],
    ['another password', { authorization: 'Basic y' }],
    ['the same password elsewhere', { authorization: undefined, proxyAuthorization: 'Basic x' }],
    ['a boundary elsewhere', { path: '/scrape/site-1/nodeg', host: 'ateway.example' }],
    ['an empty header in place of none', { upgrade: '' }],
    ['another serial', { peerSerial: 'a1' }],
  ])('takes %s for another question', (_, change) => {
    const { known } = setUp();
    expect(known.get(known.keyOf({ ...QUESTION, ...change }) ?? '')).toBeUndefined();
  });

  it('keeps nothing of the password in the key', () => {
    const { known } = setUp();
    expect(known.keyOf({ ...QUESTION, authorization: 'Basic secret' })).not.toContain('secret');
  });

  it.each<[string, NonNullable<Question['token']>]>([
    ['was verified', { payload: new Map(), failures: new Map() }],
    ['was not', { payload: undefined, failures: new Map([['issuer', { code: 2, message: 'expired' }]]) }],
  ])('does not know a question with a token that %s', (_, token) => {
    expect(setUp().known.keyOf({ ...QUESTION, token })).toBeUndefined();
  });

  it('knows a question in which Envoy looked for a token and found none', () => {
    const { known } = setUp();
    expect(known.get(known.keyOf({ ...QUESTION, token: { payload: undefined, failures: new Map() } }) ?? '')).toBe(ANSWER);
  });

  it('forgets, and keeps nothing that was decided before it forgot', () => {
    const { known, key } = setUp();
    const { epoch } = known;
    known.forget();
    expect(known.get(key)).toBeUndefined();
    known.keep(key, ANSWER, epoch);
    expect(known.get(key)).toBeUndefined();
  });

  it('gives no answer again after a minute, however often it is asked', () => {
    const { clock, known, key } = setUp();
    for (clock.nowMs = 10_000; clock.nowMs <= 30_000; clock.nowMs += 10_000) expect(known.get(key)).toBe(ANSWER);
    clock.nowMs = 40_000;
    expect(known.get(key)).toBe(ANSWER);
    clock.nowMs = 75_000;
    expect(known.get(key)).toBeUndefined();
  });

  it('is bounded: the oldest go first', () => {
    const { known, key } = setUp();
    for (let i = 0; i < 2 * 8192; i += 1) known.keep(String(i), ANSWER, known.epoch);
    expect(known.get(key)).toBeUndefined();
    expect(known.get('16383')).toBe(ANSWER);
  });
});
