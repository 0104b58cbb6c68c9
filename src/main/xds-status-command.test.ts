import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { listenOnUnixSocket } from '../lib/unix-socket.js';
import { createTempDir } from '../../test/support/temp-dir.js';
import type { XdsStatusReport } from '../xds/status-report.js';
import { UsageError } from './command.js';
import { XDS_STATUS_PATH, xdsCommand } from './xds-status-command.js';

const said: string[] = [];

beforeEach(() => {
  said.length = 0;
  for (const stream of [process.stdout, process.stderr]) {
    jest.spyOn(stream, 'write').mockImplementation((text) => {
      said.push(String(text));
      return true;
    });
  }
});

afterEach(() => {
  jest.restoreAllMocks();
});

/** Runs the command against a gateway that answers with `report`. */
async function run(report: XdsStatusReport, ...args: readonly string[]): Promise<number> {
  await using dir = await createTempDir();
  const server = createServer((request, response) => response.writeHead(request.url === XDS_STATUS_PATH ? 200 : 404).end(JSON.stringify(report)));
  await listenOnUnixSocket(server, dir.join('api.sock'));
  const code = await xdsCommand.run(['status', '--runtime-dir', dir.path, ...args]);
  server.closeAllConnections();
  server.close();
  await once(server, 'close');
  return code;
}

const type = { typeUrl: 'u', kind: 'route', wanted: 'v2', sent: 'v2', acked: 'v1', ackedForMs: 10, unansweredForMs: 5, differing: [], differingCount: 0 } as const;

function reportOf(current: boolean): XdsStatusReport {
  return { version: 'v', envoys: [{ node: { id: 'edge', cluster: '', version: '1.40.0' }, variant: 'delta', service: 'aggregated', connectedForMs: 1, types: [{ ...type, current }] }] };
}

describe('scrapeway xds status', () => {
  it('is 0 when every Envoy is current, 1 when one is not', async () => {
    expect(await run(reportOf(true))).toBe(0);
    expect(said.join('')).toMatch(/edge, Envoy 1\.40\.0 .*\n +type .*\n +route +v2 +v2 +v1 +10 ms +current\n/);
    expect(await run(reportOf(false))).toBe(1);
    expect(said.join('')).toContain('unanswered for 5 ms');
  });

  it('prints the report as it is with --json', async () => {
    await run(reportOf(true), '--json');
    expect(JSON.parse(said.join(''))).toEqual(reportOf(true));
  });

  it('says that there is no gateway, and what it does not understand', async () => {
    await using dir = await createTempDir();
    expect(await xdsCommand.run(['status', '--runtime-dir', dir.path])).toBe(1);
    expect(said.join('')).toMatch(/no gateway answers on .*api\.sock/);
    await expect(xdsCommand.run(['state', '--runtime-dir', dir.path])).rejects.toThrow(UsageError);
    await expect(xdsCommand.run(['status'])).rejects.toThrow(/--runtime-dir/);
  });
});
