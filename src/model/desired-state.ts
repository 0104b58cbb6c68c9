import type { Selector } from './selector.js';

/**
 * What the operator wants: the one immutable value that sources (YAML now, Kubernetes later) produce and everything below
 * reads. Nothing here knows where it came from (DESIGN §2.11, §4). Plain data: it crosses threads by structured clone.
 */
export interface DesiredState {
  readonly gateway: GatewaySpec;
  readonly tenants: readonly Tenant[];
  readonly agents: readonly Agent[];
}

export interface GatewaySpec {
  /** Unique among the gateways that an agent may meet; told to agents in the handshake's answer. */
  readonly id: string;
  /** The gateway's own host names on the scrape listener; any other authority is meant for a target (proxy door). */
  readonly names: readonly string[];
  readonly scrape: ListenerSpec & { readonly clientCaPem: string | undefined };
  readonly agents: ListenerSpec & { readonly clientCaPem: string };
  readonly limits: GatewayLimits;
  /** Where Envoy writes one JSON line per request; `/dev/stdout` by default. */
  readonly accessLogPath: string;
}

export interface ListenerSpec {
  readonly host: string;
  readonly port: number;
  /** Server certificate chain and key, PEM. Delivered to Envoy by SDS only. */
  readonly certificateChainPem: string;
  readonly privateKeyPem: string;
}

export interface GatewayLimits {
  /** All downstream connections of Envoy. */
  readonly maxConnections: number;
  /** Of these, what scrapers alone may take: agents always keep the rest. */
  readonly maxScrapeConnections: number;
  /** Deadline of a scrape whose client names none (Prometheus always does), ms. */
  readonly defaultScrapeTimeoutMs: number;
  /** Upper bound of what a client may ask for, ms. */
  readonly maxScrapeTimeoutMs: number;
  /** Subtracted from the client's deadline so that our answer arrives before it gives up, ms. */
  readonly deadlineMarginMs: number;
}

export interface Tenant {
  readonly name: string;
  readonly credentials: readonly Credential[];
  /** OR: a target is granted when any grant matches it, and its agent serves this tenant (`Agent.tenants`). */
  readonly scrape: readonly ScrapeGrant[];
  readonly limits: TenantLimits;
}

/** Secrets only as hashes. */
export type Credential =
  /** Matches a verified client certificate by exactly one of its URI or DNS SANs. */
  | { readonly kind: 'certificate'; readonly san: { readonly type: 'uri' | 'dns'; readonly value: string } }
  /** bcrypt, as htpasswd writes it. */
  | { readonly kind: 'basic'; readonly user: string; readonly bcryptHash: string }
  /** Lower-case hex SHA-256 of the token: tokens are long and random, so a slow hash would only cost time. */
  | { readonly kind: 'bearer'; readonly sha256: string };

export interface ScrapeGrant {
  /** Agent names; undefined = every agent that serves this tenant. */
  readonly agents: readonly string[] | undefined;
  /** Target names; undefined = all. */
  readonly targets: readonly string[] | undefined;
  /** Matchers over the target's labels, with `agent` and `target` as labels too; undefined = all. */
  readonly selector: Selector | undefined;
}

export interface TenantLimits {
  readonly requestsPerSecond: number;
  readonly burst: number;
}

export interface Agent {
  readonly name: string;
  /** The SAN that the agent's verified certificate must carry. Default: URI `spiffe://scrapeway/agent/<name>`. */
  readonly san: { readonly type: 'uri' | 'dns'; readonly value: string };
  /** The tenants whose targets may live here: the ceiling that no registration and no label can widen. */
  readonly tenants: readonly string[];
  readonly maxTargets: number;
}
