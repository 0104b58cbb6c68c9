import type { KubernetesAccess } from './kubernetes.js';
import type { RelabelConfig } from './relabel-config.js';
import type { Target } from './target.js';

/** What the operator of a site wants of its agent. Plain data, read from the agent's file. */
export interface AgentSettings {
  readonly gateways: readonly GatewayAddress[];
  /** The static ones. */
  readonly targets: readonly TargetSpec[];
  /** Where further targets are found; none by default. */
  readonly discovery?: readonly DiscoveryJob[];
  /** Where further jobs are found, as objects of a cluster. */
  readonly monitors?: readonly MonitorDiscovery[];
  /** Where discovered targets may be; undefined = anywhere but the addresses that need a rule of their own. */
  readonly allow?: readonly AllowRule[];
  /** What the gateway itself may use here; none by default. */
  readonly services?: readonly ServiceSpec[];
  /** Scrapes in flight at this agent; more are answered with `agent_overloaded`. */
  readonly maxConcurrentScrapes: number;
}

export interface GatewayAddress {
  readonly host: string;
  readonly port: number;
  /** Name that the gateway's certificate must have; `host` by default. */
  readonly serverName: string;
  /** Gateways behind it; undefined = as many as they say, or as can be found. */
  readonly expect?: number;
  /** Connections of the tunnel; undefined = as many as the way and the targets call for. */
  readonly lanes?: number;
  /** The way out to it; undefined = directly. */
  readonly proxy?: EgressProxy;
}

/** An HTTP proxy that knows CONNECT. */
export interface EgressProxy {
  readonly host: string;
  readonly port: number;
  /** Undefined = plain TCP to the proxy. `caPem`: CAs to trust, undefined = those of Node. */
  readonly tls: { readonly caPem: string | undefined } | undefined;
  /** Value of `Proxy-Authorization`; a secret. */
  readonly authorization: string | undefined;
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
  /** Found, not written down: held to the agent's allow-list. */
  readonly discovered?: boolean;
  /** Samples that do not leave the site; without it bodies pass untouched. */
  readonly filter?: MetricFilter;
  /** For `https`. */
  readonly tls: TargetTls;
  /** Added to each request to the target, over what the client sent: the agent's own credentials for the exporter. */
  readonly headers: Readonly<Record<string, string>>;
}

/** A server that the gateway itself may use (model/agent-service.ts). */
export interface ServiceSpec extends Omit<TargetFetch, 'filter'> {
  /** Its name and where it is; `path` is what stands before the paths of requests. Registered nowhere. */
  readonly target: Target;
  /** What may be asked of it: a request that no rule matches is refused. */
  readonly allow: readonly RequestRule[];
  /** Of a request's body. */
  readonly maxRequestBytes: number;
}

export interface RequestRule {
  readonly methods: readonly HttpMethod[];
  /** Below the service's URL: exact, or a prefix where it ends in `*`. */
  readonly path: string;
}

export type HttpMethod = 'GET' | 'HEAD' | 'POST' | 'PUT' | 'DELETE';

/** Discovered targets that match one rule may be reached. */
export interface AllowRule {
  /** What the target's address must be in, or the name that the target must have (`*.` in front stands for any sub-domain). */
  readonly match: { readonly cidr: string } | { readonly host: string };
  /** Empty = all. */
  readonly ports: readonly PortRange[];
}

/** Both ends included. */
export interface PortRange {
  readonly first: number;
  readonly last: number;
}

/** Targets that are found instead of written down, like one entry of Prometheus's `scrape_configs`. */
export interface DiscoveryJob {
  /** Unique; the label `job` that relabelling sees. */
  readonly name: string;
  readonly sources: readonly DiscoverySource[];
  readonly scheme: 'http' | 'https';
  readonly metricsPath: string;
  /** Query parameters; relabelling sees the first value of each. */
  readonly params: Readonly<Record<string, readonly string[]>>;
  readonly relabelConfigs: readonly RelabelConfig[];
  /** A source that finds more is refused as a whole. */
  readonly maxTargets: number;
  /** The label `job` that relabelling has made goes out with the target; else Prometheus's own counts. */
  readonly passesJob?: boolean;
  /** Allowed beside the path that a target comes with. */
  readonly paths: readonly string[];
  /** What all targets of the job have in common. */
  readonly fetch: TargetFetch;
}

