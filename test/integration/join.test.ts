import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { mkdir, readdir, readFile, stat } from 'node:fs/promises';
import path from 'node:path';
import { hash } from '@node-rs/bcrypt';
import { readToken, tokenKey, writeToken } from '../../src/join/token.js';
import type { JoinToken } from '../../src/join/token.js';
import { createRequest } from '../../src/pki/certificate.js';
import { createTestPki } from '../support/certificates.js';
import type { TestPki } from '../support/certificates.js';
import { eventually } from '../support/eventually.js';
import { startExporter } from '../support/exporter.js';
import { startGateway } from '../support/gateway.js';
import type { RunningGateway } from '../support/gateway.js';
import { fetchRaw } from '../support/http.js';
import { startProcess } from '../support/process.js';
import { nodeBinary, projectDir } from '../support/project.js';
import { startScrapeway } from '../support/scrapeway.js';
import type { ConfigFile } from '../support/scrapeway.js';
import { createTempDir } from '../support/temp-dir.js';
import type { TempDir } from '../support/temp-dir.js';

/** From nothing to an agent by one token, as an operator does it, through the real Envoy. */

const PASSWORD = 'a password of team-a';
/** Long enough for a slow machine to start an agent in, short enough to wait for. */
const TTL_S = 24;
const AGENTS = ['site-a', 'site-b', 'site-gone', 'site-revoked', 'site-off'].map((name) => ({ name, tenants: ['team-a'] }));

let dir: TempDir;
let pki: TestPki;
let gateway: RunningGateway;
let config: ConfigFile;

beforeAll(async () => {
  dir = await createTempDir();
  pki = await createTestPki(dir.join('pki'));
  config = {
    gateway: { id: 'test', names: ['localhost'] },
    discovery: { settle: '0s' },
    join: { caCertFile: pki.agentsCaFile, caKeyFile: pki.agentsCaFile.replace(/\.crt$/, '.key'), serverCaFile: pki.serverCaFile, certificateTtl: `${TTL_S}s` },
  };
  const tenants = [{ name: 'team-a', credentials: [{ basic: { user: 'team-a', passwordHash: await hash(PASSWORD, { cost: 4 }) } }] }];
  gateway = await startGateway({ dir: dir.path, pki, tenants, agents: AGENTS, config });
});
afterAll(async () => {
  await gateway.stop();
  await dir[Symbol.asyncDispose]();
});

async function cli(...args: readonly string[]): Promise<{ readonly code: number | null; readonly log: string }> {
  await using child = startProcess({ name: 'scrapeway', command: nodeBinary, args: [path.join(projectDir, 'dist/src/main/scrapeway.js'), ...args], cwd: dir.path, env: { NODE_OPTIONS: '' } });
  const { code } = await child.exited;
  return { code, log: child.log() };
}

async function createToken(agent: string, ...more: readonly string[]): Promise<string> {
  const { code, log } = await cli('token', 'create', '-c', gateway.configFile, '--agent', agent, ...more);
  expect([code, log]).toEqual([0, expect.stringContaining('swj1.')]);
  return /swj1\.\S+/.exec(log)?.[0] ?? '';
}

async function joinAs(name: string, token: string) {
  await mkdir(dir.join(name), { recursive: true });
  return { folder: dir.join(name), ...(await cli('agent', 'join', token, '--dir', dir.join(name))) };
}

/** Another token of the same gateway, signed by it or not. */
async function changed(token: string, change: Partial<JoinToken>, key?: Buffer): Promise<string> {
  const read = readToken(token);
  if (!read.ok) throw new Error(read.error);
  return writeToken({ ...read.value, ...change }, key ?? tokenKey(await readFile(pki.agentsCaFile.replace(/\.crt$/, '.key'), 'utf8')));
}

const scrape = (agent: string) =>
  fetchRaw({ url: `${gateway.scrapeUrl}/scrape/${agent}/web`, tls: { ca: caOf(), servername: 'localhost' }, headers: { authorization: `Basic ${Buffer.from(`team-a:${PASSWORD}`).toString('base64')}` } });
let ca: Buffer;
const caOf = (): Buffer => ca;
beforeAll(async () => {
  ca = await readFile(pki.serverCaFile);
});

