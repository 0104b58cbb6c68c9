import { hash } from '@node-rs/bcrypt';
import { createTestPki } from '../../test/support/certificates.js';
import { startEnvoy } from '../../test/support/envoy.js';
import { startGateway } from '../../test/support/gateway.js';
import { fetchRaw } from '../../test/support/http.js';
import { freePort } from '../../test/support/ports.js';
import { startProcess } from '../../test/support/process.js';
import type { RunningPrometheus } from '../../test/support/prometheus.js';
import { queryState, TENANT_HEADER } from '../../test/support/query-door.js';
import { bareBootstrap, loopback } from '../bare-envoy.js';
import { startChild } from '../child.js';
import { ENVOY_WORKERS, START_TIMEOUT_MS } from '../contestant.js';
import type { LoadOptions } from '../load.js';
import { findDescendant } from '../measure.js';
import type { Subject } from '../measure.js';
import type { DoorMessage, DoorOptions } from './door-process.js';
import { POLICIES } from './questions.js';
import type { Policy, Question } from './questions.js';
import { asAsked, restricted } from './wire.js';
import type { WireRequest } from './wire.js';

/** The ways of a question to the same server, all at once: each is started before the first round, and idle while others are measured. */

export interface Path extends Pick<LoadOptions, 'host' | 'port' | 'tls'> {
  readonly name: string;
  readonly what: string;
  /** Beside the server itself. */
  readonly servers: readonly Subject[];
  takes(policy: Policy): boolean;
  request(question: Question, policy: Policy): WireRequest;
  headers(policy: Policy): readonly string[];
}

export const BACKEND = 'main';
const PASSWORD = 'correct horse battery staple';
const BCRYPT_COST = 10;
const NO_LIMIT = 1_000_000;
const LABEL_PROXY = 'PROM_LABEL_PROXY_BIN';

type Started = AsyncDisposableStack;
type Whole = Omit<Path, 'tls'> & Partial<Pick<Path, 'tls'>>;

function path(parts: Whole): Path {
  return { tls: undefined, ...parts };
}

const ALWAYS = { host: '127.0.0.1', takes: () => true };

/** prom-label-proxy only where its executable is named. */
export async function startPaths(prometheus: RunningPrometheus, dir: string, started: Started): Promise<readonly Path[]> {
  const state = queryState([{ name: BACKEND, url: prometheus.url }], POLICIES.map(({ name, grants }) => ({ name, query: grants })));
  const port = Number(new URL(prometheus.url).port);
  const byHand = { ...ALWAYS, request: (question: Question, policy: Policy) => restricted(question, state, policy.name, BACKEND), headers: () => [] };
  const direct = path({ ...byHand, name: 'direct', what: 'the rewritten question, asked of Prometheus itself', servers: [], port });
  const proxy = await envoyPort(port, dir, started);
  const envoy = path({ ...byHand, name: 'envoy', what: 'the rewritten question through an Envoy that only passes on (no TLS, no log)', ...proxy });
  const labelProxy = await startLabelProxy(prometheus.url, started);
  return [direct, envoy, ...labelProxy, await startDoor(state, dir, started), await startWhole(prometheus.url, dir, started)];
}

async function envoyPort(upstream: number, dir: string, started: Started): Promise<Pick<Path, 'port' | 'servers'>> {
  const port = await freePort();
  const adminSocket = `${dir}/bare-admin.sock`;
  const envoy = started.use(await startEnvoy({ bootstrap: bareBootstrap({ port, adminSocket, upstream: loopback(upstream), http2: false }), adminSocket, dir }));
  await envoy.waitUntilReady();
  return { port, servers: [{ role: 'Envoy', pid: envoy.process.pid }] };
}

async function startLabelProxy(upstream: string, started: Started): Promise<readonly Path[]> {
  const command = process.env[LABEL_PROXY];
  if (!command) return [];
  const policy = POLICIES.find(({ isOneLabel }) => isOneLabel);
  const [[label, value] = ['', '']] = Object.entries(policy?.grants[0]?.labels ?? {});
  const port = await freePort();
  const args = [`-insecure-listen-address=127.0.0.1:${port}`, `-upstream=${upstream}`, `-label=${label}`, `-label-value=${value}`, '-enable-label-apis'];
  const running = started.use(startProcess({ name: 'prom-label-proxy', command, args }));
  await running.until('alive', () => fetchRaw({ url: `http://127.0.0.1:${port}/healthz` }));
  const servers = [{ role: 'prom-label-proxy', pid: running.pid }];
  return [path({ ...ALWAYS, name: 'prom-label-proxy', what: 'prom-label-proxy as it comes (no TLS, no authentication, no log; one label only)', servers, port, takes: ({ isOneLabel }) => isOneLabel, request: asAsked, headers: () => [] })];
}

async function startDoor(state: DoorOptions['state'], dir: string, started: Started): Promise<Path> {
  const child = started.use(await startChild<DoorOptions, DoorMessage>('query/door-process', dir, { state }));
  const { url } = await child.next(START_TIMEOUT_MS);
  return path({
    ...ALWAYS,
    name: 'door',
    what: 'the query service alone, on a port (no TLS, no authentication, no log)',
    servers: [{ role: 'door', pid: child.pid }],
    port: Number(new URL(url).port),
    request: throughDoor,
    headers: ({ name }) => [`${TENANT_HEADER}: ${name}`],
  });
}

function throughDoor(question: Question): WireRequest {
  const asked = asAsked(question);
  return { ...asked, path: `/query/${BACKEND}${asked.path}` };
}

/** As `scrapeway up` runs it; only the tenants' rate limit is out of the way. */
async function startWhole(url: string, dir: string, started: Started): Promise<Path> {
  const pki = await createTestPki(`${dir}/pki`);
  const passwordHash = await hash(PASSWORD, { cost: BCRYPT_COST });
  const tenants = POLICIES.map(({ name, grants }) => ({
    name,
    credentials: [{ basic: { user: name, passwordHash } }],
    limits: { requestsPerSecond: NO_LIMIT },
    query: grants.map(({ metrics, labels }) => ({ metrics, labels })),
  }));
  const gateway = started.use(await startGateway({ dir, pki, tenants, agents: [], config: { dataThreads: 1, envoy: { concurrency: ENVOY_WORKERS }, backends: [{ name: BACKEND, url }] } }));
  return path({
    ...ALWAYS,
    name: 'gateway',
    what: 'all of it, `scrapeway up`: TLS, password, Envoy with ext_authz, rate limit and access log, then the door',
    servers: [
      { role: 'Envoy', pid: findDescendant(gateway.process.pid, 'envoy') },
      { role: 'gateway', pid: gateway.process.pid },
    ],
    port: gateway.ports.scrape,
    tls: { serverName: 'localhost', caFile: pki.serverCaFile },
    request: throughDoor,
    headers: ({ name }) => [`Authorization: Basic ${Buffer.from(`${name}:${PASSWORD}`).toString('base64')}`],
  });
}
