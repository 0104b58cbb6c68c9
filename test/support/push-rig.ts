import { once } from 'node:events';
import { createServer } from 'node:http';
import { Registry } from 'prom-client';
import { silentLogger } from '../../src/lib/logger.js';
import type { Logger } from '../../src/lib/logger.js';
import type { PushTarget } from '../../src/model/desired-state.js';
import type { PushLimits } from '../../src/push/options.js';
import { createPush } from '../../src/push/push.js';
import type { Push } from '../../src/push/push.js';
import { portOf } from './ports.js';

/**
 * The push door on a port of its own. The tenant is what a request says in `x-scrapeway-tenant`, which ext_authz would have stamped;
 * without one it is `team-a`.
 */
export interface PushRig extends AsyncDisposable {
  /** `http://127.0.0.1:<port>` */
  readonly url: string;
  readonly push: Push;
  readonly registry: Registry;
}

export interface PushRigOptions {
  readonly targets: readonly PushTarget[];
  readonly tenants?: Readonly<Record<string, readonly string[]>>;
  readonly limits?: PushLimits;
  readonly logger?: Logger;
}

export const TENANT_HEADER = 'x-scrapeway-tenant';

/** By default, two tenants may push to all targets. */
export async function startPushRig({ targets, tenants, limits, logger = silentLogger }: PushRigOptions): Promise<PushRig> {
  const registry = new Registry();
  const names = targets.map(({ name }) => name);
  const config = { targets, tenants: new Map(Object.entries(tenants ?? { 'team-a': names, 'team-b': names })) };
  const push = createPush({ config, logger, registry, ...(limits !== undefined && { limits }) });
  const server = createServer((request, response) => {
    const tenant = request.headers[TENANT_HEADER];
    void push.handle(request, response, { tenant: typeof tenant === 'string' ? tenant : 'team-a' });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${portOf(server)}`,
    push,
    registry,
    [Symbol.asyncDispose]: async () => {
      server.close();
      server.closeAllConnections();
      await push.close();
    },
  };
}

export function pushTarget(over: Partial<PushTarget> & Pick<PushTarget, 'url'>): PushTarget {
  return { name: 'backend', kind: 'remote_write', tenantLabel: 'tenant', onConflict: 'refuse', headers: {}, caPem: undefined, timeoutMs: 10_000, maxBodyBytes: 1024 * 1024, ...over };
}
