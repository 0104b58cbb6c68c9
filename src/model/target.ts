/**
 * What an agent offers, as the gateway knows it. Plain data: it crosses threads by structured clone and the tunnel as JSON.
 */
export interface Target {
  /** Unique within its agent. */
  readonly name: string;
  readonly scheme: 'http' | 'https';
  /** Host name or address as the agent dials it; an IPv6 address without brackets. */
  readonly host: string;
  readonly port: number;
  /** Default metrics path with its default query, if any: `/probe?module=http_2xx`. */
  readonly path: string;
  /** Label name → value. No `__` names, no `instance`, no `agent`, no `target`: the gateway sets these. */
  readonly labels: Readonly<Record<string, string>>;
}

/** `host:port`, IPv6 in brackets: what `instance` shows and what the proxy door matches on. */
export function targetAddress(target: Pick<Target, 'host' | 'port'>): string {
  return `${target.host.includes(':') ? `[${target.host}]` : target.host}:${target.port}`;
}

/** The accepted targets of one agent. Replaced as a whole by each registration. */
export interface Registration {
  readonly agent: string;
  /** Increases with each registration of one agent process. */
  readonly revision: number;
  readonly targets: readonly Target[];
}
