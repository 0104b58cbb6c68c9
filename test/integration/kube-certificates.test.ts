import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { connect } from 'node:tls';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Pool } from 'undici';
import { issueLeaf } from '../../src/pki/certificate.js';
import type { KeyPairPem } from '../../src/pki/certificate.js';
import { startAgent } from '../support/agent.js';
import { eventually } from '../support/eventually.js';
import { startExporter, textAnswer } from '../support/exporter.js';
import { startGateway } from '../support/gateway.js';
import type { RunningGateway } from '../support/gateway.js';
import { at, listAt } from '../support/helm.js';
import { fetchRaw } from '../support/http.js';
import { kubeWorldMissing, startKubeWorld } from '../support/kube-world.js';
import type { KubeWorld } from '../support/kube-world.js';
import { freePort } from '../support/ports.js';

/**
 * The doors' certificates as Secrets of a real API server, read by the shipped gateway as the chart's service account, which may read
 * these Secrets and no others; what a real Envoy then shows.
 */

const missing = await kubeWorldMissing();
const withKube = missing === undefined ? describe : describe.skip;
if (missing !== undefined) process.stderr.write(`kube-certificates.test.ts is skipped: ${missing}\n`);

const TOKEN = 'a-token-of-shop-0123456789abcdef';
const PATIENT = { timeoutMs: 30_000, intervalMs: 50 };

