import { hash } from '@node-rs/bcrypt';
import { createTestPki } from '../../test/support/certificates.js';
import type { TestPki } from '../../test/support/certificates.js';
import { startGateway } from '../../test/support/gateway.js';
import type { GatewayPorts, RunningGateway } from '../../test/support/gateway.js';
import type { ConfigFile } from '../../test/support/scrapeway.js';
import { startChild } from '../child.js';
import { ENVOY_WORKERS, scrapeRequest, START_TIMEOUT_MS, TENANT } from '../contestant.js';
import type { Contestant, Round, Running } from '../contestant.js';
import type { AgentsMessage, AgentsOptions } from '../emulated-agents.js';
import { findDescendant } from '../measure.js';

/**
 * All of it, as `scrapeway up` runs it. Of the shipped configuration only the tenant's rate limit is raised out of the way, and the audit log goes to a
 * file.
 */

const PASSWORD = 'correct horse battery staple';
/** The load's credential. */
export const BASIC_AUTHORIZATION = `Basic ${Buffer.from(`${TENANT}:${PASSWORD}`).toString('base64')}`;
const BCRYPT_COST = 10;
const NO_LIMIT = 1_000_000;

/** Issued once a run: a thousand keys take a while. By folder, and then by agent. */
let pki: { readonly dir: string; readonly made: Promise<TestPki>; readonly issued: Set<string> } | undefined;

/** Of the agents that were not given one before. */
export async function certificatesFor(dir: string, agents: readonly string[]): Promise<TestPki> {
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
    const secured = await startSecureGateway(round, started);
    const { gateway } = secured;
    return connectAll(round, started, { ...secured, envoyPid: findDescendant(gateway.process.pid, 'envoy'), ports: gateway.ports });
  },
};

export interface SecureGateway {
  /** As its configuration file has it. */
  readonly configured: { readonly tenants: readonly ConfigFile[]; readonly agents: readonly ConfigFile[] };
  readonly gateway: RunningGateway;
  readonly certificates: TestPki;
}

/** `ports`: those of a gateway that was there before. `dialling`: agents that need a certificate; default: all. */
export async function startSecureGateway({ dir, runDir, agents }: Round, started: AsyncDisposableStack, ports?: GatewayPorts, dialling = agents): Promise<SecureGateway> {
  const certificates = await certificatesFor(`${runDir}/pki`, dialling);
  const configured = {
    tenants: [
      {
        name: TENANT,
        credentials: [{ basic: { user: TENANT, passwordHash: await hash(PASSWORD, { cost: BCRYPT_COST }) } }],
        limits: { requestsPerSecond: NO_LIMIT },
      },
    ],
    agents: agents.map((name) => ({ name, tenants: [TENANT] })),
  };
  const gateway = started.use(
    await startGateway({
      dir,
      ...(ports !== undefined && { ports }),
      pki: certificates,
      ...configured,
      config: { dataThreads: 1, envoy: { concurrency: ENVOY_WORKERS } },
      startTimeoutMs: START_TIMEOUT_MS,
    }),
  );
  return { gateway, certificates, configured };
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
    load: doorLoad({ targets: emulatedTargets(agents), certificates, port: ports.scrape, tls: doorTls, stamps }),
  };
}

export interface DoorLoad {
  /** `agent/target`. */
  readonly targets: readonly string[];
  readonly certificates: TestPki;
  readonly port: number;
  /** Default: true. */
  readonly tls?: boolean;
  readonly stamps?: (agent: string) => readonly string[];
}

/** The load on a scrape door: the tenant's password on each request. */
export function doorLoad({ targets, certificates, port, tls = true, stamps = () => [] }: DoorLoad): Running['load'] {
  return {
    host: '127.0.0.1',
    port,
    tls: tls ? { serverName: 'localhost', caFile: certificates.serverCaFile } : undefined,
    requests: targets.map((target) => scrapeRequest(`/scrape/${target}`, `localhost:${port}`, [`Authorization: ${BASIC_AUTHORIZATION}`, ...stamps(target.split('/')[0] ?? '')])),
  };
}

/** The one target of each emulated agent. */
export function emulatedTargets(agents: readonly string[]): readonly string[] {
  return agents.map((agent) => `${agent}/node`);
}
