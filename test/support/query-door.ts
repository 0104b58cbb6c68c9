import { once } from 'node:events';
import { createServer } from 'node:http';
import { Registry } from 'prom-client';
import { silentLogger } from '../../src/lib/logger.js';
import type { Backend, DesiredState, QueryGrant, QueryLimits } from '../../src/model/desired-state.js';
import { createQueryService } from '../../src/query/service.js';
import type { QueryService, QueryServiceOptions } from '../../src/query/service.js';
import { desiredState } from './desired-state.js';
import { dialled } from './dialled.js';
import { fetchRaw } from './http.js';
import type { HttpAnswer, HttpRequest } from './http.js';
import { portOf } from './ports.js';

/** The query service on a TCP port, without the authentication that stands in front of it: the tenant is in a header. */

export interface QueryTenant {
  readonly name: string;
  readonly query: readonly QueryGrant[];
  readonly limits?: QueryLimits;
}

export interface QueryDoor extends AsyncDisposable {
  readonly service: QueryService;
  readonly registry: Registry;
  readonly url: string;
  /** As this tenant; `path` from `/query/` on, as it stands on the wire. */
  ask(tenant: string, path: string, request?: Omit<HttpRequest, 'url'>): Promise<HttpAnswer>;
  /** A form in a POST. */
  post(tenant: string, path: string, form: Readonly<Record<string, string>>): Promise<HttpAnswer>;
}

export const TENANT_HEADER = 'x-test-tenant';

export function queryState(backends: readonly (Pick<Backend, 'name' | 'url'> & Partial<Backend>)[], tenants: readonly QueryTenant[]): DesiredState {
  return {
    ...desiredState({ tenants: tenants.map(({ name, query, limits = {} }) => ({ name, query, limits: { requestsPerSecond: 100, burst: 100, query: limits } })) }),
    backends: backends.map((backend) => ({ timeoutMs: 30_000, ...backend })),
  };
}

export async function startQueryDoor(state: DesiredState, cache?: QueryServiceOptions['cache']): Promise<QueryDoor> {
  const registry = new Registry();
  const service = createQueryService({ logger: silentLogger, registry, wayTo: dialled, ...(cache === undefined ? {} : { cache }) });
  service.setState(state);
  const server = createServer((request, response) => {
    const tenant = request.headers[TENANT_HEADER];
    void service.handle(request, response, { tenant: typeof tenant === 'string' ? tenant : '' });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const url = `http://127.0.0.1:${portOf(server)}`;
  const ask: QueryDoor['ask'] = (tenant, path, request = {}) => fetchRaw({ ...request, url, target: path, headers: { [TENANT_HEADER]: tenant, ...request.headers } });
  return {
    service,
    registry,
    url,
    ask,
    post: (tenant, path, form) => {
      const body = new URLSearchParams(form).toString();
      return ask(tenant, path, { method: 'POST', headers: { 'content-type': 'application/x-www-form-urlencoded', 'content-length': `${Buffer.byteLength(body)}` }, body });
    },
    [Symbol.asyncDispose]: async () => {
      server.close();
      server.closeAllConnections();
      await service.close();
    },
  };
}
