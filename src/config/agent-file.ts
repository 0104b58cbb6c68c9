import type { FileLogLevel } from './gateway-file.js';

/**
 * The agent's file as it is written, after schema/agent.schema.json has passed it and filled in the defaults: what has a
 * default there is always present here.
 */
export interface AgentFile {
  readonly agent: { readonly name?: string };
  readonly gateways: readonly { readonly address: string; readonly serverName?: string }[];
  readonly tls: { readonly certFile: string; readonly keyFile: string; readonly caFile: string };
  readonly targets: readonly TargetFile[];
  readonly limits: { readonly maxConcurrentScrapes: number; readonly maxBodySize: string };
  readonly keepAlive: { readonly interval: string; readonly timeout: string };
  readonly drainTimeout: string;
  readonly metrics: { readonly address: string };
  readonly log: { readonly level: FileLogLevel };
}

export interface TargetFile {
  readonly name: string;
  readonly url: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly paths: readonly string[];
  readonly timeout?: string;
  readonly maxBodySize?: string;
  readonly tls?: TargetTlsFile;
  readonly headers: Readonly<Record<string, string>>;
  readonly basic?: { readonly user: string; readonly passwordFile: string };
  readonly bearerTokenFile?: string;
}

export interface TargetTlsFile {
  readonly caFile?: string;
  readonly certFile?: string;
  readonly keyFile?: string;
  readonly serverName?: string;
  readonly insecureSkipVerify: boolean;
}