/** How a target is asked, whatever it is. */
export type TargetFetch = Omit<TargetSpec, 'target' | 'allowedPaths' | 'discovered'>;

export type DiscoverySource =
  /** Files of Prometheus's file_sd or of our own form. Absolute paths; `*` in the last part only. */
  | { readonly kind: 'file'; readonly files: readonly string[] }
  | { readonly kind: 'dns'; readonly names: readonly string[]; readonly recordType: DnsRecordType; readonly port: number; readonly servers: readonly string[]; readonly refreshMs: number }
  | KubernetesDiscovery;

/** Objects of a cluster, as Prometheus's kubernetes_sd sees them. */
export interface KubernetesDiscovery {
  readonly kind: 'kubernetes';
  readonly access: KubernetesAccess;
  readonly role: KubernetesRole;
  /** Empty and without the own one = all. */
  readonly namespaces: readonly string[];
  /** Beside those, the one that the agent runs in. */
  readonly ownNamespace: boolean;
  /** At most one for each kind of object. */
  readonly selectors: readonly { readonly role: KubernetesRole; readonly label: string; readonly field: string }[];
  readonly attach: AttachMetadata;
}

/** PodMonitor and ServiceMonitor objects of a cluster, each endpoint a job; and what their authors may have of the agent. */
export interface MonitorDiscovery {
  /** Unique among them. */
  readonly name: string;
  readonly access: KubernetesAccess;
  readonly kinds: readonly MonitorKind[];
  /** Where objects are read; empty and without the own one = everywhere. */
  readonly namespaces: readonly string[];
  readonly ownNamespace: boolean;
  /** Labels that objects must have; empty = any. */
  readonly selector: string;
  /** Where their targets may be; empty = where objects are read. */
  readonly targetNamespaces: readonly string[];
  /** Whether an object may refer to Secrets and ConfigMaps of its own namespace. */
  readonly secrets: boolean;
  /** The agent's own files that objects may refer to; absolute. */
  readonly files: readonly string[];
  /** How what is behind a Service is found, unless the object says so. */
  readonly serviceRole: 'endpoints' | 'endpointslice';
  /** Becomes the object's namespace, whatever its rules say. */
  readonly enforcedNamespaceLabel: string | undefined;
  /** After the objects' own. */
  readonly relabelConfigs: readonly RelabelConfig[];
  /** More objects are refused, the youngest first. */
  readonly maxObjects: number;
  /** Of each endpoint of an object, before relabelling. */
  readonly maxTargets: number;
  /** A longer answer fails the scrape; undefined = no limit. */
  readonly maxBodyBytes: number | undefined;
}

export type MonitorKind = 'PodMonitor' | 'ServiceMonitor';

export type KubernetesRole = 'node' | 'pod' | 'service' | 'endpoints' | 'endpointslice' | 'ingress';

/** Further metadata, at the price of further watches. */
export interface AttachMetadata {
  readonly node: boolean;
  readonly namespace: boolean;
  readonly deployment: boolean;
  readonly job: boolean;
  readonly cronjob: boolean;
}

export type DnsRecordType = 'SRV' | 'A' | 'AAAA' | 'MX' | 'NS';

/** Prometheus's `metric_relabel_configs` and `sample_limit`, before the WAN. One object for all targets of a job. */
export interface MetricFilter {
  readonly relabelConfigs: readonly RelabelConfig[];
  /** Samples that may be left after relabelling; more fail the scrape. Undefined = no limit. */
  readonly sampleLimit: number | undefined;
  /** Prometheus's `always_scrape_classic_histograms`: it reads the classic buckets of native histograms, too. */
  readonly readsClassic?: boolean;
}

/** How an `https` target is dialled. */
export interface TargetTls {
  /** CAs to trust; undefined = those of Node. */
  readonly caPem: string | undefined;
  /** A client certificate to show. */
  readonly client: { readonly certificatePem: string; readonly keyPem: string } | undefined;
  /** The name that the target's certificate must carry; undefined = its host. */
  readonly serverName: string | undefined;
  readonly insecureSkipVerify: boolean;
}
