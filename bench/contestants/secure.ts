import { hash } from '@node-rs/bcrypt';
import { createTestPki } from '../../test/support/certificates.js';
import type { TestPki } from '../../test/support/certificates.js';
import { startGateway } from '../../test/support/gateway.js';
import type { GatewayPorts, RunningGateway } from '../../test/support/gateway.js';
import { startChild } from '../child.js';
import { ENVOY_WORKERS, scrapeRequest, START_TIMEOUT_MS } from '../contestant.js';
import type { Contestant, Round, Running } from '../contestant.js';
import type { AgentsMessage, AgentsOptions } from '../emulated-agents.js';
import { findDescendant } from '../measure.js';

/**
 * All of it, as `scrapeway up` runs it. Of the shipped configuration only the tenant's rate limit is raised out of the way, and the audit log goes to a
 * file.
 */

const PASSWORD = 'correct horse battery staple';
const BCRYPT_COST = 10;
const NO_LIMIT = 1_000_000;

/** Issued once a run: a thousand keys take a while. By folder, and then by agent. */
let pki: { readonly dir: string; readonly made: Promise<TestPki>; readonly issued: Set<string> } | undefined;

async function certificatesFor(dir: string, agents: readonly string[]): Promise<TestPki> {
  if (pki?.dir !== dir) pki = { dir, made: createTestPki(dir), issued: new Set() };
  const { issued, made } = pki;
  const certificates = await made;
  for (const agent of agents) {
    if (issued.has(agent)) continue;
    await certificates.agent(agent);
    issued.add(agent);
  }
  return certificates;
}

export const secure: Contestant = {
  name: 'secure',
  what: 'load → TLS, password → Envoy with ext_authz, rate limit, access log → hub → mTLS tunnels through Envoy; `scrapeway up`, hub and ext_authz on one data thread',
  start: async (round, started) => {
    const { gateway, certificates } = await startSecureGateway(round, started);
    return connectAll(round, started, { gateway, certificates, envoyPid: findDescendant(gateway.process.pid, 'envoy'), ports: gateway.ports });
  },
};

export interface SecureGateway {
  readonly gateway: RunningGateway;
  readonly certificates: TestPki;
}

/** `ports`: those of a gateway that was there before. */
export async function startSecureGateway({ dir, runDir, agents }: Round, started: AsyncDisposableStack, ports?: GatewayPorts): Promise<SecureGateway> {
  const certificates = await certificatesFor(`${runDir}/pki`, agents);
  const gateway = started.use(
    await startGateway({
      dir,
      ...(ports !== undefined && { ports }),
      pki: certificates,
      tenants: [
        {
          name: 'team-a',
          credentials: [{ basic: { user: 'team-a', passwordHash: await hash(PASSWORD, { cost: BCRYPT_COST }) } }],
          limits: { requestsPerSecond: NO_LIMIT },
        },
      ],
      agents: agents.map((name) => ({ name, tenants: ['team-a'] })),
      config: { dataThreads: 1, envoy: { concurrency: ENVOY_WORKERS } },
      startTimeoutMs: START_TIMEOUT_MS,
    }),
  );
  return { gateway, certificates };
}

export interface Way extends SecureGateway {
  /** The Envoy that counts, and where it listens. */
  readonly envoyPid: number;
  readonly ports: GatewayPorts;
  /** Default: true. */
  readonly doorTls?: boolean;
  /** Agents dial the hub's own socket. Default: false, they dial Envoy. */
  readonly plainTunnels?: boolean;
  /** Headers that the load brings besides its password. */
  readonly stamps?: (agent: string) => readonly string[];
}

/** The agents, and what the load has to know. */
export async function connectAll({ dir, runDir, agents, bodyFile }: Round, started: AsyncDisposableStack, way: Way): Promise<Running> {
  const { gateway, certificates, envoyPid, ports, doorTls = true, plainTunnels = false, stamps = () => [] } = way;
  const caFile = certificates.serverCaFile;
  const emulated = started.use(
    await startChild<AgentsOptions, AgentsMessage>('emulated-agents', dir, {
      names: agents,
      dial: plainTunnels
        ? { kind: 'unix', socketPath: `${dir}/run/tunnel-0.sock` }
        : { kind: 'tls', host: '127.0.0.1', port: ports.agents, serverName: 'localhost', caFile, certificateDir: `${runDir}/pki/agents` },
      registers: true,
      bodyFile,
    }),
  );
  await emulated.next(START_TIMEOUT_MS);
  return {
    servers: [
      { role: 'Envoy', pid: envoyPid },
      { role: 'gateway', pid: gateway.process.pid },
    ],
    agentsPid: emulated.pid,
    load: loadOf(agents, certificates, ports.scrape, doorTls, stamps),
  };
}

/** The load on a scrape door: the tenant's password on each request. */
export function loadOf(agents: readonly string[], { serverCaFile }: TestPki, port: number, tls: boolean, stamps: (agent: string) => readonly string[] = () => []): Running['load'] {
  const authorization = `Authorization: Basic ${Buffer.from(`team-a:${PASSWORD}`).toString('base64')}`;
  return {
    host: '127.0.0.1',
    port,
    tls: tls ? { serverName: 'localhost', caFile: serverCaFile } : undefined,
    requests: agents.map((agent) => scrapeRequest(`/scrape/${agent}/node`, `localhost:${port}`, [authorization, ...stamps(agent)])),
  };
}
