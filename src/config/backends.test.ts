import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { createConfigFolder, GATEWAY, NO_ENVIRONMENT, placed } from '../../test/support/config-folder.js';
import type { ConfigFolder } from '../../test/support/config-folder.js';
import { loadGatewayConfig } from './gateway-config.js';

/** `backends` of the gateway's file: rules in a header, and replicas. */

let dir: ConfigFolder;
beforeAll(async () => {
  dir = await createConfigFolder();
});
afterAll(async () => dir[Symbol.asyncDispose]());

const NEEDED = 'backends[0].union: `policy_header` needs the header `X-Scope-OrgID` in `headers`, since each rule is sent for one of the tenants in it';

describe('union: policy_header', () => {
  it.each([
    ['without headers', '', [NEEDED]],
    ['with another header', ', headers: { X-Other: shop }', [NEEDED]],
    ['with a tenant', ', headers: { X-Scope-OrgID: shop }', []],
    ['with a tenant in small letters', ', headers: { x-scope-orgid: shop|bank }', []],
  ])('%s', async (_, headers, faults) => {
    const file = await dir.write('gateway.yaml', `${GATEWAY}backends: [{ name: mimir, url: http://mimir, union: policy_header${headers} }]\n`);
    const { result } = await loadGatewayConfig(file, NO_ENVIRONMENT);
    expect(result.ok ? [] : result.error.map(placed)).toEqual(faults);
  });
});

describe('replicas', () => {
  it.each([
    ['of one path', 'url: http://one/prom, replicas: [http://two/prom/, "https://three/prom"]', []],
    ['of no path', 'url: http://one/, replicas: [http://two]', []],
    ['of another path', 'url: http://one/prom, replicas: [http://two/prom, http://three]', ['backends[0].replicas[1]: must have the path of `url` ("/prom"): one question is asked of any of them']],
    ['with a path of their own', 'url: http://one, replicas: [http://two/prom]', ['backends[0].replicas[0]: must have the path of `url` ("/"): one question is asked of any of them']],
    ['with a health check', 'url: http://one, healthCheck: { path: /ready, interval: 1s, timeout: 500ms }', []],
    ['with a health check that is too seldom', 'url: http://one, healthCheck: { interval: 2m }', ['backends[0].healthCheck.interval: must be from 100ms to 1m']],
  ])('%s', async (_, keys, faults) => {
    const file = await dir.write('gateway.yaml', `${GATEWAY}backends: [{ name: main, ${keys} }]\n`);
    const { result } = await loadGatewayConfig(file, NO_ENVIRONMENT);
    expect(result.ok ? [] : result.error.map(placed)).toEqual(faults);
  });
});
