import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { createConfigFolder, GATEWAY, NO_ENVIRONMENT, placed } from '../../test/support/config-folder.js';
import type { ConfigFolder } from '../../test/support/config-folder.js';
import { loadGatewayConfig } from './gateway-config.js';

let dir: ConfigFolder;
beforeAll(async () => {
  dir = await createConfigFolder();
});
afterAll(async () => dir[Symbol.asyncDispose]());

/** What becomes of the section, or the faults. */
async function queries(section: string): Promise<unknown> {
  const { result } = await loadGatewayConfig(await dir.write('gateway.yaml', `${GATEWAY}queries: ${section}\n`), NO_ENVIRONMENT);
  return result.ok ? result.value.process.queries : result.error.map(placed);
}

describe('the cache of queries', () => {
  it.each([
    ['{}', { cacheBytes: undefined, shared: undefined }],
    ['{ cacheSize: 64MiB }', { cacheBytes: 64 * 2 ** 20, shared: undefined }],
    ['{ redis: { url: "redis://redis.example:6379/2" } }', { cacheBytes: 16 * 2 ** 20, shared: { url: 'redis://redis.example:6379/2', user: undefined, password: undefined, caPem: undefined, prefix: 'scrapeway:', timeoutMs: 50, maxValueBytes: 2 ** 20 } }],
    ['{ cacheSize: 1MiB, redis: { url: "rediss://redis.example", user: gateway, passwordFile: password, caFile: server-ca.crt, prefix: "eu:", timeout: 5ms, maxValueSize: 4MiB } }', { cacheBytes: 2 ** 20, shared: { url: 'rediss://redis.example', user: 'gateway', password: expect.any(String), caPem: expect.stringContaining('BEGIN CERTIFICATE'), prefix: 'eu:', timeoutMs: 5, maxValueBytes: 4 * 2 ** 20 } }],
  ])('%s', async (section, expected) => {
    await dir.write('password', 'hunter2\n');
    expect(await queries(section)).toEqual(expected);
  });

  it.each([
    ['{ redis: {} }', /^queries\.redis.*url/],
    ['{ redis: { url: "redis://user:secret@redis.example" } }', /^queries\.redis\.url/],
    ['{ redis: { url: "http://redis.example" } }', /^queries\.redis\.url/],
    ['{ redis: { url: "redis://redis.example", timeout: 2s } }', /^queries\.redis\.timeout/],
    ['{ redis: { url: "redis://redis.example", user: gateway } }', /^queries\.redis\.user: stands without `passwordFile`/],
    ['{ redis: { url: "redis://redis.example", passwordFile: nowhere } }', /^queries\.redis\.passwordFile/],
    ['{ redis: { url: "redis://redis.example", caFile: server-ca.crt } }', /^queries\.redis\.caFile: is for `rediss:\/\/`/],
  ])('%s is a fault', async (section, expected) => {
    expect(await queries(section)).toEqual([expect.stringMatching(expected)]);
  });
});
