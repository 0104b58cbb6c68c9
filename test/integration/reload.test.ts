import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { once } from 'node:events';
import { appendFile, copyFile, readFile, writeFile } from 'node:fs/promises';
import { Agent, request } from 'node:https';
import type { IncomingMessage } from 'node:http';
import { connect } from 'node:tls';
import type { TLSSocket } from 'node:tls';
import { initCa, issueAgent, issueGateway } from '../../src/pki/pki.js';
import { eventually } from '../support/eventually.js';
import { fetchRaw } from '../support/http.js';
import { PASSWORD, startWorld, worldTenants } from '../support/world.js';
import type { World } from '../support/world.js';

/** Everything that may change while it runs, does; whoever is connected does not notice. */

let world: World;
beforeEach(async () => {
  world = await startWorld({ gateway: { tunnel: { reconnectGrace: '0s' } } });
});
afterEach(async () => {
  await world[Symbol.asyncDispose]();
});

const AGENTS = [
  { name: 'site-a', tenants: ['team-a'] },
  { name: 'site-b', tenants: ['team-b'] },
];
const GRACE = { tunnel: { reconnectGrace: '0s' }, gateway: { id: 'test', names: ['localhost'] }, discovery: { settle: '2s' } };
const asTeamA = `Basic ${Buffer.from(`team-a:${PASSWORD}`).toString('base64')}`;

/** One connection to the scrape door that stays open. */
class KeptConnection implements Disposable {
  readonly #agent: Agent;
  readonly #ca: Buffer;
  /** Every connection that was needed: one, if none was dropped. */
  readonly sockets = new Set<unknown>();

  constructor(ca: Buffer) {
    this.#ca = ca;
    this.#agent = new Agent({ keepAlive: true, maxSockets: 1 });
  }

