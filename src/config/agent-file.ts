import type { AttachMetadata, DnsRecordType, KubernetesRole, MonitorKind, RequestRule } from '../model/agent-settings.js';
import type { RelabelConfig } from '../model/relabel-config.js';
import type { CredentialFile, FileLogLevel, PushTargetFile } from './gateway-file.js';

/**
 * The agent's file as it is written, after schema/agent.schema.json has passed it and filled in the defaults: what has a
 * default there is always present here.
 */
export interface AgentFile {
  readonly agent: { readonly name?: string };
  readonly gateways: readonly { readonly address: string; readonly serverName?: string; readonly expect?: number; readonly lanes: 'auto' | number }[];
  readonly proxy?: { readonly url: string; readonly basic?: { readonly user: string; readonly passwordFile: string }; readonly caFile?: string; readonly noProxy: readonly string[] };
  readonly tls: { readonly certFile: string; readonly keyFile: string; readonly caFile: string; readonly renew: boolean };
  readonly targets: readonly TargetFile[];
  readonly services: readonly ServiceFile[];
  readonly push?: SitePushFile;
  readonly discovery: readonly DiscoveryFile[];
  readonly monitors: readonly MonitorsFile[];
  readonly allow?: readonly { readonly cidr?: string; readonly host?: string; readonly ports: readonly (number | string)[] }[];
  readonly limits: { readonly maxConcurrentScrapes: number; readonly maxBodySize: string };
  readonly keepAlive: { readonly interval: string; readonly timeout: string };
  readonly drainTimeout: string;
  readonly metrics: { readonly address: string };
  readonly log: { readonly level: FileLogLevel };
}

export interface TargetFile extends FetchFile {
  readonly name: string;
  readonly url: string;
  readonly labels: Readonly<Record<string, string>>;
}

export type ServiceProtocol = 'query' | 'remote_write' | 'pushgateway' | 'alertmanager';

export interface ServiceFile extends Pick<FetchFile, 'timeout' | 'maxBodySize' | 'tls' | 'headers' | 'basic' | 'bearerTokenFile'> {
  readonly name: string;
  readonly url: string;
  readonly allow: readonly ServiceProtocol[];
  readonly requests: readonly RequestRule[];
  readonly maxRequestSize: string;
}

/** The push door at the agent; its entries have the keys of the gateway's file. */
export interface SitePushFile {
  readonly address: string;
  readonly tls?: { readonly certFile: string; readonly keyFile: string; readonly clientCaFiles?: readonly string[] };
  readonly plainHttp: boolean;
  readonly limits: { readonly requestsPerSecond: number; readonly maxConcurrent: number; readonly inFlight: string; readonly maxConnections: number };
  readonly targets: readonly (Omit<PushTargetFile, 'agent' | 'url'> & { readonly url: string })[];
  readonly tenants: readonly SiteTenantFile[];
}

export interface SiteTenantFile {
  readonly name: string;
  /** Exactly one of the first three keys. */
  readonly credentials: readonly Pick<CredentialFile, 'certificate' | 'basic' | 'bearer' | 'expires'>[];
  readonly targets: readonly string[];
}

/** Keys in Prometheus's spelling are Prometheus's own, to be copied from a prometheus.yml (ADR 30). */
export interface DiscoveryFile extends FetchFile {
  readonly name: string;
  readonly file_sd_configs: readonly { readonly files: readonly string[] }[];
  readonly dns_sd_configs: readonly { readonly names: readonly string[]; readonly type: DnsRecordType; readonly port?: number; readonly refresh_interval: string; readonly servers: readonly string[] }[];
  readonly kubernetes_sd_configs: readonly KubernetesDiscoveryFile[];
  readonly scheme: 'http' | 'https';
  readonly metrics_path: string;
  readonly params: Readonly<Record<string, readonly string[]>>;
  readonly relabel_configs: readonly RelabelConfig[];
  readonly maxTargets: number;
}

/** A cluster, and where in it to look. */
export interface ClusterFile {
  readonly kubeconfig_file?: string;
  readonly api_server?: string;
  readonly tls_config?: { readonly ca_file?: string };
  readonly authorization?: { readonly credentials_file: string };
  readonly namespaces: { readonly own_namespace: boolean; readonly names: readonly string[] };
}

export interface MonitorsFile extends ClusterFile {
  readonly name: string;
  readonly kinds: readonly MonitorKind[];
  readonly selector: string;
  readonly targetNamespaces: readonly string[];
  readonly secrets: boolean;
  readonly files: readonly string[];
  readonly serviceDiscoveryRole: 'EndpointSlice' | 'Endpoints';
  readonly enforcedNamespaceLabel?: string;
  readonly relabel_configs: readonly RelabelConfig[];
  readonly maxObjects: number;
  readonly maxTargets: number;
}

export interface KubernetesDiscoveryFile extends ClusterFile {
  readonly role: KubernetesRole;
  readonly selectors: readonly { readonly role: KubernetesRole; readonly label: string; readonly field: string }[];
  readonly attach_metadata: AttachMetadata;
}

/** How targets are asked: the same keys for a static target and for all that a job finds. */
export interface FetchFile {
  readonly paths: readonly string[];
  readonly metric_relabel_configs: readonly RelabelConfig[];
  /** 0 = no limit, as in Prometheus. */
  readonly sample_limit: number;
  readonly always_scrape_classic_histograms: boolean;
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