describe('scrapeway agent join', () => {
  it('makes an agent that is scraped, and renewed at two thirds of its certificate\'s life without a failed scrape', async () => {
    const { folder, code, log } = await joinAs('site-a', await createToken('site-a'));
    expect([code, log]).toEqual([0, `${folder}/agent.pem\n${folder}/agent.yaml\n`]);
    expect((await readdir(folder)).sort()).toEqual(['agent.pem', 'agent.yaml', 'gateway-ca.crt']);
    for (const file of ['agent.pem', 'agent.yaml', 'gateway-ca.crt']) expect((await stat(path.join(folder, file))).mode & 0o777).toBe(0o600);
    expect((await cli('check', path.join(folder, 'agent.yaml'))).code).toBe(0);
    const first = new X509Certificate(await readFile(path.join(folder, 'agent.pem')));
    expect(first.subjectAltName).toBe('URI:spiffe://scrapeway/agent/site-a');
    expect(createPrivateKey(await readFile(path.join(folder, 'agent.pem'))).asymmetricKeyType).toBe('ec');

    await using exporter = await startExporter();
    const agentConfig = {
      gateways: [{ address: `localhost:${gateway.ports.agents}` }],
      tls: { certFile: 'agent.pem', keyFile: 'agent.pem', caFile: 'gateway-ca.crt', renew: true },
      targets: [{ name: 'web', url: `http://127.0.0.1:${exporter.port}/metrics` }],
    };
    {
      await using agent = await startScrapeway({ command: 'agent', name: 'agent', dir: folder, config: agentConfig });
      await agent.waitUntilReady();
      const statuses = new Map<number, number>();
      await eventually(
        async () => {
          const { status } = await scrape('site-a');
          statuses.set(status, (statuses.get(status) ?? 0) + 1);
          expect((await agent.metric('scrapeway_agent_certificate_renewals_total')).get('{outcome="renewed"}')).toBeGreaterThanOrEqual(1);
          // the first certificate is over, and the tunnel that it opened is not
          expect(Date.now()).toBeGreaterThan(Date.parse(first.validTo) + 1000);
        },
        { timeoutMs: 60_000 },
      );
      expect([...statuses.keys()]).toEqual([200]);
      expect(statuses.get(200)).toBeGreaterThan(20);
      expect(await agent.metric('scrapeway_agent_tunnel_failures_total')).toEqual(new Map());
      expect((await agent.metric('scrapeway_agent_certificate_renewals_total')).get('{outcome="failed"}')).toBe(0);
    }
    const renewed = new X509Certificate(await readFile(path.join(folder, 'agent.pem')));
    expect(renewed.publicKey.equals(first.publicKey)).toBe(false);
    // the renewed certificate opens the next tunnel
    await using again = await startScrapeway({ command: 'agent', name: 'agent', dir: folder, config: agentConfig });
    await again.waitUntilReady();
    const lines = (await readFile(gateway.accessLogFile, 'utf8')).split('\n').filter((line) => line.includes('"renew"'));
    expect(lines.length).toBeGreaterThanOrEqual(1);
    expect(JSON.parse(lines[0] ?? '')).toMatchObject({ agent: 'site-a', door: 'renew', decision: 'allow' });
  }, 120_000);

  it('takes a token once', async () => {
    const token = await createToken('site-b');
    expect((await joinAs('b-1', token)).code).toBe(0);
    const second = await joinAs('b-2', token);
    expect([second.code, second.log]).toEqual([1, expect.stringContaining('(token_used)')]);
    expect(await readdir(second.folder)).toEqual([]);
  });

  it.each<[string, (token: string) => Promise<string>, string]>([
    ['has expired', async () => createToken('site-b', '--ttl', '1ms'), '(token_expired)'],
    ['was given a longer life', async (token) => changed(token, { expiresMs: Date.now() + 1e9 }, Buffer.alloc(32)), '(token_invalid)'],
    ['was changed to another agent', async (token) => [token.split('.')[0], (await changed(token, { agent: 'site-a' })).split('.')[1], token.split('.')[2]].join('.'), '(token_invalid)'],
    ['was cut', async (token) => token.slice(0, -20), '(token_invalid)'],
    ['is none', async () => 'hello', 'not a join token'],
    ['names an agent that the gateway does not have', async (token) => changed(token, { agent: 'site-x' }), '(agent_unknown)'],
    ['pins another CA: nothing is sent to whoever answers', async (token) => changed(token, { caFingerprint: 'ab'.repeat(32) }), 'its CA has another fingerprint'],
  ])('refuses a token that %s', async (_, spoil, message) => {
    const before = await gateway.metric('scrapeway_join_requests_total');
    const { code, log, folder } = await joinAs('refused', await spoil(await createToken('site-b')));
    expect([code, log]).toEqual([1, expect.stringContaining(message)]);
    expect(await readdir(folder)).toEqual([]);
    if (!message.startsWith('(')) expect(await gateway.metric('scrapeway_join_requests_total')).toEqual(before);
  });

  it('needs a gateway that knows the agent and takes part', async () => {
    expect(await cli('token', 'create', '-c', gateway.configFile, '--agent', 'site-x')).toEqual({ code: 1, log: expect.stringContaining('no agent "site-x"') });
  });
});

describe('the doors', () => {
  const door = (method: string, where: string, body?: string) => fetchRaw({ url: `${gateway.scrapeUrl}${where}`, method, tls: { ca, servername: 'localhost' }, ...(body !== undefined && { body }) });

  it.each([
    ['a body that is no request', 'POST', '/agents/join', '{}', 400, 'join_malformed'],
    ['a body over the limit', 'POST', '/agents/join', 'x'.repeat(20_000), 400, 'join_malformed'],
    ['another method', 'DELETE', '/agents/join', undefined, 405, 'method_forbidden'],
    ['another path', 'GET', '/agents/join/x', undefined, 401, 'no_credentials'],
    ['a renewal by the scrapers\' door', 'POST', '/agents/renew', '{}', 401, 'no_credentials'],
    ['a query', 'GET', '/agents/join?x=1', undefined, 404, 'door_forbidden'],
  ])('refuse %s', async (_, method, where, body, status, reason) => {
    const answer = await door(method, where, body);
    expect([answer.status, answer.headers['x-scrapeway-reason']]).toEqual([status, reason]);
  });

  it('renew nobody who is revoked', async () => {
    const { folder } = await joinAs('site-revoked', await createToken('site-revoked'));
    const pem = await readFile(path.join(folder, 'agent.pem'));
    const { requestPem } = await createRequest('site-revoked');
    const renew = () => fetchRaw({ url: `https://localhost:${gateway.ports.agents}/agents/renew`, method: 'POST', body: JSON.stringify({ csr: requestPem }), tls: { ca, servername: 'localhost', cert: pem, key: pem } });
    const [before, during] = [await renew(), gateway.reconfigure({ revoked: { names: [{ uri: 'spiffe://scrapeway/agent/site-revoked' }] } })];
    await during;
    expect(before.status).toBe(200);
    await eventually(async () => {
      const { status, headers } = await renew();
      expect([status, headers['x-scrapeway-reason']]).toEqual([403, 'agent_unknown']);
    });
    await gateway.reconfigure({});
  });
});
