import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { connect } from 'node:tls';
import { dial } from '../../src/agent/dial.js';
import { createAuthority, issueLeaf } from '../../src/pki/certificate.js';
import { upgradeRequest } from '../../src/tunnel/handshake.js';
import { startAgent } from '../support/agent.js';
import { createTestPki, readPair } from '../support/certificates.js';
import type { CertificateFiles } from '../support/certificates.js';
import { eventually } from '../support/eventually.js';
import { startExporter } from '../support/exporter.js';
import type { Exporter } from '../support/exporter.js';
import { fetchRaw } from '../support/http.js';
import { freePort } from '../support/ports.js';
import { dialRaw } from '../support/raw-agent.js';
import type { RawAgent } from '../support/raw-agent.js';
import { startWorld, worldTenants } from '../support/world.js';
import type { World } from '../support/world.js';

/** Wrong certificates, stolen names, nonsense in registrations, targets that fail: each is told to whom it concerns, and to nobody else. */

let world: World;
let tlsExporter: Exporter;
beforeAll(async () => {
  const refusing = await freePort();
  const agents = [
    { name: 'site-a', tenants: ['team-a'] },
    { name: 'site-b', tenants: ['team-b'] },
    { name: 'site-x', tenants: ['team-a'], maxTargets: 500 },
  ];
  tlsExporter = await startExporter({ tls: await selfSigned() });
  world = await startWorld({
    gateway: { tenants: await worldTenants(), agents },
    targetsA: [
      { name: 'refusing', url: `http://127.0.0.1:${refusing}/metrics` },
      { name: 'nameless', url: 'http://scrapeway.invalid/metrics' },
      { name: 'mistrusted', url: `https://127.0.0.1:${tlsExporter.port}/metrics` },
    ],
    agentA: { limits: { maxBodySize: '1MiB' } },
  });
});
afterAll(async () => {
  await world[Symbol.asyncDispose]();
  await tlsExporter.close();
});

async function selfSigned(): Promise<{ cert: string; key: string }> {
  const { certificatePem, privateKeyPem } = await createAuthority({ commonName: 'nobody', days: 1 });
  return { cert: certificatePem, key: privateKeyPem };
}

/** What an agent with this certificate is told when it dials. */
async function dialWith(certificate: CertificateFiles): Promise<string> {
  const [cert, key, ca] = await Promise.all([certificate.certificateFile, certificate.keyFile, world.pki.serverCaFile].map((file) => readFile(file, 'utf8')));
  const result = await dial({
    gateway: { host: 'localhost', port: world.gateway.ports.agents, serverName: 'localhost' },
    credentials: { certificate: cert ?? '', key: key ?? '', ca: ca ?? '' },
    instance: randomUUID(), known: [],
    timeoutMs: 20_000,
    signal: new AbortController().signal,
  });
  if (result.ok) result.value.socket.destroy();
  return result.ok ? 'accepted' : `${result.error.cause}: ${result.error.message}`;
}

/** A certificate for site-a by the right CA that was valid yesterday. */
async function expired(): Promise<CertificateFiles> {
  const ca = { certificatePem: await readFile(world.pki.agentsCaFile, 'utf8'), privateKeyPem: await readFile(world.dir.join('pki/agents-ca.key'), 'utf8') };
  const uri = 'spiffe://scrapeway/agent/site-a';
  const pair = await issueLeaf(ca, { commonName: 'site-a', sans: [{ type: 'uri', value: uri }], usage: 'client', days: 1, nowMs: Date.now() - 2 * 86_400_000 });
  const files = { certificateFile: world.dir.join('expired.crt'), keyFile: world.dir.join('expired.key') };
  await Promise.all([writeFile(files.certificateFile, pair.certificatePem), writeFile(files.keyFile, pair.privateKeyPem)]);
  return files;
}

async function folder(name: string): Promise<string> {
  await mkdir(world.dir.join(name));
  return world.dir.join(name);
}

