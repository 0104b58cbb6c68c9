import { describe, expect, it } from '@jest/globals';
import { err } from '../lib/result.js';
import { readGroupingKey, withTenant, writeGroupingKey } from './grouping-key.js';

/** What a real Pushgateway makes of it: test/integration/push-gateway.test.ts. */

function rewritten(path: string): string {
  const key = readGroupingKey(path.split('/'));
  return key.ok ? writeGroupingKey(key.value) : `refused: ${key.error}`;
}

describe('a grouping key', () => {
  it.each([
    ['job/a', 'job@base64/YQ'],
    ['job@base64/YQ', 'job@base64/YQ'],
    ['job@base64/YQ==', 'job@base64/YQ'],
    ['job@base64/YQ%3D%3D', 'job@base64/YQ'],
    ['job/a/x@base64/=', 'job@base64/YQ/x@base64/='],
    ['job/%E2%82%AC+', 'job@base64/4oKsKw'],
  ])('%s', (path, expected) => {
    expect(rewritten(path)).toBe(expected);
  });

  it.each([
    ['', 'a label without a value in the path'],
    ['job', 'a label without a value in the path'],
    ['x/1/job/a', 'a path that does not begin with the job'],
    ['job@base64/=', 'an empty job'],
    ['job/a%2Fb', 'a value of job that cannot be decoded, or has a slash and is not base64'],
    ['job/%ff', 'a value of job that cannot be decoded, or has a slash and is not base64'],
    ['job@base64/a+b', 'a value of job that cannot be decoded, or has a slash and is not base64'],
    ['job@base64/_w', 'a value of job that cannot be decoded, or has a slash and is not base64'],
    ['job@base64/YR', 'a value of job that cannot be decoded, or has a slash and is not base64'],
    ['job/a/job/b', 'the label job twice'],
    ['job/a/x/1/%78/2', 'the label x twice'],
    ['job/a/__name__/b', '"__name__", which cannot be a label of a grouping key'],
    ['job/a/U__tenant/b', '"U__tenant", which cannot be a label of a grouping key'],
    ['job/a/a.b/b', '"a.b", which cannot be a label of a grouping key'],
    [`job/${'a'.repeat(1025)}`, 'a value of job longer than 1024 bytes'],
    [`job/a${'/x/1'.repeat(32)}`, 'more than 32 labels in the path'],
  ])('is refused: %s', (path, error) => {
    expect(rewritten(path)).toBe(`refused: ${error}`);
  });

  it('is the tenant’s', () => {
    expect(withTenant(new Map([['job', 'a']]), 'tenant', 't')).toMatchObject({ ok: true, value: new Map([['job', 'a'], ['tenant', 't']]) });
    expect(withTenant(new Map([['tenant', 'u']]), 'tenant', 't')).toEqual(err('another value of the label tenant than its sender may write'));
  });
});
