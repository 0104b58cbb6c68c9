import type { RelabelConfig } from './relabel-config.js';
import type { PerhapsBehind } from './agent-service.js';
import type { MayBeFromSecrets, TokenReviewSpec } from './kubernetes.js';
import type { OAuth2Client, SigV4 } from './receiver-credentials.js';
import type { Selector } from './selector.js';

/**
 * What the operator wants: the one immutable value that sources (YAML now, Kubernetes later) produce and everything below
 * reads. Nothing here knows where it came from (DESIGN §2.11, §4). Plain data: it crosses threads by structured clone.
 */
export interface DesiredState {
  readonly gateway: GatewaySpec;
  readonly tenants: readonly Tenant[];
  readonly agents: readonly Agent[];
  readonly sites?: readonly Site[];
  readonly templates?: readonly Template[];
  readonly backends?: readonly Backend[];
  readonly backendGroups?: readonly BackendGroup[];
  readonly frontProxies?: readonly FrontProxy[];
  readonly pushTargets?: readonly PushTarget[];
  readonly exportDestinations?: readonly ExportDestination[];
}

/** A server that exports may go to: the operator's list, which nothing else widens. */
export interface ExportDestination extends PerhapsBehind {
  readonly name: string;
  readonly kind: 'remote_write' | 'pushgateway';
  /** Every one gets everything. `remote_write`: where to POST. `pushgateway`: one, the base without `/metrics`. */
  readonly urls: readonly string[];
  /** Of remote write, to begin with. */
  readonly version: '1' | '2';
  /** Sent with each request, credentials among them. */
  readonly headers: Readonly<Record<string, string>>;
  readonly oauth2: OAuth2Client | undefined;
  readonly sigv4?: SigV4 | undefined;
  readonly caPem: string | undefined;
  readonly client: { readonly certificatePem: string; readonly privateKeyPem: string } | undefined;
  readonly proxy: { readonly url: string; readonly authorization: string | undefined } | undefined;
  readonly timeoutMs: number;
  /** Set to the tenant's name on every series, whatever else is configured. */
  readonly tenantLabel: string | undefined;
  /** Its host is of a tenant's choosing: addresses that only this machine has, loopback and link-local, are not connected to. */
  readonly isGuarded?: boolean;
}

/** Where a tenant's MetricAccess objects may have their series sent. */
export interface ExportTerms {
  /** What is exported is read there. */
  readonly backend: string;
  /** Names of export destinations. */
  readonly destinations: readonly string[];
  /** And to Services of the object's own namespace. */
  readonly ownServices: boolean;
  /** Exports of all the tenant's objects together. */
  readonly maxExports: number;
}

/** What a tenant takes out, where to, and in which shape. Never more than its query grants allow at the same time. */
export interface TenantExport {
  /** Unique within the tenant. */
  readonly name: string;
  readonly backend: string;
  readonly destination: string;
  /** Patterns as in a query grant; undefined = all that is allowed. */
  readonly metrics: readonly string[] | undefined;
  readonly intervalMs: number;
  readonly relabel: readonly RelabelConfig[];
  readonly extraLabels: Readonly<Record<string, string>>;
  /** A label that the series has wins over `extraLabels`. */
  readonly honorLabels: boolean;
  readonly exemplars: boolean;
  /** How far back a collection may begin that comes late. */
  readonly catchUpMs: number;
  readonly spoolBytes: number;
  readonly queue: ExportQueue;
  /** For a Pushgateway: the grouping key. */
  readonly group: { readonly job: string; readonly labels: Readonly<Record<string, string>> } | undefined;
}

/** Prometheus's `queue_config`, but for what the spool makes needless: `capacity` and `batch_send_deadline`. */
export interface ExportQueue {
  readonly minShards: number;
  readonly maxShards: number;
  readonly maxSamplesPerSend: number;
  readonly minBackoffMs: number;
  readonly maxBackoffMs: number;
  readonly retryOnRateLimit: boolean;
  /** Undefined = none. */
  readonly sampleAgeLimitMs: number | undefined;
}

