import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { hash } from '@node-rs/bcrypt';
import { createTestPki, readPair } from '../support/certificates.js';
import { startConnectProxy } from '../support/connect-proxy.js';
import type { ConnectProxy } from '../support/connect-proxy.js';
import { startExporter, textAnswer } from '../support/exporter.js';
import { dump } from '../support/export-rig.js';
import { startGateway } from '../support/gateway.js';
import type { RunningGateway } from '../support/gateway.js';
import { startOidcProvider } from '../support/oidc-provider.js';
import type { RunningOidcProvider } from '../support/oidc-provider.js';
import { startPrometheus } from '../support/prometheus.js';
import type { RunningPrometheus } from '../support/prometheus.js';
import { isSigned, startStrictReceiver } from '../support/strict-receiver.js';
import type { Asked, StrictReceiver } from '../support/strict-receiver.js';
import { createTempDir } from '../support/temp-dir.js';
import { PASSWORD } from '../support/world.js';
import type { ConfigFile } from '../support/scrapeway.js';

/** How an export shows who it is, at doors that look: one destination for each way, and one that shows nothing. */

const stack = new AsyncDisposableStack();
const AUDIENCE = 'https://metrics.test';
const AWS = { accessKeyId: 'AKIDEXAMPLE', secretAccessKey: 'wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY', region: 'eu-central-1', service: 'aps' };

let receiver: RunningPrometheus;
let strict: StrictReceiver;
let proxy: ConnectProxy;
let provider: RunningOidcProvider;
let gateway: RunningGateway;
let startedMs: number;

const DOORS: Readonly<Record<string, (asked: Asked) => boolean>> = {
  '/mtls': ({ client }) => client === 'exporter',
  '/oauth2': ({ headers: { authorization = '' } }) => isOf(authorization),
  '/sigv4': (asked) => isSigned(asked, AWS),
  '/session': (asked) => isSigned(asked, AWS) && asked.headers['x-amz-security-token'] === 'of-an-hour' && String(asked.headers.authorization).includes('x-amz-security-token'),
  '/proxy': ({ headers }) => headers['proxy-authorization'] === undefined,
  '/header': ({ headers }) => headers['x-scope-orgid'] === 'team-a',
  '/nothing': () => false,
};

function isOf(authorization: string): boolean {
  const [, claims = ''] = authorization.replace('Bearer ', '').split('.');
  return claims !== '' && JSON.parse(Buffer.from(claims, 'base64url').toString()).iss === provider.issuer;
}

const write = (file: string, text: string) => writeFile(file, text, { mode: 0o600 }).then(() => file);

beforeAll(async () => {
  const dir = stack.use(await createTempDir());
  const pki = await createTestPki(dir.join('pki'));
  const [ca, clientsCa, server] = await Promise.all([readFile(pki.serverCaFile), readFile(pki.clientsCaFile), readPair(pki.gateway)]);
  const client = await pki.client('exporter');
  const target = stack.use(await startExporter({ behaviour: textAnswer('# TYPE load gauge\nload 1\n') }));
  const source = stack.use(await startPrometheus({ config: { global: { scrape_interval: '500ms', scrape_timeout: '500ms' }, scrape_configs: [{ job_name: 'app', static_configs: [{ targets: [`127.0.0.1:${target.port}`] }] }] } }));
  receiver = stack.use(await startPrometheus({ config: {}, args: ['--web.enable-remote-write-receiver'] }));
  provider = stack.use(await startOidcProvider({ certificate: pki.gateway, ca, audiences: [AUDIENCE], clients: [{ id: 'exporter', secret: 'hush', claims: {} }] }));
  proxy = stack.use(await startConnectProxy({ credentials: 'me:pw' }));
  strict = stack.use(await startStrictReceiver({ tls: { ...server, ca: clientsCa }, behind: receiver.url, admits: (asked) => DOORS[asked.path]?.(asked) ?? false }));
  const secretFile = await write(dir.join('secret'), 'hush');
  const keyFile = await write(dir.join('aws'), AWS.secretAccessKey);
  const sigv4 = { region: AWS.region, accessKeyId: AWS.accessKeyId, secretAccessKeyFile: keyFile };
  const ways: Readonly<Record<string, ConfigFile>> = {
    mtls: { certFile: client.certificateFile, keyFile: client.keyFile },
    oauth2: { oauth2: { tokenUrl: provider.tokenUri, clientId: 'exporter', clientSecretFile: secretFile, parameters: { resource: AUDIENCE } } },
    sigv4: { sigv4 },
    session: { sigv4: { ...sigv4, sessionTokenFile: await write(dir.join('session'), 'of-an-hour') } },
    proxy: { proxy: { url: `http://127.0.0.1:${proxy.port}`, basic: { user: 'me', passwordFile: await write(dir.join('password'), 'pw') } } },
    header: { headers: { 'X-Scope-OrgID': 'team-a' } },
    nothing: {},
  };
  const names = Object.keys(ways);
  await source.waitForUp(1);
  startedMs = Date.now();
  gateway = stack.use(
    await startGateway({
      dir: dir.path,
      pki,
      agents: [],
      tenants: [{ name: 'team-a', credentials: [{ basic: { user: 'team-a', passwordHash: await hash(PASSWORD, { cost: 4 }) } }], query: [{ metrics: ['load'] }], exports: names.map((name) => ({ name, backend: 'main', destination: name, interval: '1s', extraLabels: { way: name }, queue: { max_backoff: '200ms' } })) }],
      config: {
        runtimeDir: dir.join('run'),
        backends: [{ name: 'main', url: source.url }],
        exportDestinations: names.map((name) => ({ name, kind: 'remote_write', url: `https://localhost:${strict.port}/${name}`, caFile: pki.serverCaFile, timeout: '5s', ...ways[name] })),
        exports: { folder: path.join(dir.path, 'exports') },
      },
    }),
  );
});
afterAll(async () => {
  await stack.disposeAsync();
});

const arrived = async (way: string): Promise<number> => {
  const [points] = (await dump(receiver.url, `load{way="${way}"}`, startedMs, Date.now())).values();
  return points?.length ?? 0;
};

describe('an export arrives at a door that wants', () => {
  it.each([
    ['a client certificate', 'mtls'],
    ['a token of an OpenID provider', 'oauth2'],
    ['an AWS signature', 'sigv4'],
    ['an AWS signature of temporary credentials', 'session'],
    ['to be reached through a proxy that wants a password', 'proxy'],
    ['a header', 'header'],
  ])('%s', async (_what, way) => {
    await gateway.process.until('it has arrived', async () => expect(await arrived(way)).toBeGreaterThan(0), { timeoutMs: 30_000 });
    expect(strict.refused.filter(({ path: asked }) => asked === `/${way}`)).toEqual([]);
  });

  it('through the proxy, and not beside it', () => {
    expect(proxy.process.log()).toContain(`connected localhost:${strict.port}`);
  });
});

describe('an export that shows nothing where something is wanted', () => {
  it('does not arrive, and the metrics say why', async () => {
    await gateway.process.until('refused', async () => expect(strict.refused.filter(({ path: asked }) => asked === '/nothing').length).toBeGreaterThan(0), { timeoutMs: 30_000 });
    expect(await arrived('nothing')).toBe(0);
    await gateway.process.until('it is told', async () => {
      const dropped = await gateway.metric('scrapeway_export_dropped_samples_total');
      expect([...dropped].filter(([labels, value]) => labels.includes('nothing') && value > 0).length).toBeGreaterThan(0);
    });
  });
});
