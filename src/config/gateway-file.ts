import type { BackendGroup } from '../model/desired-state.js';
import type { RelabelConfig } from '../model/relabel-config.js';
import type { OutgoingFile } from './outgoing.js';

/**
 * The gateway's file as it is written, after schema/gateway.schema.json has passed it and filled in the defaults: what has a
 * default there is always present here.
 */
export interface GatewayFile {
  readonly gateway: { readonly id?: string; readonly peers?: readonly string[]; readonly names: readonly string[] };
  readonly listeners: {
    readonly scrape: { readonly address: string; readonly tls: ServerTlsFile };
    readonly agents: { readonly address: string; readonly tls: ServerTlsFile };
  };
  readonly tenants: readonly TenantFile[];
  readonly agents: readonly AgentEntryFile[];
  readonly sites: readonly SiteFile[];
  readonly templates: readonly TemplateFile[];
  readonly issuers: readonly IssuerFile[];
  readonly backends: readonly BackendFile[];
  readonly backendGroups: readonly BackendGroup[];
  readonly pushTargets: readonly PushTargetFile[];
  readonly frontProxies: readonly { readonly certificate: SanFile; readonly tenants: 'all' | readonly string[] }[];
  readonly kubernetes?: KubernetesFile;
  readonly revoked: { readonly serials: readonly string[]; readonly names: readonly SanFile[]; readonly crlFiles: readonly string[] };
  readonly join?: { readonly caCertFile: string; readonly caKeyFile: string; readonly serverCaFile: string; readonly certificateTtl: string };
  readonly runtimeDir: string;
  readonly drainDelay: string;
  readonly dataThreads: 'auto' | number;
  readonly envoy: { readonly path?: string; readonly concurrency?: number; readonly logLevel: EnvoyLogLevel; readonly extraArgs: readonly string[] };
  readonly accessLog: { readonly path: string };
  readonly metrics: { readonly address: string };
  readonly log: { readonly level: FileLogLevel };
  readonly limits: {
    readonly maxConnections: number;
    readonly maxScrapeConnections: number;
    readonly defaultScrapeTimeout: string;
    readonly maxScrapeTimeout: string;
    readonly deadlineMargin: string;
  };
  readonly queries: { readonly cacheSize?: string; readonly redis?: RedisFile };
  readonly exportDestinations: readonly ExportDestinationFile[];
  readonly exports: { readonly folder: string };
  readonly discovery: { readonly settle: string; readonly retention: string };
  readonly tunnel: { readonly keepAliveInterval: string; readonly keepAliveTimeout: string; readonly reconnectGrace: string; readonly maxLanes: number };
}

export interface RedisFile {
  readonly url: string;
  readonly user?: string;
  readonly passwordFile?: string;
  readonly caFile?: string;
  readonly prefix: string;
  readonly timeout: string;
  readonly maxValueSize: string;
}

export type EnvoyLogLevel = 'trace' | 'debug' | 'info' | 'warning' | 'error' | 'critical' | 'off';
export type FileLogLevel = 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'fatal' | 'silent';

/** Either both files or the Secret. */
export interface ServerTlsFile {
  readonly certFile?: string;
  readonly keyFile?: string;
  readonly secret?: SecretFile;
  readonly clientCaFiles?: readonly string[];
  readonly clientCaSecrets?: readonly (SecretFile & { readonly key: string })[];
}

export interface SecretFile {
  readonly namespace?: string;
  readonly name: string;
}

export interface TenantFile {
  readonly name: string;
  readonly credentials: readonly CredentialFile[];
  readonly scrape: readonly GrantFile[];
  readonly deny: readonly GrantFile[];
  readonly query?: readonly QueryGrantFile[];
  readonly queryDryRun?: { readonly until: string };
  readonly push?: readonly string[];
  readonly metricAccess?: { readonly namespaces: readonly string[]; readonly within: readonly QueryGrantFile[]; readonly exports?: ExportTermsFile };
  readonly exports?: readonly ExportFile[];
  readonly limits: {
    readonly requestsPerSecond: number;
    readonly burst?: number;
    readonly maxConcurrentScrapes?: number;
    readonly maxBodySize?: string;
    readonly query?: QueryLimitsFile;
  };
}