/** A server that tenants may push to; every series, or grouping key, gets the tenant's label. */
export interface PushTarget extends PerhapsBehind {
  /** In the door's path: `/push/<name>/…`. */
  readonly name: string;
  readonly kind: 'remote_write' | 'pushgateway';
  /** `remote_write`: where to POST (`http://prometheus:9090/api/v1/write`). `pushgateway`: the base, without `/metrics`. */
  readonly url: string;
  /** The label that tells tenants apart in the backend: `tenant`, `namespace`. */
  readonly tenantLabel: string;
  /** Of `remote_write`, a series with another tenant's label: refused (400), or given the right one. */
  readonly onConflict: 'refuse' | 'overwrite';
  /** Sent to the backend, credentials among them. */
  readonly headers: Readonly<Record<string, string>>;
  readonly caPem: string | undefined;
  /** Of a Pushgateway: how long groups stay that nobody pushes. Undefined = all for ever; a tenant's own goes before `ms`. */
  readonly groupTtl?: { readonly ms: number | undefined; readonly byTenant: Readonly<Record<string, number>> } | undefined;
  /** Bound of one push from its first byte to the backend's answer. */
  readonly timeoutMs: number;
  readonly maxBodyBytes: number;
}

/** A proxy that authenticates users itself and names their tenant in `X-Tenant-Namespace`. Its own certificate is what is trusted. */
export interface FrontProxy {
  readonly san: San;
  /** Tenants that it may speak for; `all`: whatever tenants there are. */
  readonly tenants: readonly string[] | 'all';
}

/** A Prometheus-compatible server that tenants may query. */
export interface Backend extends PerhapsBehind {
  readonly name: string;
  /** http or https, with a path prefix if it has one; no trailing slash. */
  readonly url: string;
  /** Further base URLs that hold the same data: any one is asked, the next when one cannot be reached. */
  readonly replicas?: readonly string[];
  readonly caPem?: string | undefined;
  /** Ours towards the backend, credentials among them. */
  readonly headers?: Readonly<Record<string, string>> | undefined;
  /** How a tenant's rules get into queries: written into them, which every server understands (the default), or beside them, as VictoriaMetrics's own parameter or Mimir's own header. */
  readonly union?: 'rewrite' | 'extra_filters' | 'policy_header' | undefined;
  /** What of PromQL it has been told to take besides: values of Prometheus's `--enable-feature`. */
  readonly features?: readonly string[] | undefined;
  /** Undefined = Prometheus's. */
  readonly api?: 'prometheus' | 'alertmanager' | undefined;
  readonly timeoutMs: number;
  /** Where its endpoints are found in a cluster; until they are, `url` is one that nothing answers. */
  readonly discover?: BackendDiscovery | undefined;
}

/** Which objects of a cluster are a backend's endpoints: all that is given must match. */
export interface BackendDiscovery {
  readonly resource: 'EndpointSlice' | 'Pod' | 'Service';
  /** Undefined = all. */
  readonly namespaces: readonly string[] | undefined;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
  /** Name or number; undefined = the first (of a pod that names none: 9090). */
  readonly port: string | undefined;
  /** Undefined = as the object says: annotation `prometheus.io/scheme`, or a port's name `https`. */
  readonly scheme: 'http' | 'https' | undefined;
  /** Before the API's own paths; empty or with a slash at its beginning and none at its end. */
  readonly pathPrefix: string;
}

/** Several backends that are queried as one. Its name is as good as a backend's, in paths and in grants; rights are those for the group. */
export interface BackendGroup {
  readonly name: string;
  /** Names of backends. Where two know the same series, the first has the word. */
  readonly members: readonly string[];
  /** Labels that every series has and whose values, together, no two members share; none = the members may hold the same series. */
  readonly disjointBy: readonly string[];
  /** When a member does not answer: the query fails, or the others' answer comes with a warning. */
  readonly onFailure: 'fail' | 'warn';
}

