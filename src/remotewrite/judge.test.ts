import { describe, expect, it } from '@jest/globals';
import { judge } from './judge.js';
import type { JudgeContext, Verdict } from './judge.js';

const CONTEXT: JudgeContext = { version: '1', speaks2: false, retryOnRateLimit: true, nowMs: 0, maxRetryAfterMs: 60_000 };
const WRITTEN = { 'x-prometheus-remote-write-samples-written': '1' };

function kindOf(status: number, context: Partial<JudgeContext> = {}, headers: Readonly<Record<string, string>> = {}): string {
  const verdict: Verdict = judge({ status, headers, text: '' }, { ...CONTEXT, ...context });
  return verdict.kind === 'fall_back' && !verdict.sure ? 'fall_back?' : verdict.kind;
}

describe('an answer to version 1', () => {
  it.each([
    [200, 'delivered'],
    [204, 'delivered'],
    [302, 'dropped'],
    [400, 'dropped'],
    [401, 'dropped'],
    [404, 'dropped'],
    [413, 'dropped'],
    [415, 'dropped'],
    [429, 'retry'],
    [500, 'retry'],
    [503, 'retry'],
  ])('%d: %s', (status, kind) => {
    expect(kindOf(status)).toBe(kind);
  });

  it('429 is only tried again if it is allowed', () => {
    expect(kindOf(429, { retryOnRateLimit: false })).toBe('dropped');
  });

  it('says when to come back, within bounds', () => {
    const waits = ['7', '1000', 'nonsense'].map((after) => judge({ status: 503, headers: { 'retry-after': after }, text: '' }, CONTEXT));
    expect(waits).toEqual([{ kind: 'retry', waitMs: 7000 }, { kind: 'retry', waitMs: 60_000 }, { kind: 'retry', waitMs: undefined }]);
  });
});

describe('an answer to version 2', () => {
  it.each([
    ['2xx that tells what was written', 204, {}, WRITTEN, 'delivered'],
    ['2xx that does not: an old receiver that understood nothing', 204, {}, {}, 'fall_back'],
    ['415', 415, {}, {}, 'fall_back'],
    ['415 of one that spoke 2.0 before (a rollback)', 415, { speaks2: true }, {}, 'fall_back'],
    ['400 of one that never spoke 2.0', 400, {}, {}, 'fall_back?'],
    ['400 of one that does', 400, { speaks2: true }, {}, 'dropped'],
    ['400 that tells what was written', 400, {}, WRITTEN, 'dropped'],
    ['404', 404, {}, {}, 'dropped'],
    ['500', 500, {}, {}, 'retry'],
  ])('%s', (_, status, context, headers, kind) => {
    expect(kindOf(status, { version: '2', ...context }, headers)).toBe(kind);
  });
});