export interface ExportTermsFile {
  readonly backend: string;
  readonly destinations: readonly string[];
  readonly ownServices: boolean;
  readonly maxExports: number;
}

export interface QueryGrantFile {
  readonly backends?: readonly string[];
  readonly metrics: readonly string[];
  readonly labels: Readonly<Record<string, string>>;
}

export interface QueryLimitsFile {
  readonly maxQueryLength?: number;
  readonly maxDepth?: number;
  readonly maxBranches?: number;
  readonly maxRange?: string;
  readonly maxSteps?: number;
  readonly maxConcurrent?: number;
  readonly timeout?: string;
  readonly maxResponseSize?: string;
}

/** Exactly one of `url` and `agent`. */
export interface PushTargetFile {
  readonly name: string;
  readonly kind: 'remote_write' | 'pushgateway';
  readonly url?: string;
  readonly agent?: AgentServiceFile;
  readonly tenantLabel: string;
  readonly onConflict: 'refuse' | 'overwrite';
  readonly caFile?: string;
  readonly basic?: { readonly user: string; readonly passwordFile: string };
  readonly bearerTokenFile?: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly timeout: string;
  readonly maxBodySize: string;
  readonly groupTtl?: string;
  readonly tenantGroupTtl: Readonly<Record<string, string>>;
}

/** Exactly one of `url`, `urls`, `statefulSet` and `agent`. */
export interface ExportDestinationFile extends OutgoingFile {
  readonly name: string;
  readonly kind: 'remote_write' | 'pushgateway';
  readonly url?: string;
  readonly urls?: readonly string[];
  readonly agent?: AgentServiceFile;
  readonly statefulSet?: {
    readonly name: string;
    readonly service: string;
    readonly namespace: string;
    readonly replicas: number;
    readonly port: number;
    readonly scheme: 'http' | 'https';
    readonly path: string;
    readonly clusterDomain: string;
  };
  readonly version: 1 | 2;
  readonly oauth2?: {
    readonly tokenUrl: string;
    readonly clientId: string;
    readonly clientSecretFile: string;
    readonly scopes: readonly string[];
    readonly parameters: Readonly<Record<string, string>>;
  };
  readonly sigv4?: {
    readonly region: string;
    readonly service: string;
    readonly accessKeyId?: string;
    readonly secretAccessKeyFile?: string;
    readonly sessionTokenFile?: string;
    readonly role?: {
      readonly arn: string;
      readonly externalId?: string;
      readonly webIdentityTokenFile?: string;
      readonly stsUrl?: string;
    };
  };
  readonly caFile?: string;
  readonly certFile?: string;
  readonly keyFile?: string;
  readonly proxy?: { readonly url: string; readonly basic?: { readonly user: string; readonly passwordFile: string } };
  readonly timeout: string;
  readonly tenantLabel?: string;
}

export interface ExportFile {
  readonly name: string;
  readonly backend: string;
  readonly destination: string;
  readonly metrics?: readonly string[];
  readonly interval: string;
  readonly metricRelabelings: readonly RelabelConfig[];
  readonly extraLabels: Readonly<Record<string, string>>;
  readonly honorLabels: boolean;
  readonly exemplars: boolean;
  readonly catchUp: string;
  readonly spoolSize: string;
  readonly queue: {
    readonly min_shards: number;
    readonly max_shards: number;
    readonly max_samples_per_send: number;
    readonly min_backoff: string;
    readonly max_backoff: string;
    readonly retry_on_http_429: boolean;
    readonly sample_age_limit: string;
  };
  readonly job?: string;
  readonly groupingLabels: Readonly<Record<string, string>>;
}

/** A service of an agent, or of a site; `path` is put before those of requests. */
export interface AgentServiceFile {
  readonly name: string;
  readonly service: string;
  readonly path?: string;
}

