import type { TestPki } from './certificates.js';
import { freePort } from './ports.js';
import { startScrapeway } from './scrapeway.js';
import type { ConfigFile, RunningScrapeway } from './scrapeway.js';

/**
 * A whole gateway, Envoy included: `scrapeway up` with both doors on free ports of 127.0.0.1.
 */

export interface GatewayOptions {
  /** Short: the sockets lie in it. */
  readonly dir: string;
  readonly pki: TestPki;
  readonly tenants: readonly ConfigFile[];
  readonly agents: readonly ConfigFile[];
  /** More of the configuration file, over what is generated. */
  readonly config?: ConfigFile;
  readonly clockShiftFile?: string;
  /** A gateway that starts again takes the ports of the one before. */
  readonly ports?: GatewayPorts;
  /** False: it need not become ready. */
  readonly ready?: boolean;
  /** Longer where there is much to read. */
  readonly startTimeoutMs?: number;
  /** Address of the agents' door; default 127.0.0.1. */
  readonly agentsHost?: string;
}

export interface GatewayPorts {
  readonly scrape: number;
  readonly agents: number;
}

export interface RunningGateway extends RunningScrapeway {
  readonly ports: GatewayPorts;
  /** What it was given: another one in the same takes its place. */
  readonly dir: string;
  readonly runtimeDir: string;
  /** `https://localhost:<port>` of the scrape door. */
  readonly scrapeUrl: string;
  /** Envoy's access log, a JSON object per request. */
  readonly accessLogFile: string;
  /** Replaces tenants and agents, or more, of the configuration. */
  reconfigure(change: ConfigFile): Promise<void>;
}

/** Resolves when the gateway is ready. */
export async function startGateway(options: GatewayOptions): Promise<RunningGateway> {
  const ports = options.ports ?? { scrape: await freePort(), agents: await freePort() };
  const accessLogFile = `${options.dir}/access.jsonl`;
  const config = gatewayConfig(options, ports, accessLogFile);
  const running = await startScrapeway({ command: 'up', name: 'gateway', dir: options.dir, config, ...(options.clockShiftFile !== undefined && { clockShiftFile: options.clockShiftFile }), ...(options.startTimeoutMs !== undefined && { aliveTimeoutMs: options.startTimeoutMs }) });
  try {
    if (options.ready !== false) await running.waitUntilReady(options.startTimeoutMs);
  } catch (error) {
    await running.stop();
    throw error;
  }
  return {
    ...running,
    ports,
    dir: options.dir,
    runtimeDir: `${options.dir}/run`,
    scrapeUrl: `https://localhost:${ports.scrape}`,
    accessLogFile,
    reconfigure: (change) => running.rewriteConfig({ ...config, ...change }),
  };
}

function gatewayConfig(options: GatewayOptions, ports: GatewayPorts, accessLogFile: string): ConfigFile {
  const { dir, pki, tenants, agents, config } = options;
  const listener = (port: number, clientCaFile: string, host = '127.0.0.1'): ConfigFile => ({
    address: `${host}:${port}`,
    tls: { certFile: pki.gateway.certificateFile, keyFile: pki.gateway.keyFile, clientCaFiles: [clientCaFile] },
  });
  return {
    gateway: { id: 'test', names: ['localhost', '127.0.0.1'] },
    listeners: { scrape: listener(ports.scrape, pki.clientsCaFile), agents: listener(ports.agents, pki.agentsCaFile, options.agentsHost) },
    runtimeDir: `${dir}/run`,
    accessLog: { path: accessLogFile },
    tenants,
    agents,
    ...config,
  };
}
