import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Registry } from 'prom-client';
import { systemClock } from '../lib/clock.js';
import { NO_WAY } from '../behind/behind.js';
import type { WayTo } from '../behind/behind.js';
import type { Clock } from '../lib/clock.js';
import type { Logger } from '../lib/logger.js';
import { assertNever } from '../lib/result.js';
import { Admission, Pass } from './admission.js';
import { refusal, send } from './answer.js';
import type { Answer } from './answer.js';
import { Backend } from './backend.js';
import type { Exchange } from './exchange.js';
import { Expiry } from './expiry.js';
import { createPushMetrics } from './metrics.js';
import { DEFAULT_PUSH_LIMITS } from './options.js';
import type { PushConfig, PushLimits } from './options.js';
import { pushgateway } from './pushgateway.js';
import { remoteWriteIn } from './remote-write-in.js';

/**
 * The push door: `/push/<target>/…`. Which target a tenant may push to is looked up; what may reach it is the protocol's business
 * (remote-write-in.ts, pushgateway.ts). Who it is, was decided before (ext_authz; at an agent site/door.ts).
 */

export interface PushOptions {
  readonly config: PushConfig;
  readonly limits?: PushLimits;
  readonly logger: Logger;
  readonly registry: Registry;
  /** To servers behind agents. */
  readonly wayTo?: WayTo;
  readonly clock?: Clock;
}

export interface Push {
  /** Serves one request of the door for an authenticated tenant, until `ended` aborts: then it is let in no more. Never rejects. */
  handle(request: IncomingMessage, response: ServerResponse, what: Asked): Promise<void>;
  /** From now on; pushes under way end as they began. */
  configure(config: PushConfig): void;
  /** Of several gateways one lets groups expire. False: this one does so no more, at once. */
  setExpiring(active: boolean): void;
  close(): Promise<void>;
}

export interface Asked {
  readonly tenant: string;
  /** Where it is not the request's own: `/push/<target>/…`. */
  readonly path?: string | undefined;
  /** When it aborts, the tenant would be let in no more. */
  readonly ended?: AbortSignal | undefined;
}

const NO_TARGET = 'none';
/** The sender did not wait for the answer. */
const GONE = 'gone';
const NEVER = new AbortController().signal;

export function createPush({ config, limits = DEFAULT_PUSH_LIMITS, logger, registry, wayTo = NO_WAY, clock = systemClock }: PushOptions): Push {
  const metrics = createPushMetrics(registry);
  const admission = new Admission(limits, clock);
  let backends = new Map<string, Backend>();
  let tenants: PushConfig['tenants'] = new Map();
  let isExpiring = true;
  const expiries = new Map<Backend, Expiry>();

  function configure(next: PushConfig): void {
    const before = backends;
    backends = new Map(
      next.targets.map((target) => {
        const known = before.get(target.name);
        return [target.name, known !== undefined && JSON.stringify(known.target) === JSON.stringify(target) ? known : new Backend(target, wayTo)];
      }),
    );
    tenants = next.tenants;
    admission.setLimits(next.limits ?? limits);
    admission.keepOnly(new Set(tenants.keys()));
    settleExpiry();
    for (const [name, backend] of before) if (backends.get(name) !== backend) void closeQuietly(backend);
  }

  function settleExpiry(): void {
    const wanted = new Map([...backends.values()].flatMap((backend) => (isExpiring && backend.target.groupTtl !== undefined ? [[backend, backend.target.groupTtl] as const] : [])));
    for (const [backend, expiry] of expiries) {
      if (wanted.has(backend)) continue;
      expiry.stop();
      expiries.delete(backend);
    }
    for (const [backend, { ms, byTenant }] of wanted) {
      if (!expiries.has(backend)) expiries.set(backend, new Expiry({ backend, ttl: { ms, byTenant: new Map(Object.entries(byTenant)) }, metrics, logger, clock }));
    }
  }

  async function closeQuietly(backend: Backend): Promise<void> {
    await backend.close().catch((error: unknown) => logger.warn({ err: error, target: backend.target.name }, 'closing a push backend'));
  }

  function backendFor(tenant: string, name: string): Backend | undefined {
    return tenants.get(tenant)?.includes(name) === true ? backends.get(name) : undefined;
  }

  async function serve(request: IncomingMessage, backend: Backend, segments: readonly string[], tenant: string, gone: AbortSignal): Promise<Answer> {
    const pass = admission.enter(tenant);
    if (!(pass instanceof Pass)) return refusal(pass);
    const target = backend.target.name;
    const signal = AbortSignal.any([gone, AbortSignal.timeout(backend.target.timeoutMs)]);
    metrics.underWay.inc();
    const exchange: Exchange = {
      request,
      tenant,
      segments,
      backend,
      pass,
      signal,
      logger: logger.child({ tenant, target }),
      count: (what, by) => {
        if (by > 0) metrics.amounts[what].inc({ tenant, target }, by);
      },
    };
    try {
      return await byProtocol(exchange);
    } catch (error) {
      logger.error({ err: error, tenant, target }, 'a push failed');
      return refusal('push_error');
    } finally {
      metrics.underWay.dec();
      pass.leave();
    }
  }

  async function handle(request: IncomingMessage, response: ServerResponse, { tenant, path = request.url ?? '', ended = NEVER }: Asked): Promise<void> {
    const gone = new AbortController();
    response.once('close', () => gone.abort());
    const [, door, name = '', ...segments] = (path.split('?')[0] ?? '').split('/');
    const backend = door === 'push' ? backendFor(tenant, name) : undefined;
    const served = backend === undefined ? refusal('target_forbidden') : await serve(request, backend, segments, tenant, AbortSignal.any([gone.signal, ended]));
    // What was written by then is written, and the sender is told.
    const answer = ended.aborted && served.reason !== undefined ? refusal('revoked') : served;
    metrics.requests.inc({ tenant, target: backend?.target.name ?? NO_TARGET, result: gone.signal.aborted ? GONE : (answer.reason ?? 'ok') });
    send(request, response, answer);
  }

  configure(config);
  return {
    handle,
    configure,
    setExpiring: (active) => {
      isExpiring = active;
      settleExpiry();
    },
    close: async () => {
      for (const expiry of expiries.values()) expiry.stop();
      await Promise.all([...backends.values()].map(closeQuietly));
    },
  };
}

function byProtocol(exchange: Exchange): Promise<Answer> {
  const { kind } = exchange.backend.target;
  switch (kind) {
    case 'remote_write':
      return remoteWriteIn(exchange);
    case 'pushgateway':
      return pushgateway(exchange);
    default:
      return assertNever(kind, 'kind of push target');
  }
}
