/**
 * What the quick start is made of: folders, ports, names. Everything lives below one state folder.
 */
import { once } from 'node:events';
import { createServer } from 'node:net';
import { join } from 'node:path';

export interface Ports {
  readonly scrape: number;
  readonly agents: number;
  readonly gatewayStatus: number;
  readonly agentAStatus: number;
  readonly agentBStatus: number;
  readonly nodeA: number;
  readonly nodeB: number;
  readonly prometheus: number;
}

/** The ports that the documentation uses; another free one is taken where somebody has it already. */
const USUAL: Ports = {
  scrape: 9443,
  agents: 8443,
  gatewayStatus: 9464,
  agentAStatus: 9465,
  agentBStatus: 9466,
  nodeA: 9100,
  nodeB: 9101,
  prometheus: 9090,
};

export interface Layout {
  readonly stateDir: string;
  readonly pkiDir: string;
  readonly runDir: string;
  readonly logDir: string;
  readonly gatewayConfig: string;
  readonly agentAConfig: string;
  readonly agentBConfig: string;
  readonly prometheusConfig: string;
  readonly prometheusData: string;
  readonly accessLog: string;
  readonly teamAPasswordFile: string;
  readonly pidFile: string;
}

export function layoutOf(stateDir: string): Layout {
  const at = (name: string): string => join(stateDir, name);
  return {
    stateDir,
    pkiDir: at('pki'),
    runDir: at('run'),
    logDir: at('log'),
    gatewayConfig: at('gateway.yaml'),
    agentAConfig: at('agent-a.yaml'),
    agentBConfig: at('agent-b.yaml'),
    prometheusConfig: at('prometheus.yml'),
    prometheusData: at('prometheus'),
    accessLog: at('log/access.jsonl'),
    teamAPasswordFile: at('team-a.password'),
    pidFile: at('pids'),
  };
}

/** The usual ports, each replaced by a free one where it is taken. */
export async function freePorts(): Promise<Ports> {
  const chosen = new Map<string, number>();
  for (const [name, port] of Object.entries(USUAL)) chosen.set(name, await freePort(port, [...chosen.values()]));
  const of = (name: keyof Ports): number => chosen.get(name) ?? USUAL[name];
  return {
    scrape: of('scrape'),
    agents: of('agents'),
    gatewayStatus: of('gatewayStatus'),
    agentAStatus: of('agentAStatus'),
    agentBStatus: of('agentBStatus'),
    nodeA: of('nodeA'),
    nodeB: of('nodeB'),
    prometheus: of('prometheus'),
  };
}

async function freePort(wanted: number, taken: readonly number[]): Promise<number> {
  for (const candidate of [wanted, 0, 0, 0, 0]) {
    const port = await tryListen(candidate);
    if (port !== undefined && !taken.includes(port)) return port;
  }
  throw new Error('no free TCP port to be had');
}

/** The port when it could be bound on the loopback address just now, else undefined. */
async function tryListen(port: number): Promise<number | undefined> {
  const server = createServer();
  const listening = once(server, 'listening');
  server.listen(port, '127.0.0.1');
  try {
    await listening;
  } catch {
    return undefined;
  }
  const address = server.address();
  server.close();
  await once(server, 'close');
  return address !== null && typeof address === 'object' ? address.port : undefined;
}