/** What a tenant sees of backends: series that any one grant allows. */
export interface QueryGrant {
  /** Undefined = all. */
  readonly backends: readonly string[] | undefined;
  /** MetricAccess patterns (facts/metricaccess.md §3): name, anchored regex, selector, name with selector. */
  readonly metrics: readonly string[];
  /** And all of these labels. */
  readonly labels: Readonly<Record<string, string>>;
}

/** Of queries; what is left out has its default in src/query. */
export interface QueryLimits {
  readonly maxQueryChars?: number | undefined;
  readonly maxDepth?: number | undefined;
  readonly maxBranches?: number | undefined;
  readonly maxRangeMs?: number | undefined;
  readonly maxSteps?: number | undefined;
  readonly maxConcurrent?: number | undefined;
  readonly timeoutMs?: number | undefined;
  readonly maxResponseBytes?: number | undefined;
}

/** What holds for targets by their labels alone; its grants stand in its tenants' lists too. */
export interface Template {
  readonly name: string;
  readonly selector: Selector;
  readonly tenants: readonly string[];
  /** In Prometheus's notation; undefined = the scrape_config's. */
  readonly scrapeInterval: string | undefined;
  readonly scrapeTimeout: string | undefined;
  readonly limits?: TemplateLimits | undefined;
}

/** Of each tenant at each target that the template matches; undefined = no bound of its own. */
export interface TemplateLimits {
  readonly rate: Rate | undefined;
  /** Scrapes in flight. */
  readonly maxConcurrentScrapes: number | undefined;
  /** Of one answer, as the target sends it. */
  readonly maxBodyBytes: number | undefined;
  /** Upper bound of a scrape's deadline, ms. */
  readonly maxScrapeTimeoutMs: number | undefined;
}

export type Rate = { readonly requestsPerSecond: number; readonly burst: number };

export interface GatewaySpec {
  /** Unique among the gateways that an agent may meet; told to agents in the handshake's answer. */
  readonly id: string;
  /** Ids of the others behind the agents' address; undefined = not known. */
  readonly peers?: readonly string[] | undefined;
  /** The gateway's own host names on the scrape listener; any other authority is meant for a target (proxy door). */
  readonly names: readonly string[];
  readonly scrape: ListenerSpec & { readonly clientCaPem: string | undefined };
  readonly agents: ListenerSpec & { readonly clientCaPem: string };
  readonly limits: GatewayLimits;
  /** Where Envoy writes one JSON line per request; `/dev/stdout` by default. */
  readonly accessLogPath: string;
  readonly revoked?: Revoked;
  /** Agents may join by a token, and renew their certificates. */
  readonly joins?: boolean;
  readonly issuers?: readonly Issuer[];
  /** Undefined = no tokens of service accounts. */
  readonly tokenReview?: TokenReviewSpec | undefined;
}

/** Who signs tokens that tenants come with: an OpenID provider, a cluster, a cloud. Envoy verifies them. */
export interface Issuer {
  readonly name: string;
  /** `iss` of its tokens, compared as it stands; no two issuers have the same. */
  readonly issuer: string;
  /** A token must be for one of these, or it was meant for somebody else. */
  readonly audiences: readonly string[];
  readonly keys: IssuerKeys;
}

export type IssuerKeys =
  /** Fetched by Envoy over TLS, and again each `cacheMs`. `caPem` undefined = the public CAs. */
  | { readonly kind: 'remote'; readonly uri: string; readonly caPem: string | undefined; readonly cacheMs: number }
  /** A JWKS as text. */
  | { readonly kind: 'local'; readonly jwks: string };

/** Certificates that are refused although their CA is trusted and their time has not passed; of tenants and of agents. */
export interface Revoked {
  /** Lower-case hex without separators and leading zeros. */
  readonly serials: readonly string[];
  readonly sans: readonly San[];
}

export interface San {
  readonly type: 'uri' | 'dns';
  readonly value: string;
}

