import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { connect, createServer } from 'node:net';
import { Registry } from 'prom-client';
import { createTestPki, readPair } from '../../test/support/certificates.js';
import { eventually } from '../../test/support/eventually.js';
import { startFakeGateway } from '../../test/support/fake-gateway.js';
import type { FakeGateway, FakeGatewayOptions } from '../../test/support/fake-gateway.js';
import { freePort, portOf } from '../../test/support/ports.js';
import { createTempDir } from '../../test/support/temp-dir.js';
import type { TempDir } from '../../test/support/temp-dir.js';
import { silentLogger } from '../lib/logger.js';
import type { GatewayAddress, TlsCredentials } from '../model/agent-settings.js';
import type { FoundAddress } from './addresses.js';
import { startAgent } from './agent.js';
import type { AgentDeps } from './agent.js';

/** One agent and several gateways: behind a load balancer, behind a name, in a list. */

let dir: TempDir;
let credentials: TlsCredentials;
let server: Omit<FakeGatewayOptions, 'id'>;

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

function agentOf(gateways: readonly GatewayAddress[], more: Partial<AgentDeps> = {}) {
  const registry = new Registry();
  const agent = startAgent(
    {
      gateways,
      credentials: async () => credentials,
      targets: [],
      maxConcurrentScrapes: 100,
      maxConnectionsPerTarget: 10,
      keepAlive: { intervalMs: 3500, timeoutMs: 8500 },
      reconnect: { baseMs: 10, maxMs: 50 },
      probe: { baseMs: 20, maxMs: 40 },
      dialTimeoutMs: 5000,
    },
    { logger: silentLogger, registry, ...more },
  );
  const value = async (name: string): Promise<number | undefined> => {
    const metric = (await registry.getMetricsAsJSON()).find((each) => each.name === name);
    return metric?.values[0]?.value;
  };
  return { agent, value, [Symbol.asyncDispose]: () => agent.drain() };
}

/** Says yes to each registration, for ever. */
async function serve(gateway: FakeGateway): Promise<void> {
  for (;;) {
    const tunnel = await gateway.tunnel();
    const answer = async (): Promise<void> => {
      for (let message = await tunnel.message(); message !== undefined; message = await tunnel.message()) {
        if (message.type === 'targets') tunnel.say({ type: 'registered', revision: message.revision, accepted: message.targets.length, faults: [] });
      }
    };
    // a tunnel that is cut is the end of it
    void answer().catch(() => undefined);
  }
}

async function gatewayOf(id: string, more: Partial<FakeGatewayOptions> = {}): Promise<FakeGateway> {
  const gateway = await startFakeGateway({ ...server, id, ...more });
  void serve(gateway);
  return gateway;
}

/** TCP, the next of `ports` for each connection. */
async function startBalancer(ports: readonly number[]) {
  let turn = 0;
  const balancer = createServer((socket) => {
    const upstream = connect(ports[turn++ % ports.length] ?? 0, '127.0.0.1');
    for (const each of [socket, upstream]) each.on('error', () => undefined).on('close', () => (socket.destroy(), upstream.destroy()));
    socket.pipe(upstream).pipe(socket);
  }).listen(0, '127.0.0.1');
  await once(balancer, 'listening');
  return { port: portOf(balancer), [Symbol.asyncDispose]: async () => void balancer.close() };
}

const at = (port: number, more: Partial<GatewayAddress> = {}): GatewayAddress => ({ host: '127.0.0.1', port, serverName: 'localhost', ...more });

