import type { BackoffOptions } from '../tunnel/backoff.js';
import type { AgentSettings, TlsCredentials } from '../model/agent-settings.js';
import type { KeepAliveOptions } from '../tunnel/keepalive.js';

/** Everything that an agent needs to know, all defaults filled in. */
export interface AgentOptions extends AgentSettings {
  /** Asked for each dial, so that renewed certificates are used without a restart. */
  readonly credentials: () => Promise<TlsCredentials>;
  /** Connections to one target, and so scrapes in flight there; more wait within their deadline. */
  readonly maxConnectionsPerTarget: number;
  readonly keepAlive: KeepAliveOptions;
  readonly reconnect: BackoffOptions;
  /** Pauses between looks for further gateways behind one address; the default grows to five minutes. */
  readonly probe?: BackoffOptions;
  /** From the first packet to the end of the handshake, ms. */
  readonly dialTimeoutMs: number;
}