withKube('certificates of the doors in Secrets', () => {
  const stack = new AsyncDisposableStack();
  let world: KubeWorld;
  let gateway: RunningGateway;
  let authority: KeyPairPem;
  let ca: string;

  const secret = (name: string, type: string, stringData: Readonly<Record<string, string>>): Promise<void> => world.apply({ apiVersion: 'v1', kind: 'Secret', metadata: { name }, type, stringData });
  const certificate = async (): Promise<KeyPairPem> => issueLeaf(authority, { commonName: 'gateway', sans: [{ type: 'dns', value: 'localhost' }, { type: 'ip', value: '127.0.0.1' }], usage: 'server', days: 30 });
  const gatewayTls = ({ certificatePem, privateKeyPem }: KeyPairPem): Promise<void> => secret('gateway-tls', 'kubernetes.io/tls', { 'tls.crt': certificatePem, 'tls.key': privateKeyPem, 'ca.crt': authority.certificatePem });
  const ok = async (): Promise<readonly (readonly [string, number])[]> => [...(await gateway.metric('scrapeway_kubernetes_certificate_ok'))];
  const notReady = async (): Promise<string> => (await fetchRaw({ url: `${gateway.statusUrl}/readyz` })).body.toString();
  const headers = { authorization: `Bearer ${TOKEN}` };
  const scrape = async (): Promise<number> => (await fetchRaw({ url: `${gateway.scrapeUrl}/scrape/berlin/app`, headers, tls: { ca, servername: 'localhost' } })).status;
  /** What a new connection to a door is shown. */
  const shown = async (door: 'scrape' | 'agents'): Promise<string> => {
    const socket = connect({ port: gateway.ports[door], host: '127.0.0.1', ca, servername: 'localhost' });
    await once(socket, 'secureConnect');
    const { raw } = socket.getPeerCertificate();
    socket.destroy();
    return createHash('sha256').update(raw).digest('hex');
  };
  const fingerprint = (pem: string): string => createHash('sha256').update(Buffer.from(pem.replaceAll(/-----[^-]+-----|\s/g, ''), 'base64')).digest('hex');

  /** An Event on the Secret. */
  const isTold = async (message: RegExp): Promise<void> => {
    await eventually(async () => {
      const { body } = await world.kube.request({ method: 'GET', path: `/api/v1/namespaces/${world.home}/events` });
      const events = listAt(body, 'items').filter((each) => at(each, 'involvedObject', 'name') === 'gateway-tls');
      expect(events).toContainEqual(expect.objectContaining({ type: 'Warning', reason: 'CertificateRefused', message: expect.stringMatching(message) }));
    }, PATIENT);
  };

  beforeAll(async () => {
    world = stack.use(await startKubeWorld({ 'gateway.tls': { source: 'api', scrape: { secretName: 'gateway-tls', clientCa: { secretName: 'clients-ca' } }, agents: { clientCa: { secretName: 'agents-ca', configMapName: '' } } }, 'kubernetes.objects': false, 'kubernetes.metricAccess.enabled': false }));
    ca = await readFile(world.pki.serverCaFile, 'utf8');
    authority = { certificatePem: ca, privateKeyPem: await readFile(world.pki.serverCaFile.replace(/\.crt$/, '.key'), 'utf8') };
    const ports = { scrape: await freePort(), agents: await freePort() };
    const kubernetes = { kubeconfig: world.dir.join('kubeconfig.yaml'), namespace: world.home, leaseName: 'release-scrapeway' };
    await gatewayTls(await certificate());
    await secret('clients-ca', 'Opaque', { 'ca.crt': await readFile(world.pki.clientsCaFile, 'utf8') });
    gateway = stack.use(
      await startGateway({
        dir: world.dir.path,
        pki: world.pki,
        ports,
        ready: false,
        tenants: [{ name: 'shop', credentials: [{ bearer: { sha256: createHash('sha256').update(TOKEN).digest('hex') } }] }],
        agents: [{ name: 'berlin', tenants: ['shop'] }],
        config: {
          kubernetes,
          discovery: { settle: '0s' },
          listeners: {
            scrape: { address: `127.0.0.1:${ports.scrape}`, tls: { secret: { name: 'gateway-tls' }, clientCaSecrets: [{ name: 'clients-ca' }] } },
            agents: { address: `127.0.0.1:${ports.agents}`, tls: { secret: { name: 'gateway-tls', namespace: world.home }, clientCaSecrets: [{ name: 'agents-ca' }] } },
          },
        },
      }),
    );
  }, 120_000);
  afterAll(async () => {
    await stack.disposeAsync();
  });

  it('open each door when all of its own are there; one that is missing is named, and the other door works', async () => {
    await eventually(async () => expect(await scrape()).toBe(503), PATIENT);
    expect(await notReady()).toContain('listeners.agents is closed, for want of its clientCas: monitoring/agents-ca: ');
    await expect(shown('agents')).rejects.toThrow('ECONNREFUSED');
    expect(await ok()).toContainEqual(['{door="agents",part="clientCas",secret="monitoring/agents-ca"}', 0]);

    await secret('agents-ca', 'Opaque', { 'ca.crt': await readFile(world.pki.agentsCaFile, 'utf8') });
    await eventually(async () => expect(await ok()).toContainEqual(['{door="agents",part="clientCas",secret="monitoring/agents-ca"}', 1]), PATIENT);
    await gateway.waitUntilReady(20_000);
    const target = stack.use(await startExporter({ behaviour: textAnswer('up 1\n') }));
    const agent = stack.use(await startAgent({ dir: world.dir.path, pki: world.pki, name: 'berlin', gatewayPort: gateway.ports.agents, targets: [{ name: 'app', url: `http://127.0.0.1:${target.port}/metrics` }] }));
    await agent.waitUntilReady();
    await eventually(async () => expect(await scrape()).toBe(200), PATIENT);
  }, 60_000);

  it('rotate under load: no scrape fails, no connection and no tunnel is dropped, and new connections see the new one', async () => {
    let connections = 0;
    const pool = new Pool(gateway.scrapeUrl, { connections: 4, connect: { ca, servername: 'localhost' } });
    pool.on('connect', () => (connections += 1));
    const answers: (number | string)[] = [];
    const load = { on: true };
    const running = Array.from({ length: 4 }, async () => {
      while (load.on) {
        const status = await pool.request({ path: '/scrape/berlin/app', method: 'GET', headers }).then(async ({ statusCode, body }) => body.dump().then(() => statusCode), String);
        answers.push(status, await scrape().catch(String));
      }
    });
    for (let round = 0; round < 3; round += 1) {
      const next = await certificate();
      await gatewayTls(next);
      await eventually(async () => expect(await Promise.all([shown('scrape'), shown('agents')])).toEqual([fingerprint(next.certificatePem), fingerprint(next.certificatePem)]), PATIENT);
      const seen = answers.length;
      await eventually(() => expect(answers.length).toBeGreaterThan(seen + 20), PATIENT);
    }
    load.on = false;
    await Promise.all(running);
    await pool.close();
    expect(answers.filter((status) => status !== 200)).toEqual([]);
    expect(connections).toBe(4);
  }, 90_000);

  it('that break leave the last good one in force, and say so by a metric and an Event on the Secret', async () => {
    const before = await shown('scrape');
    const [one, other] = [await certificate(), await certificate()];
    await gatewayTls({ certificatePem: one.certificatePem, privateKeyPem: other.privateKeyPem });
    await eventually(async () => expect(await ok()).toContainEqual(['{door="scrape",part="certificate",secret="monitoring/gateway-tls"}', 0]), PATIENT);
    expect([await shown('scrape'), await scrape()]).toEqual([before, 200]);
    await isTold(/tls\.key is not the key of the certificate/);

    await world.remove('Secret', 'gateway-tls');
    await isTold(/does not exist/);
    expect([await shown('agents'), await scrape()]).toEqual([before, 200]);

    await gatewayTls(one);
    await eventually(async () => expect(await shown('scrape')).toBe(fingerprint(one.certificatePem)), PATIENT);
    expect((await ok()).map(([, value]) => value)).toEqual([1, 1, 1, 1]);
    expect(await notReady()).toContain('ready');
  }, 60_000);
});