describe('behind a load balancer', () => {
  it('the agent dials until it has a tunnel to each gateway that they tell of, and then no more', async () => {
    const ids = ['gw-1', 'gw-2', 'gw-3'];
    const gateways = await Promise.all(ids.map((id) => gatewayOf(id, { all: ids })));
    await using balancer = await startBalancer([gateways[0], gateways[0], gateways[1], gateways[1], gateways[2]].map((each) => each?.port ?? 0));
    await using site = agentOf([at(balancer.port)]);
    await eventually(() => expect(site.agent.connectedGateways()).toBe(3));
    expect(await site.value('scrapeway_agent_gateways_missing')).toBe(0);
    expect(await site.value('scrapeway_agent_tunnel_up')).toBe(3);
    const dials = gateways.map((gateway) => gateway.handshakes.length);
    // a look that is under way would have ended by then: it meets somebody it knows
    await eventually(() => expect(site.agent.connectedGateways()).toBe(3));
    expect(gateways.map((gateway) => gateway.handshakes.length - gateway.metAgain())).toEqual([1, 1, 1]);
    expect(gateways.map((gateway) => gateway.handshakes.length)).toEqual(dials);
    for (const gateway of gateways) await gateway.close();
  });

  it('a gateway that is met again says so, and its tunnel is not touched', async () => {
    const first = await gatewayOf('gw-1', { all: null });
    const second = await gatewayOf('gw-2', { all: null });
    await using balancer = await startBalancer([first.port, first.port, first.port, second.port]);
    await using site = agentOf([at(balancer.port, { expect: 2 })]);
    await eventually(() => expect(site.agent.connectedGateways()).toBe(2));
    expect(first.metAgain()).toBe(2);
    expect(first.handshakes).toHaveLength(3);
    expect(await site.value('scrapeway_agent_tunnel_failures_total')).toBeUndefined();
    await Promise.all([first.close(), second.close()]);
  });

  it('without a word of how many there are, it goes on looking, and one gateway keeps its one tunnel', async () => {
    const only = await gatewayOf('gw-1', { all: null });
    await using site = agentOf([at(only.port)]);
    await eventually(() => expect(only.metAgain()).toBeGreaterThan(3));
    expect(site.agent.connectedGateways()).toBe(1);
    expect(only.handshakes.length - only.metAgain()).toBe(1);
    expect(await site.value('scrapeway_agent_gateways_missing')).toBe(0);
    await only.close();
  });

  it('a gateway that restarts is found again; the others keep their tunnels', async () => {
    const ids = ['gw-1', 'gw-2'];
    const port = await freePort();
    let first = await gatewayOf('gw-1', { all: ids, listen: { host: '127.0.0.1', port } });
    const second = await gatewayOf('gw-2', { all: ids });
    await using balancer = await startBalancer([port, second.port]);
    await using site = agentOf([at(balancer.port)]);
    await eventually(() => expect(site.agent.connectedGateways()).toBe(2));
    await first.close();
    await eventually(() => expect(site.agent.connectedGateways()).toBe(1));
    expect(await site.value('scrapeway_agent_gateways_missing')).toBe(1);
    first = await gatewayOf('gw-1', { all: ids, listen: { host: '127.0.0.1', port } });
    await eventually(() => expect(site.agent.connectedGateways()).toBe(2));
    expect(second.handshakes.length - second.metAgain()).toBe(1);
    await Promise.all([first.close(), second.close()]);
  });

  it('a new tunnel to a gateway that has lost the old one replaces it', async () => {
    // it does not look at tunnel-known, as a gateway that knows nothing of the agent's tunnel
    const forgetful = await gatewayOf('gw-1', { all: ['gw-1', 'gw-2'], forgets: true });
    await using site = agentOf([at(forgetful.port)]);
    await eventually(() => expect(forgetful.handshakes.length).toBeGreaterThan(3));
    await eventually(() => expect(site.agent.connectedGateways()).toBe(1));
    await forgetful.close();
  });
});

describe('behind a name', () => {
  const found = (...addresses: string[]): FoundAddress[] => addresses.map((address) => ({ address, family: 4 }));

  it('each address gets a tunnel of its own, and one that vanishes loses it', async () => {
    const port = await freePort();
    const first = await gatewayOf('gw-1', { listen: { host: '127.0.0.1', port } });
    const second = await gatewayOf('gw-2', { listen: { host: '127.0.0.2', port } });
    let answer = found('127.0.0.1', '127.0.0.2');
    await using site = agentOf([{ host: 'gateways.example', port, serverName: 'localhost' }], { lookup: async () => answer, clock: hurriedClock });
    await eventually(() => expect(site.agent.connectedGateways()).toBe(2));
    answer = found('127.0.0.2');
    await eventually(() => expect(site.agent.connectedGateways()).toBe(1));
    expect(await site.value('scrapeway_agent_tunnel_up')).toBe(1);
    await Promise.all([first.close(), second.close()]);
  });

  it('a gateway that moves is followed, and a resolver that fails changes nothing', async () => {
    const port = await freePort();
    const first = await gatewayOf('gw-1', { listen: { host: '127.0.0.1', port } });
    let answer: () => FoundAddress[] = () => found('127.0.0.1');
    let asked = 0;
    const lookup = async (): Promise<FoundAddress[]> => ((asked += 1), answer());
    await using site = agentOf([{ host: 'gateway.example', port, serverName: 'localhost' }], { lookup, clock: hurriedClock });
    await eventually(() => expect(site.agent.connectedGateways()).toBe(1));
    answer = () => {
      throw new Error('SERVFAIL');
    };
    const before = asked;
    await eventually(() => expect(asked).toBeGreaterThan(before + 4));
    expect(site.agent.connectedGateways()).toBe(1);
    const second = await gatewayOf('gw-1', { listen: { host: '127.0.0.2', port } });
    answer = () => found('127.0.0.2');
    await first.close();
    await eventually(() => expect([second.handshakes.length, site.agent.connectedGateways()]).toEqual([1, 1]));
    await second.close();
  });

  /** Time for what repeats: half a minute passes in 50 ms; time-outs of what is under way stay long enough. */
  const hurriedClock = {
    nowMs: () => performance.now(),
    after: (delayMs: number, callback: () => void) => {
      const timer = setTimeout(callback, delayMs > 20_000 ? 50 : delayMs);
      return () => clearTimeout(timer);
    },
  };
});

describe('in a list', () => {
  it('two ways to one gateway are one tunnel', async () => {
    const only = await gatewayOf('gw-1', { all: null });
    await using balancer = await startBalancer([only.port]);
    await using site = agentOf([at(only.port), at(balancer.port)]);
    await eventually(() => expect(only.metAgain()).toBeGreaterThan(1));
    expect(site.agent.connectedGateways()).toBe(1);
    await only.close();
  });
});
