import type { CertificateFiles, TestPki } from './certificates.js';
import { startScrapeway } from './scrapeway.js';
import type { ConfigFile, RunningScrapeway, SiteNetwork } from './scrapeway.js';

/**
 * An agent, `scrapeway agent`, that dials a gateway, or whatever a test has put in between.
 */

export interface AgentOptions {
  readonly dir: string;
  readonly pki: TestPki;
  readonly name: string;
  /** Port of the agents' door on localhost: the gateway's, or a fault proxy's. */
  readonly gatewayPort: number;
  readonly targets: readonly ConfigFile[];
  /** Another certificate than the one of `name`. */
  readonly certificate?: CertificateFiles;
  /** More of the configuration file, over what is generated. */
  readonly config?: ConfigFile;
  readonly clockShiftFile?: string;
  readonly network?: SiteNetwork;
  /** Longer where many processes start at once. */
  readonly startTimeoutMs?: number;
}

/** Resolves when the agent runs; `waitUntilReady` waits for its tunnel. */
export async function startAgent(options: AgentOptions): Promise<RunningScrapeway> {
  const { dir, pki, name, gatewayPort, targets, config } = options;
  const { certificateFile, keyFile } = options.certificate ?? (await pki.agent(name));
  return startScrapeway({
    command: 'agent',
    name,
    dir,
    ...(options.startTimeoutMs !== undefined && { aliveTimeoutMs: options.startTimeoutMs }),
    ...(options.network !== undefined && { network: options.network }),
    ...(options.clockShiftFile !== undefined && { clockShiftFile: options.clockShiftFile }),
    config: {
      gateways: [{ address: `localhost:${gatewayPort}` }],
      tls: { certFile: certificateFile, keyFile, caFile: pki.serverCaFile },
      targets,
      ...config,
    },
  });
}