describe("at the agents' door", () => {
  it('a certificate of another CA: no tunnel, and the agent says why', async () => {
    const other = await createTestPki(world.dir.join('other-pki'));
    const certificate = await other.agent('site-a');
    await using agent = await startAgent({ dir: await folder('wrong-ca'), pki: world.pki, name: 'site-a', gatewayPort: world.gateway.ports.agents, targets: [], certificate });
    await agent.process.waitForLog(/no tunnel: the gateway does not trust the CA of this agent's certificate/);
    // at the scrape door as well
    const stranger = { ...(await readPair(await other.client('team-b'))), ca: await readFile(world.pki.serverCaFile), servername: 'localhost' };
    await expect(world.ask(undefined, '/scrape/site-b/web', { tls: stranger })).rejects.toThrow();
    expect((await world.ask('team-b', '/scrape/site-b/web')).status).toBe(200);
  });

  it('an expired one', async () => {
    const certificate = await expired();
    expect(await dialWith(certificate)).toBe("tls: this agent's certificate has expired, or its CA's");
    await expect(startAgent({ dir: await folder('expired'), pki: world.pki, name: 'site-a', gatewayPort: world.gateway.ports.agents, targets: [], certificate })).rejects.toThrow(/exit code 1[^]*expired\.crt expired on/);
  });

  it('none', async () => {
    const socket = connect({ host: 'localhost', port: world.gateway.ports.agents, ca: await readFile(world.pki.serverCaFile), servername: 'localhost' });
    socket.on('secureConnect', () => socket.write(upgradeRequest('localhost', randomUUID())));
    let received = '';
    socket.on('data', (chunk) => (received += String(chunk)));
    const [error] = await once(socket, 'error').catch((thrown: unknown) => [thrown]);
    expect(String(error)).toMatch(/certificate required/i);
    expect(received).toBe('');
  });

  it('a name that no agent of the configuration has', async () => {
    await using agent = await startAgent({ dir: await folder('unknown'), pki: world.pki, name: 'site-z', gatewayPort: world.gateway.ports.agents, targets: [] });
    await agent.process.waitForLog(/no tunnel: the gateway does not know the name in this agent's certificate[^"]*\(agent_unknown\)/);
  });

  it('trap 11: who it is, an agent is not asked', async () => {
    const pair = await readPair(await world.pki.agent('site-x'));
    const socket = connect({ host: 'localhost', port: world.gateway.ports.agents, ca: await readFile(world.pki.serverCaFile), servername: 'localhost', ...pair });
    socket.on('error', () => undefined);
    socket.write(upgradeRequest('localhost', randomUUID()).replace(/\r\n$/, 'x-scrapeway-agent: site-b\r\n\r\n'));
    await eventually(() => expect(world.gateway.process.log()).toMatch(/"agent":"site-x"/), { timeoutMs: 20_000 });
    socket.destroy();
    expect((await world.ask('team-b', '/scrape/site-b/web')).status).toBe(200);
  });

  it('a second agent of a name: refused with its reason in logs and metric, and the first does not notice', async () => {
    await using second = await startAgent({ dir: await folder('second'), pki: world.pki, name: 'site-a', gatewayPort: world.gateway.ports.agents, targets: [] });
    await second.process.waitForLog(/no tunnel: another agent process with this name is connected[^"]*\(agent_conflict\)/);
    expect(world.gateway.process.log()).toMatch(/"agent":"site-a",[^\n]*"reason":"agent_conflict"[^\n]*tunnel refused/);
    expect((await world.gateway.metric('scrapeway_hub_handshakes_refused_total')).get('{reason="agent_conflict"}')).toBeGreaterThanOrEqual(1);
    expect((await second.metric('scrapeway_agent_tunnel_failures_total')).get(`{gateway="localhost:${world.gateway.ports.agents}",cause="agent_conflict"}`)).toBeGreaterThanOrEqual(1);
    expect((await world.ask('team-a', '/scrape/site-a/web')).status).toBe(200);
    expect(world.siteA.agent.process.log()).not.toMatch(/tunnel down/);
  });
});

const TARGET = { name: 'web', scheme: 'http', host: '10.0.0.1', port: 80, path: '/metrics', labels: {} };

describe('a registration', () => {
  async function fakeAgent(): Promise<RawAgent> {
    const agent = await dialRaw({ port: world.gateway.ports.agents, certificate: await world.pki.agent('site-x'), caFile: world.pki.serverCaFile });
    await eventually(() => expect(agent.controlStream).toBe(1));
    return agent;
  }
  /** Names of site-x's targets, and of all others, as team-a gets them. */
  async function listed(tenant: 'team-a' | 'team-b'): Promise<readonly string[]> {
    const groups: readonly { labels: Readonly<Record<string, string>> }[] = JSON.parse((await world.ask(tenant, '/sd')).body.toString());
    return groups.map(({ labels }) => `${labels['__meta_scrapeway_agent'] ?? labels['agent']}/${labels['__meta_scrapeway_target'] ?? labels['target']}`);
  }

  it('with bad targets among good ones: the good ones are listed, the agent is told of the others', async () => {
    using agent = await fakeAgent();
    const bad = [
      { ...TARGET, name: 'steering', labels: { __address__: 'evil.example:80' } },
      { ...TARGET, name: 'a-number', labels: { n: 1 } },
      { ...TARGET, name: 'no-label-name', labels: { 'a b': '1' } },
      { ...TARGET, name: 'ours', labels: { instance: 'x' } },
      { ...TARGET, name: 'UPPER/..', labels: {} },
      { ...TARGET, name: 'port', port: 70_000 },
      { ...TARGET, name: 'path', path: '/a b' },
      { ...TARGET, name: 'host', host: 'a\r\nb' },
      { ...TARGET, name: 'scheme', scheme: 'file' },
      { ...TARGET, name: 'toolong', labels: { l: 'x'.repeat(5000) } },
      null,
      'web',
      TARGET,
    ];
    const revision = await agent.registerPatiently([TARGET, ...bad, { ...TARGET, name: 'other' }]);
    const answer = await eventually(() => {
      expect(agent.heard).toHaveLength(1);
      return agent.heard[0];
    });
    expect(answer).toMatchObject({ type: 'registered', revision, accepted: 2 });
    const told = JSON.stringify(answer?.['faults']);
    for (const name of ['steering', 'a-number', 'no-label-name', 'ours', 'port', 'path', 'host', 'scheme', 'toolong']) expect(told).toContain(`target \\"${name}\\"`);
    for (const index of [5, 11, 12, 13]) expect(told).toContain(`targets[${index}]`);
    await eventually(async () => expect(await listed('team-a')).toEqual(expect.arrayContaining(['site-x/web', 'site-x/other'])));
    expect((await listed('team-a')).filter((each) => each.startsWith('site-x/'))).toHaveLength(2);
    expect(JSON.stringify(await listed('team-b'))).toBe('["site-b/web"]');
  });

  it('of 100,000 targets: as many as the agent may have', async () => {
    using agent = await fakeAgent();
    const targets = Array.from({ length: 100_000 }, (_, i) => ({ ...TARGET, name: `t${i}` }));
    const before = await listed('team-b');
    await agent.registerPatiently(targets);
    await eventually(() => expect(agent.heard).toHaveLength(1), { timeoutMs: 30_000 });
    expect(agent.heard[0]).toMatchObject({ accepted: 500, faults: [{ place: 'targets', message: '100000 targets, but this agent may have 500; the first 500 count' }] });
    await eventually(async () => expect((await listed('team-a')).filter((each) => each.startsWith('site-x/'))).toHaveLength(500));
    expect(await listed('team-b')).toEqual(before);
    expect((await world.ask('team-a', '/scrape/site-a/web')).status).toBe(200);
  });
});

describe('a target', () => {
  it.each([
    ['that refuses', 'refusing', 'target_refused'],
    ['whose name does not resolve', 'nameless', 'target_dns'],
    ['with a certificate that nobody trusts', 'mistrusted', 'target_tls'],
  ])('%s', async (_name, target, reason) => {
    const answer = await world.ask('team-a', `/scrape/site-a/${target}`, { headers: { 'x-prometheus-scrape-timeout-seconds': '20' } });
    expect([answer.status, answer.headers['x-scrapeway-reason']]).toEqual([502, reason]);
    await eventually(() => expect(world.siteA.agent.process.log()).toMatch(new RegExp(`"target":"${target}","reason":"${reason}"[^\\n]*scrape failed`)));
  });

  it('that announces 20 GB', async () => {
    world.siteA.exporter.behave({ kind: 'answer', headers: { 'content-length': 20e9 }, body: Buffer.alloc(1000) });
    const answer = await world.ask('team-a', '/scrape/site-a/web');
    expect([answer.status, answer.headers['x-scrapeway-reason']]).toEqual([502, 'target_too_large']);
  });

  it('that sends more than it may without having said so: the client sees it break off, the agent says why', async () => {
    world.siteA.exporter.behave({ kind: 'flood' });
    await expect(world.ask('team-a', '/scrape/site-a/web')).rejects.toThrow();
    expect((await world.siteA.agent.metric('scrapeway_agent_target_failures_total')).get('{target="web",reason="target_too_large"}')).toBe(2);
  });

  it('that never ends is cut by the deadline', async () => {
    world.siteA.exporter.behave({ kind: 'drip', body: Buffer.alloc(1_000_000), pieceBytes: 1, everyMs: 20 });
    await expect(world.ask('team-a', '/scrape/site-a/web', { headers: { 'x-prometheus-scrape-timeout-seconds': '1' } })).rejects.toThrow();
    await eventually(() => expect(world.siteA.exporter.requests.at(-1)?.outcome).toBe('cancelled'));
    expect((await world.siteA.agent.metric('scrapeway_agent_scrapes_in_flight')).get('')).toBe(0);
  });
});

it('all of this has cost no process', async () => {
  expect((await fetchRaw({ url: `${world.gateway.statusUrl}/readyz` })).status).toBe(200);
  expect((await fetchRaw({ url: `${world.siteA.agent.statusUrl}/readyz` })).status).toBe(200);
});
