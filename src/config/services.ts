import type { HttpMethod, RequestRule, ServiceSpec } from '../model/agent-settings.js';
import type { AgentFile, ServiceFile, ServiceProtocol } from './agent-file.js';
import type { Draft } from './draft.js';
import { createClaims } from './references.js';
import { compileFetch, compileUrl } from './targets.js';
import type { Path } from './yaml-source.js';
import { parseSize } from './units.js';

/** The agent's services: where they are, and which requests of the gateway they are open for. What is not written down is closed. */
export async function compileServices(draft: Draft, file: AgentFile): Promise<ServiceSpec[]> {
  const claim = createClaims(draft);
  return draft.list(['services'], () => file.services, (service, place) => {
    claim(service.name, [...place, 'name'], (first) => `the service name "${service.name}" is taken by ${first}`);
    return compileService(draft, place, service);
  });
}

async function compileService(draft: Draft, place: Path, file: ServiceFile): Promise<ServiceSpec | undefined> {
  const target = compileUrl(draft, place, { ...file, labels: {} });
  if (target?.path.includes('?') === true) draft.fault([...place, 'url'], 'has a query; a service has a base URL, to which the path of each request is added');
  if (file.tls !== undefined && target?.scheme === 'http') draft.fault([...place, 'tls'], 'is for https services; the url says http');
  if (file.allow.length + file.requests.length === 0) draft.fault(place, 'is open for nothing: it needs `allow` or `requests`');
  const unfiltered = { paths: [], metric_relabel_configs: [], sample_limit: 0, always_scrape_classic_histograms: false };
  const fetch = await compileFetch(draft, place, { file: { ...file, ...unfiltered }, maxBodyBytes: undefined });
  const maxRequestBytes = parseSize(file.maxRequestSize);
  if (target === undefined || maxRequestBytes === undefined) return undefined;
  return { ...fetch, target, allow: [...file.allow.flatMap((protocol) => PROTOCOLS[protocol]), ...file.requests], maxRequestBytes };
}

const READ: readonly HttpMethod[] = ['GET', 'POST'];

/** What the gateway asks of each kind of server; nothing of administration. */
const PROTOCOLS: Readonly<Record<ServiceProtocol, readonly RequestRule[]>> = {
  query: [
    ...['query', 'query_range', 'query_exemplars', 'series', 'labels', 'format_query', 'parse_query', 'search/*'].map((path) => ({ methods: READ, path: `/api/v1/${path}` })),
    ...['label/*', 'metadata', 'rules', 'alerts', 'targets', 'targets/metadata', 'scrape_pools', 'status/buildinfo'].map((path) => ({ methods: ['GET'] as const, path: `/api/v1/${path}` })),
    { methods: ['POST'], path: '/api/v1/read' },
    { methods: ['GET'], path: '/federate' },
  ],
  remote_write: [{ methods: ['POST'], path: '/api/v1/write' }, { methods: ['POST'], path: '/api/v1/push' }],
  pushgateway: [{ methods: ['PUT', 'POST', 'DELETE'], path: '/metrics/job*' }, { methods: ['GET'], path: '/metrics' }],
  alertmanager: [
    ...['alerts', 'alerts/groups', 'silences', 'silence/*', 'receivers', 'status'].map((path) => ({ methods: ['GET'] as const, path: `/api/v2/${path}` })),
    { methods: ['POST'], path: '/api/v2/silences' },
    { methods: ['DELETE'], path: '/api/v2/silence/*' },
  ],
};
