import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { changed, createConfigFolder, GATEWAY, NO_ENVIRONMENT, placed } from '../../test/support/config-folder.js';
import type { ConfigFolder } from '../../test/support/config-folder.js';
import { loadGatewayConfig } from './gateway-config.js';

const DAY_MS = 86_400_000;
const CREDENTIAL = `      - bearer: { sha256: ${'ab'.repeat(32)} }\n`;

let dir: ConfigFolder;
beforeAll(async () => {
  dir = await createConfigFolder();
});
afterAll(async () => dir[Symbol.asyncDispose]());

/** Of the tenants; the faults where there are any. */
async function dryRuns(entry: string): Promise<readonly unknown[]> {
  const { result } = await loadGatewayConfig(await dir.write('gateway.yaml', changed(GATEWAY, CREDENTIAL, `${CREDENTIAL}    queryDryRun: ${entry}\n`)), NO_ENVIRONMENT);
  return result.ok ? result.value.state.tenants.flatMap(({ queryDryRunUntilMs }) => queryDryRunUntilMs ?? []) : result.error.map(placed);
}

const at = (ms: number): string => new Date(ms).toISOString();

describe("a tenant's dry run", () => {
  it('has an end', async () => {
    const end = Date.now() + 30 * DAY_MS;
    expect(await dryRuns(`{ until: '${at(end)}' }`)).toEqual([end]);
  });

  it('may be over: the file is as good as without it', async () => {
    expect(await dryRuns("{ until: '2020-01-01T00:00:00Z' }")).toEqual([Date.parse('2020-01-01T00:00:00Z')]);
  });

  it.each([
    ['true', /queryDryRun/],
    ['{}', /queryDryRun.*until/],
    ["{ until: 'tomorrow' }", /queryDryRun\.until/],
    ["{ until: '2026-13-45T00:00:00Z' }", /queryDryRun\.until: there is no such time/],
    [`{ until: '${at(Date.now() + 32 * DAY_MS)}' }`, /queryDryRun\.until: more than 31 days away/],
  ])('%s is a fault', async (entry, expected) => {
    expect(await dryRuns(entry)).toEqual([expect.stringMatching(expected)]);
  });
});