export interface ListenerSpec extends MayBeFromSecrets {
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
  /** What no grant gives: deny beats allow. */
  readonly deny?: readonly ScrapeGrant[];
  /** Names of the push targets that the tenant may push to; undefined = no push door. */
  readonly push?: readonly string[];
  readonly exports?: readonly TenantExport[];
  /** OR: a series is seen when any grant allows it. Undefined = no query door. */
  readonly query?: readonly QueryGrant[];
  /** Until then its queries are passed on without its rules, and what the rules would have made of them is logged. Ms since the epoch. */
  readonly queryDryRunUntilMs?: number;
  /** Whose MetricAccess objects add to `query`, and the most that they can. */
  readonly metricAccess?: { readonly namespaces: readonly string[]; readonly within: readonly QueryGrant[]; readonly exports?: ExportTerms | undefined };
  readonly limits: TenantLimits;
}

/** How a tenant shows who it is. */
export type Credential = CredentialProof & CredentialTerms;

export interface CredentialTerms {
  /** Not taken from then on, ms since the epoch; undefined = no end. */
  readonly expiresMs?: number | undefined;
  /** Less than what the tenant may: with this credential only what one of these matches as well. */
  readonly scope?: readonly ScrapeGrant[] | undefined;
}

/** Secrets only as hashes. */
export type CredentialProof =
  /** Matches a verified client certificate by exactly one of its URI or DNS SANs. */
  | {
      readonly kind: 'certificate';
      readonly san: San;
      /** The issuer's distinguished name, where each tenant has a CA of its own; undefined = any that is trusted. */
      readonly issuer?: string | undefined;
    }
  /** bcrypt, as htpasswd writes it. */
  | { readonly kind: 'basic'; readonly user: string; readonly bcryptHash: string }
  /** Lower-case hex SHA-256 of the token: tokens are long and random, so a slow hash would only cost time. */
  | { readonly kind: 'bearer'; readonly sha256: string }
  /** A token of this issuer (by name) for which all of these hold. */
  | { readonly kind: 'jwt'; readonly issuer: string; readonly claims: readonly ClaimRule[] }
  /** A token of this service account of Kubernetes; `name` undefined = of any of the namespace. */
  | { readonly kind: 'service-account'; readonly namespace: string; readonly name: string | undefined };

/** The claim is one of these values, or a list that has one of them. */
export interface ClaimRule {
  /** From the payload's top inwards. */
  readonly path: readonly string[];
  readonly anyOf: readonly ClaimScalar[];
}

export type ClaimScalar = string | boolean;

export interface ScrapeGrant {
  /** What the audit line calls it; undefined = its place in the tenant's list. */
  readonly rule?: string | undefined;
  /** Agent names; undefined = every agent that serves this tenant. */
  readonly agents: readonly string[] | undefined;
  /** Target names; undefined = all. */
  readonly targets: readonly string[] | undefined;
  /** Matchers over the target's labels, with `agent` and `target` as labels too; undefined = all. */
  readonly selector: Selector | undefined;
}

export interface TenantLimits extends Rate {
  /** Scrapes in flight; undefined = no bound of its own. */
  readonly maxConcurrentScrapes?: number | undefined;
  /** Of one answer, as the target sends it; undefined = no bound. */
  readonly maxBodyBytes?: number | undefined;
  readonly query?: QueryLimits | undefined;
}

export interface Agent {
  readonly name: string;
  /** The SAN that the agent's verified certificate must carry. Default: URI `spiffe://scrapeway/agent/<name>`. */
  readonly san: San;
  /** The tenants whose targets may live here: the ceiling that no registration and no label can widen. */
  readonly tenants: readonly string[];
  readonly maxTargets: number;
}

/** Several agents that offer the same targets: to whoever scrapes, one agent of this name (ADR 31). */
export interface Site {
  /** Unique among agents too. */
  readonly name: string;
  /** Its members; no agent is in two sites, and all serve the same tenants. */
  readonly agents: readonly string[];
  /** Who is asked first: always the same, or for each target another. */
  readonly order: 'preference' | 'spread';
  /** Asks a second member when the first has not begun to answer after so long, ms, or as long as 95 of 100 answers of the target take. */
  readonly hedge: number | 'p95' | undefined;
}
