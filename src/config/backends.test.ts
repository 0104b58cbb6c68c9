import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { createConfigFolder, GATEWAY, NO_ENVIRONMENT, placed } from '../../test/support/config-folder.js';
import type { ConfigFolder } from '../../test/support/config-folder.js';
import { loadGatewayConfig } from './gateway-config.js';

/** `backends` of the gateway's file whose rules stand in a header. */

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
