import type { IncomingMessage, ServerResponse } from 'node:http';
import type { DesiredState } from '../model/desired-state.js';
import type { QueryService } from '../query/service.js';

/**
 * The query service behind Envoy: `/query/<backend>/…` as it is, and `/api/v1/…` for tenants that see one backend only, so that
 * Grafana and promtool can be given the gateway's own URL.
 */
export interface QueryDoor {
  setState(state: DesiredState): void;
  /** False: not a path of this door. `ended` aborts when its caller would be let in no more. */
  handle(request: IncomingMessage, response: ServerResponse, ended: AbortSignal): boolean;
}

const OWN_API = '/api/v1/';
const BY_NAME = '/query/';

export function createQueryDoor(service: QueryService): QueryDoor {
  let soleBackends: ReadonlyMap<string, string> = new Map();
  return {
    setState: (state) => {
      service.setState(state);
      soleBackends = findSoleBackends(state);
    },
    handle: (request, response, ended) => {
      const url = request.url ?? '';
      const tenant = request.headers['x-scrapeway-tenant'];
      if (typeof tenant !== 'string' || !(url.startsWith(BY_NAME) || url.startsWith(OWN_API))) return false;
      // Without a sole backend: a name that no backend can have, for which the service has its own answer.
      if (url.startsWith(OWN_API)) request.url = `${BY_NAME}${soleBackends.get(tenant) ?? '-'}${url}`;
      void service.handle(request, response, { tenant, ended });
      return true;
    },
  };
}

function findSoleBackends({ tenants, backends = [], backendGroups = [] }: DesiredState): ReadonlyMap<string, string> {
  const sole = new Map<string, string>();
  for (const { name, query = [] } of tenants) {
    const apis = backends.filter(({ api }) => api !== 'alertmanager');
    const seen = [...apis, ...backendGroups].filter((backend) => query.some((grant) => grant.backends === undefined || grant.backends.includes(backend.name)));
    const [only, ...others] = seen;
    if (only !== undefined && others.length === 0) sole.set(name, only.name);
  }
  return sole;
}
