import type { Target } from '../model/target.js';
import type { KeepAliveOptions } from '../tunnel/keepalive.js';
import type { BackoffOptions } from '../tunnel/backoff.js';

/** Everything that an agent needs to know, all defaults filled in. */
export interface AgentOptions {
  readonly gateways: readonly GatewayAddress[];
  /** Read again for each dial, so that renewed certificates are used without a restart. Rejects when a file cannot be read. */
  readonly credentials: () => Promise<TlsCredentials>;
  readonly targets: readonly TargetSpec[];
  /** Scrapes in flight at this agent; more are answered with `agent_overloaded`. */
  readonly maxConcurrentScrapes: number;
  /** Connections to one target, and so scrapes in flight there; more wait within their deadline. */
  readonly maxConnectionsPerTarget: number;
  readonly keepAlive: KeepAliveOptions;
  readonly reconnect: BackoffOptions;
  /** From the first packet to the end of the handshake, ms. */
  readonly dialTimeoutMs: number;
}

export interface GatewayAddress {
  readonly host: string;
  readonly port: number;
  /** Name that the gateway's certificate must have; `host` by default. */
  readonly serverName: string;
}

/** PEM texts. */
export interface TlsCredentials {
  readonly certificate: string;
  readonly key: string;
  readonly ca: string;
}

/** A target as the agent's own file has it: what is registered, and what only the agent knows. */
export interface TargetSpec {
  readonly target: Target;
  /** Paths that may be asked for (ADR 3): exact, or a prefix where it ends in `*`. */
  readonly allowedPaths: readonly string[];
  /** Upper bound of a scrape here, ms; the scrape's own deadline may be shorter. */
  readonly timeoutMs: number | undefined;
  /** A longer answer fails the scrape; undefined = no limit (bodies are streamed, not held). */
  readonly maxBodyBytes: number | undefined;
  /** For `https`. */
  readonly tls: { readonly caPem: string | undefined; readonly serverName: string | undefined; readonly insecureSkipVerify: boolean };
  /** Added to each request to the target, over what the client sent: the agent's own credentials for the exporter. */
  readonly headers: Readonly<Record<string, string>>;
}