/** Exactly one of `url`, `discover` and `agent`. */
export interface BackendFile {
  readonly name: string;
  readonly url?: string;
  readonly agent?: AgentServiceFile;
  readonly discover?: DiscoverFile;
  readonly replicas?: readonly string[];
  readonly caFile?: string;
  readonly basic?: { readonly user: string; readonly passwordFile: string };
  readonly bearerTokenFile?: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly timeout: string;
  readonly union: 'rewrite' | 'extra_filters' | 'policy_header';
  readonly features: readonly ('promql-experimental-functions' | 'promql-extended-range-selectors' | 'promql-binop-fill-modifiers')[];
  readonly api: 'prometheus' | 'alertmanager';
}

export interface DiscoverFile {
  readonly resource: 'EndpointSlice' | 'Pod' | 'Service';
  readonly namespaces: readonly string[];
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
  readonly port?: string | number;
  readonly scheme?: 'http' | 'https';
  readonly path?: string;
}

export interface TemplateFile {
  readonly name: string;
  readonly selector: string;
  readonly tenants: readonly string[];
  readonly scrapeInterval?: string;
  readonly scrapeTimeout?: string;
  readonly limits?: TemplateLimitsFile;
}

export interface TemplateLimitsFile {
  readonly requestsPerSecond?: number;
  readonly burst?: number;
  readonly maxConcurrentScrapes?: number;
  readonly maxBodySize?: string;
  readonly maxScrapeTimeout?: string;
}

/** Exactly one of `jwksUri` and `jwksFile`. */
export interface IssuerFile {
  readonly name: string;
  readonly issuer: string;
  readonly audiences: readonly string[];
  readonly jwksUri?: string;
  readonly caFile?: string;
  readonly cacheDuration: string;
  readonly jwksFile?: string;
}

export type ClaimValueFile = string | boolean;

/** `kubeconfig`, or `server` with `tokenFile`, or neither. */
export interface KubernetesAccessFile {
  readonly kubeconfig?: string;
  readonly context?: string;
  readonly server?: string;
  readonly caFile?: string;
  readonly tokenFile?: string;
}

export interface KubernetesFile extends KubernetesAccessFile {
  readonly tokenReview?: TokenReviewFile;
  readonly namespace?: string;
  readonly objects: boolean;
  readonly objectNamespaces?: readonly string[];
  readonly metricAccess?: { readonly namespaces?: readonly string[]; readonly withoutTerms: 'deny' | 'own-namespace'; readonly secrets: boolean };
  readonly status: boolean;
  readonly leaseName: string;
  readonly clusterDomain: string;
  readonly rememberFor: string;
}

export interface TokenReviewFile {
  readonly audiences: readonly string[];
  readonly tenantFromNamespace: boolean;
  readonly cacheDuration: string;
  readonly timeout: string;
}

/** Exactly one of the first five keys. */
export interface CredentialFile {
  readonly certificate?: SanFile;
  readonly basic?: { readonly user: string; readonly passwordHash?: string; readonly passwordHashFile?: string };
  readonly bearer?: { readonly sha256?: string; readonly tokenFile?: string };
  readonly jwt?: { readonly issuer: string; readonly claims: Readonly<Record<string, ClaimValueFile | readonly ClaimValueFile[]>> };
  readonly serviceAccount?: { readonly namespace: string; readonly name?: string };
  readonly issuer?: string;
  readonly expires?: string;
  readonly scope?: readonly GrantFile[];
}

/** Exactly one key. */
export interface SanFile {
  readonly uri?: string;
  readonly dns?: string;
}

export interface GrantFile {
  readonly agents?: readonly string[];
  readonly targets?: readonly string[];
  readonly selector?: string;
}

export interface AgentEntryFile {
  readonly name: string;
  readonly tenants: readonly string[];
  readonly certificate?: SanFile;
  readonly maxTargets: number;
}

export interface SiteFile {
  readonly name: string;
  readonly agents: readonly string[];
  readonly order: 'preference' | 'spread';
  /** `p95` or a duration. */
  readonly hedge?: string;
}