  async status(path: string, authorization = asTeamA): Promise<number> {
    const asked = request(`${world.gateway.scrapeUrl}${path}`, { agent: this.#agent, ca: this.#ca, servername: 'localhost', headers: { authorization } });
    asked.on('socket', (socket) => this.sockets.add(socket));
    asked.end();
    const answer: IncomingMessage = await new Promise((resolve, reject) => {
      asked.once('response', resolve);
      asked.once('error', reject);
    });
    answer.resume();
    await once(answer, 'end');
    return answer.statusCode ?? 0;
  }

  [Symbol.dispose](): void {
    this.#agent.destroy();
  }
}

async function keptConnection(): Promise<KeptConnection> {
  return new KeptConnection(await readFile(world.pki.serverCaFile));
}

/** Tunnels that were lost since the start, as the two agents saw it. */
function lostTunnels(): number {
  return [world.siteA, world.siteB].flatMap(({ agent }) => agent.process.log().match(/tunnel down/g) ?? []).length;
}

async function reloadSuccessful(): Promise<number | undefined> {
  return (await world.gateway.metric('scrapeway_config_last_reload_successful')).get('');
}

/** Serial number of the certificate that the scrape door shows. */
async function shownSerial(port: number): Promise<string> {
  const socket: TLSSocket = connect({ host: 'localhost', port, servername: 'localhost', rejectUnauthorized: false });
  await once(socket, 'secureConnect');
  const { serialNumber } = socket.getPeerCertificate();
  socket.destroy();
  return serialNumber;
}

/** Generous to a machine that does other things as well. */
const SOON = { timeoutMs: 15_000 };

describe("the gateway's file", () => {
  it('a tenant comes and goes; neither a kept connection nor a tunnel is dropped', async () => {
    using kept = await keptConnection();
    expect(await kept.status('/scrape/site-a/web')).toBe(200);
    const [teamA, teamB] = await worldTenants();
    const asTeamC = asTeamA.replace(/ .*/, ` ${Buffer.from(`team-c:${PASSWORD}`).toString('base64')}`);
    const credentials = JSON.parse(JSON.stringify(teamA?.['credentials'] ?? []).replaceAll('"user":"team-a"', '"user":"team-c"'));
    expect(await kept.status('/scrape/site-b/web', asTeamC)).toBe(401);

    const withTeamC = { ...GRACE, tenants: [teamA, teamB, { name: 'team-c', credentials }], agents: [AGENTS[0], { name: 'site-b', tenants: ['team-b', 'team-c'] }] };
    const without = { ...GRACE, tenants: [teamA, teamB], agents: AGENTS };
    /** Until it is in force at Envoy, ms. */
    const takes = async (change: Readonly<Record<string, unknown>>, status: number): Promise<number> => {
      await world.gateway.reconfigure(change);
      const changedMs = performance.now();
      await eventually(async () => expect(await kept.status('/scrape/site-b/web', asTeamC)).toBe(status), SOON);
      return performance.now() - changedMs;
    };
    const took = [await takes(withTeamC, 200), await takes(without, 401), await takes(withTeamC, 200), await takes(without, 401)];
    // the fastest: the machine may be busy with something else
    expect(Math.min(...took)).toBeLessThan(2000);

    expect(await kept.status('/scrape/site-a/web')).toBe(200);
    expect(kept.sockets.size).toBe(1);
    expect(lostTunnels()).toBe(0);
  });

  it("a removed agent's tunnel is cut, and another's is not", async () => {
    await world.gateway.reconfigure({ ...GRACE, agents: [AGENTS[1]] });
    await world.siteA.agent.process.waitForLog(/tunnel down/, SOON);
    await world.siteA.agent.process.waitForLog(/agent_unknown/, SOON);
    expect((await world.ask('team-a', '/scrape/site-a/web')).headers['x-scrapeway-reason']).toBe('target_forbidden');
    expect((await world.ask('team-b', '/scrape/site-b/web')).status).toBe(200);
    expect(world.siteB.agent.process.log()).not.toMatch(/tunnel down/);
    await world.gateway.reconfigure({ ...GRACE, agents: AGENTS });
    await eventually(async () => expect((await world.ask('team-a', '/scrape/site-a/web')).status).toBe(200), { timeoutMs: 40_000 });
  });

  it('that is broken changes nothing, and the metric says so until it is mended', async () => {
    const good = await readFile(world.gateway.configFile, 'utf8');
    expect(await reloadSuccessful()).toBe(1);
    await writeFile(world.gateway.configFile, good.replace('"tenants"', '"tennants"'));
    await eventually(async () => expect(await reloadSuccessful()).toBe(0), SOON);
    await world.gateway.process.waitForLog(/configuration refused[^\n]*|faults[^\n]*tennants/);
    expect((await world.ask('team-a', '/scrape/site-a/web')).status).toBe(200);
    expect((await fetchRaw({ url: `${world.gateway.statusUrl}/readyz` })).status).toBe(200);
    await writeFile(world.gateway.configFile, good);
    await eventually(async () => expect(await reloadSuccessful()).toBe(1), SOON);
    expect(lostTunnels()).toBe(0);
  });

  it('SIGHUP has it read again at once', async () => {
    const taken = (): number => (world.gateway.process.log().match(/configuration taken/g) ?? []).length;
    expect(taken()).toBe(0);
    world.gateway.process.signal('SIGHUP');
    await eventually(() => expect(taken()).toBe(1), SOON);
    expect((await world.ask('team-a', '/scrape/site-a/web')).status).toBe(200);
    expect(lostTunnels()).toBe(0);
  });
});

describe('certificates', () => {
  it("the gateway's, replaced on disk: new connections see it, open ones and tunnels go on", async () => {
    using kept = await keptConnection();
    expect(await kept.status('/scrape/site-a/web')).toBe(200);
    const before = await shownSerial(world.gateway.ports.scrape);
    expect((await issueGateway({ dir: world.dir.join('pki'), names: ['localhost'], ips: ['127.0.0.1'], renew: true })).ok).toBe(true);
    for (const port of [world.gateway.ports.scrape, world.gateway.ports.agents]) await eventually(async () => expect(await shownSerial(port)).not.toBe(before), SOON);
    expect(await kept.status('/scrape/site-a/web')).toBe(200);
    expect(kept.sockets.size).toBe(1);
    expect(lostTunnels()).toBe(0);
    expect((await world.ask('team-b', '/scrape/site-b/web')).status).toBe(200);
  });

  it("the agents' CA, rotated: first both, then the new one alone; a renewed agent is welcome, one with the old certificate is not", async () => {
    const next = world.dir.join('next-pki');
    expect((await initCa({ dir: next, name: 'next' })).ok).toBe(true);
    const renewed = await issueAgent({ dir: next, name: 'site-a' });
    if (!renewed.ok) throw new Error('no certificate');
    const taken = (): number => (world.gateway.process.log().match(/configuration taken/g) ?? []).length;
    await appendFile(world.pki.agentsCaFile, await readFile(`${next}/agents-ca.crt`));
    await eventually(() => expect(taken()).toBe(1), SOON);
    // the agent's own, renewed on disk, is for the next dial
    const own = await world.pki.agent('site-a');
    await copyFile(renewed.value.keyFile, own.keyFile);
    await copyFile(renewed.value.certificateFile, own.certificateFile);
    await world.siteA.agent.process.waitForLog(/configuration taken/, SOON);
    expect(lostTunnels()).toBe(0);

    await copyFile(`${next}/agents-ca.crt`, world.pki.agentsCaFile);
    await eventually(() => expect(taken()).toBe(2), SOON);
    expect(lostTunnels()).toBe(0);
    // away and back again: only now are they asked for their certificates
    await world.gateway.reconfigure({ ...GRACE, agents: [] });
    for (const { agent } of [world.siteA, world.siteB]) await agent.process.waitForLog(/tunnel down/, SOON);
    await world.gateway.reconfigure({ ...GRACE, agents: AGENTS });
    await eventually(async () => expect((await world.ask('team-a', '/scrape/site-a/web')).status).toBe(200), { timeoutMs: 40_000 });
    await world.siteB.agent.process.waitForLog(/the gateway does not trust the CA of this agent's certificate/, { timeoutMs: 40_000 });
  });
});

describe("the agent's file", () => {
  it('a target comes and goes: listed within seconds, over the same tunnel', async () => {
    const names = async (): Promise<number> => JSON.parse((await world.ask('team-a', '/sd')).body.toString()).length;
    const file: Readonly<Record<string, unknown>> & { readonly targets: readonly object[] } = JSON.parse(await readFile(world.siteA.agent.configFile, 'utf8'));
    expect(await names()).toBe(1);
    await world.siteA.agent.rewriteConfig({ ...file, targets: [...file.targets, { name: 'more', url: `http://127.0.0.1:${world.siteB.exporter.port}/metrics` }] });
    await eventually(async () => expect(await names()).toBe(2), SOON);
    expect((await world.ask('team-a', '/scrape/site-a/more')).status).toBe(200);
    await world.siteA.agent.rewriteConfig(file);
    await eventually(async () => expect(await names()).toBe(1), SOON);
    expect((await world.ask('team-a', '/scrape/site-a/more')).headers['x-scrapeway-reason']).toBe('target_forbidden');
    expect((await world.ask('team-a', '/scrape/site-a/web')).status).toBe(200);
    expect(lostTunnels()).toBe(0);
  });
});
