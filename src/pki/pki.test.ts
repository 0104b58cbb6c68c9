import { execFileSync } from 'node:child_process';
import { mkdtemp, readFile, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import path from 'node:path';
import tls from 'node:tls';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { certificateInfo, CLIENT_AUTH, issuedBy, keyBelongsTo, SERVER_AUTH } from '../lib/certificate.js';
import type { Result } from '../lib/result.js';
import { createAuthority, issueLeaf } from './certificate.js';
import { initCa, issueAgent, issueClient, issueGateway } from './pki.js';

let dir: string;
beforeEach(async () => {
  dir = await mkdtemp(path.join(tmpdir(), 'scrapeway-pki-'));
});
afterEach(async () => {
  await rm(dir, { recursive: true });
});

function expectOk<T>(result: Result<T>): T {
  if (!result.ok) throw new Error(`unexpected faults: ${JSON.stringify(result.error)}`);
  return result.value;
}

const inDir = (name: string): string => path.join(dir, name);
const read = (name: string): Promise<string> => readFile(inDir(name), 'utf8');
const mode = async (name: string): Promise<number> => (await stat(inDir(name))).mode & 0o777;
const DAY_MS = 86_400_000;

describe('pki init', () => {
  it('makes three roots that sign nothing but leaves, keys for the owner only, and leaves no temporary file', async () => {
    const files = expectOk(await initCa({ dir: inDir('pki') }));
    expect(files).toHaveLength(6);
    expect((await readdir(inDir('pki'))).sort()).toEqual([
      'agents-ca.crt', 'agents-ca.key', 'clients-ca.crt', 'clients-ca.key', 'server-ca.crt', 'server-ca.key',
    ]);
    expect(await mode('pki')).toBe(0o700);
    expect(await mode('pki/agents-ca.key')).toBe(0o600);
    const info = certificateInfo(await read('pki/agents-ca.crt'));
    expect(info).toMatchObject({ ok: true, value: { subject: 'CN=scrapeway agents-ca', isCa: true } });
  });

  it('never overwrites: a second run names each file that is in the way and changes none', async () => {
    expectOk(await initCa({ dir }));
    await rm(inDir('server-ca.crt'));
    const before = await read('server-ca.key');
    const again = await initCa({ dir });
    expect(again.ok ? [] : again.error.map((fault) => path.basename(fault.place))).toEqual([
      'server-ca.key', 'agents-ca.crt', 'agents-ca.key', 'clients-ca.crt', 'clients-ca.key',
    ]);
    expect(await read('server-ca.key')).toBe(before);
    expect(await readdir(dir)).not.toContain('server-ca.crt');
  });

  it('refuses a validity that is no number of days', async () => {
    expect(await initCa({ dir, days: 0 })).toMatchObject({ ok: false, error: [{ place: 'days' }] });
    expect(await initCa({ dir, days: 1.5 })).toMatchObject({ ok: false, error: [{ place: 'days' }] });
  });
});

describe('pki issue', () => {
  beforeEach(async () => {
    expectOk(await initCa({ dir, days: 30 }));
  });

  it('names the gateway by DNS and IP, for servers only', async () => {
    const { info } = expectOk(await issueGateway({ dir, names: ['gateway.example', 'localhost'], ips: ['127.0.0.1', '::1'] }));
    expect(info.sans).toEqual([
      { type: 'dns', value: 'gateway.example' },
      { type: 'dns', value: 'localhost' },
      { type: 'ip', value: '127.0.0.1' },
      { type: 'ip', value: '0:0:0:0:0:0:0:1' },
    ]);
    expect(info.extendedKeyUsage).toEqual([SERVER_AUTH]);
    expect(info.isCa).toBe(false);
    expect(await mode('gateway.key')).toBe(0o600);
    expect(keyBelongsTo(await read('gateway.crt'), await read('gateway.key'))).toEqual({ ok: true, value: true });
  });

  it('names an agent and a tenant by URI, for clients only, each under its own root', async () => {
    const agent = expectOk(await issueAgent({ dir, name: 'site-a' }));
    const client = expectOk(await issueClient({ dir, tenant: 'team-a' }));
    expect(agent.info.sans).toEqual([{ type: 'uri', value: 'spiffe://scrapeway/agent/site-a' }]);
    expect(client.info.sans).toEqual([{ type: 'uri', value: 'spiffe://scrapeway/tenant/team-a' }]);
    expect(agent.info.extendedKeyUsage).toEqual([CLIENT_AUTH]);
    expect(await mode('agents')).toBe(0o700);
    const [agentPem, clientPem, agentsCa, clientsCa] = await Promise.all(['agents/site-a.crt', 'clients/team-a.crt', 'agents-ca.crt', 'clients-ca.crt'].map(read));
    expect(issuedBy(agentPem ?? '', agentsCa ?? '')).toBe(true);
    expect(issuedBy(clientPem ?? '', clientsCa ?? '')).toBe(true);
    expect(issuedBy(clientPem ?? '', agentsCa ?? '')).toBe(false);
  });

  it('starts validity in the past, and ends it with the root at the latest', async () => {
    const { info } = expectOk(await issueAgent({ dir, name: 'site-a', days: 365 }));
    expect(Date.now() - info.notBefore.getTime()).toBeGreaterThanOrEqual(5 * 60_000 - 1000);
    expect(info.notAfter.getTime() - Date.now()).toBeLessThanOrEqual(30 * DAY_MS);
  });

  it('replaces an existing certificate only when asked to renew, key and serial number included', async () => {
    const first = expectOk(await issueAgent({ dir, name: 'site-a' }));
    const key = await read('agents/site-a.key');
    expect(await issueAgent({ dir, name: 'site-a' })).toMatchObject({
      ok: false,
      error: [{ message: 'exists already; ask for renewal to replace it' }, {}],
    });
    const second = expectOk(await issueAgent({ dir, name: 'site-a', renew: true }));
    expect(second.info.serialNumber).not.toBe(first.info.serialNumber);
    expect(second.info.serialNumber).toMatch(/^[4-7][0-9a-f]{31}$/);
    expect(await read('agents/site-a.key')).not.toBe(key);
  });

  it.each<[string, () => Promise<Result<unknown>>, string]>([
    ['an agent name that a path would take apart', () => issueAgent({ dir, name: '../x' }), 'name'],
    ['a tenant name in capitals', () => issueClient({ dir, tenant: 'Team' }), 'tenant'],
    ['a gateway without a name', () => issueGateway({ dir, names: [] }), 'names'],
    ['a gateway name with a space', () => issueGateway({ dir, names: ['a b'] }), 'names'],
    ['an address that is none', () => issueGateway({ dir, names: [], ips: ['300.1.1.1'] }), 'ips'],
  ])('refuses %s', async (_, attempt, place) => {
    expect(await attempt()).toMatchObject({ ok: false, error: [{ place }] });
  });

  it('says which root file is missing, and refuses a key of another root', async () => {
    expect(await issueAgent({ dir: inDir('elsewhere'), name: 'site-a' })).toMatchObject({
      ok: false,
      error: [{ place: inDir('elsewhere/agents-ca.crt'), message: 'cannot be read (ENOENT); was the directory made by pki init?' }, {}],
    });
    await writeFile(inDir('agents-ca.key'), await read('clients-ca.key'));
    expect(await issueAgent({ dir, name: 'site-a' })).toMatchObject({ ok: false, error: [{ place: inDir('agents-ca.key') }] });
  });

  it('refuses to sign with a root that has expired', async () => {
    const expired = await createAuthority({ commonName: 'old', days: 1, nowMs: Date.now() - 2 * DAY_MS });
    await writeFile(inDir('agents-ca.crt'), expired.certificatePem);
    await writeFile(inDir('agents-ca.key'), expired.privateKeyPem);
    const refused = await issueAgent({ dir, name: 'site-a' });
    expect(refused.ok ? '' : refused.error[0]?.message).toContain('expired on ');
  });
});

describe('what others make of the certificates', () => {
  it('is accepted by both sides of a mutual TLS 1.3 handshake', async () => {
    const server = await createAuthority({ commonName: 'servers', days: 1 });
    const clients = await createAuthority({ commonName: 'clients', days: 1 });
    const gateway = await issueLeaf(server, { commonName: 'gw', sans: [{ type: 'dns', value: 'localhost' }], usage: 'server', days: 1 });
    const agent = await issueLeaf(clients, { commonName: 'site-a', sans: [{ type: 'uri', value: 'spiffe://scrapeway/agent/site-a' }], usage: 'client', days: 1 });
    const listener = tls.createServer({
      cert: gateway.certificatePem, key: gateway.privateKeyPem, ca: clients.certificatePem, requestCert: true, rejectUnauthorized: true, minVersion: 'TLSv1.3',
    });
    const peer = new Promise<tls.TLSSocket>((resolve) => listener.once('secureConnection', resolve));
    listener.listen(0, '127.0.0.1');
    await once(listener, 'listening');
    const address = listener.address();
    const socket = tls.connect({
      host: '127.0.0.1', port: typeof address === 'object' ? (address?.port ?? 0) : 0, servername: 'localhost',
      ca: server.certificatePem, cert: agent.certificatePem, key: agent.privateKeyPem,
    });
    await once(socket, 'secureConnect');
    const accepted = await peer;
    expect(socket.authorized).toBe(true);
    expect(accepted.authorized).toBe(true);
    expect(accepted.getPeerCertificate().subjectaltname).toBe('URI:spiffe://scrapeway/agent/site-a');
    socket.destroy();
    accepted.destroy();
    listener.close();
    await once(listener, 'close');
  });

  const openssl = hasOpenssl();
  (openssl ? it : it.skip)('is verified strictly by openssl', async () => {
    expectOk(await initCa({ dir }));
    expectOk(await issueGateway({ dir, names: ['gateway.example'] }));
    expectOk(await issueAgent({ dir, name: 'site-a' }));
    expect(verify('-purpose', 'sslserver', '-verify_hostname', 'gateway.example', '-CAfile', inDir('server-ca.crt'), inDir('gateway.crt'))).toContain(': OK');
    expect(verify('-purpose', 'sslclient', '-CAfile', inDir('agents-ca.crt'), inDir('agents/site-a.crt'))).toContain(': OK');
  });
});

function verify(...args: string[]): string {
  return execFileSync('openssl', ['verify', '-x509_strict', ...args], { encoding: 'utf8' });
}

function hasOpenssl(): boolean {
  try {
    execFileSync('openssl', ['version'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}
