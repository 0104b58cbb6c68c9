import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { readFile } from 'node:fs/promises';
import { Registry } from 'prom-client';
import { createTestPki, readPair } from '../../test/support/certificates.js';
import { eventually } from '../../test/support/eventually.js';
import { startFakeGateway } from '../../test/support/fake-gateway.js';
import type { FakeGateway, FakeGatewayOptions } from '../../test/support/fake-gateway.js';
import { createTempDir } from '../../test/support/temp-dir.js';
import type { TempDir } from '../../test/support/temp-dir.js';
import { silentLogger } from '../lib/logger.js';
import type { TlsCredentials } from '../model/agent-settings.js';
import { startAgent } from './agent.js';
import { lanesWanted } from './lanes.js';

describe('how many connections a tunnel has', () => {
  it.each<[string, number | 'auto', Parameters<typeof lanesWanted>[1], number]>([
    ['a near gateway', 'auto', { roundTripMs: 3, targets: 200, maxLanes: 16 }, 1],
    ['one of which nothing is known yet', 'auto', { roundTripMs: undefined, targets: 200, maxLanes: 16 }, 1],
    ['a far one, for two targets', 'auto', { roundTripMs: 100, targets: 2, maxLanes: 16 }, 1],
    ['a far one, for twenty', 'auto', { roundTripMs: 100, targets: 20, maxLanes: 16 }, 10],
    ['a far one, for two hundred', 'auto', { roundTripMs: 100, targets: 200, maxLanes: 16 }, 10],
    ['a far one that allows few', 'auto', { roundTripMs: 100, targets: 200, maxLanes: 3 }, 3],
    ['a far one, without targets', 'auto', { roundTripMs: 100, targets: 0, maxLanes: 16 }, 1],
    ['a number that the operator has set', 4, { roundTripMs: 1, targets: 1, maxLanes: 16 }, 4],
    ['a number above what the gateway allows', 4, { roundTripMs: 1, targets: 1, maxLanes: 1 }, 1],
  ])('%s', (_, setting, way, wanted) => {
    expect(lanesWanted(setting, way)).toBe(wanted);
  });
});

let dir: TempDir;
let credentials: TlsCredentials;
let server: FakeGatewayOptions;

beforeAll(async () => {
  dir = await createTempDir();
  const pki = await createTestPki(dir.join('pki'));
  const agent = await readPair(await pki.agent('site-a'));
  credentials = { certificate: agent.cert.toString(), key: agent.key.toString(), ca: await readFile(pki.serverCaFile, 'utf8') };
  server = { ...(await readPair(pki.gateway)), ca: await readFile(pki.agentsCaFile) };
});
afterAll(async () => {
  await dir[Symbol.asyncDispose]();
});

function agentOf(gateway: FakeGateway, lanes: number) {
  const registry = new Registry();
  const agent = startAgent(
    {
      gateways: [{ host: '127.0.0.1', port: gateway.port, serverName: 'localhost', expect: 1, lanes }],
      credentials: async () => credentials,
      targets: [],
      maxConcurrentScrapes: 100,
      maxConnectionsPerTarget: 10,
      keepAlive: { intervalMs: 3500, timeoutMs: 8500 },
      reconnect: { baseMs: 10, maxMs: 50 },
      dialTimeoutMs: 5000,
    },
    { logger: silentLogger, registry },
  );
  const lanesNow = async (): Promise<number | undefined> => {
    const metric = (await registry.getMetricsAsJSON()).find(({ name }) => name === 'scrapeway_agent_tunnel_lanes');
    return metric?.values[0]?.value;
  };
  return { agent, lanesNow, [Symbol.asyncDispose]: () => agent.drain() };
}

const laneOf = (head: string): string | undefined => /\r\ntunnel-lane: (.*)\r\n/.exec(head)?.[1];

describe('an agent with lanes', () => {
  it('opens them after the tunnel, names the gateway that they are for, and opens a lost one again', async () => {
    await using gateway = await startFakeGateway({ ...server, id: 'gw-1', maxLanes: 16 });
    await using site = agentOf(gateway, 3);
    const tunnels = [await gateway.tunnel(), await gateway.tunnel(), await gateway.tunnel()];
    expect(gateway.handshakes.map(laneOf)).toEqual([undefined, 'gw-1', 'gw-1']);
    expect(new Set(gateway.handshakes.map((head) => /tunnel-instance: (\S+)/.exec(head)?.[1])).size).toBe(1);
    await eventually(async () => expect(await site.lanesNow()).toBe(3));
    tunnels[2]?.socket.destroy();
    await gateway.tunnel();
    expect(gateway.handshakes.map(laneOf)).toEqual([undefined, 'gw-1', 'gw-1', 'gw-1']);
    expect(tunnels[0]?.session.destroyed).toBe(false);
    await eventually(async () => expect(await site.lanesNow()).toBe(3));
  });

  it('ends them when the tunnel is lost: they finish what they have, and the next tunnel gets new ones', async () => {
    await using gateway = await startFakeGateway({ ...server, id: 'gw-1', maxLanes: 16 });
    await using _site = agentOf(gateway, 2);
    const [main, lane] = [await gateway.tunnel(), await gateway.tunnel()];
    main.socket.destroy();
    expect(await lane.message()).toEqual({ type: 'draining' });
    await gateway.tunnel();
    await gateway.tunnel();
    expect(gateway.handshakes.map(laneOf)).toEqual([undefined, 'gw-1', undefined, 'gw-1']);
  });

  it('opens none at a gateway that does not know of them', async () => {
    await using gateway = await startFakeGateway({ ...server, id: 'gw-1' });
    await using site = agentOf(gateway, 3);
    const main = await gateway.tunnel();
    await eventually(async () => expect(await site.lanesNow()).toBe(1));
    // it measures the way before it would dial: a few PINGs later nothing has come
    for (let ping = 0; ping < 6; ping += 1) await new Promise((resolve) => main.session.ping(resolve));
    expect(gateway.handshakes.length).toBe(1);
  });
});
