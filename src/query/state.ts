import { formatFault } from '../lib/result.js';
import type { Logger } from '../lib/logger.js';
import type { Backend, DesiredState, QueryLimits } from '../model/desired-state.js';
import { queryGrantFaults, viewOf } from './grants.js';
import type { View } from './grants.js';
import { Upstream } from './upstream.js';

/** What is in force now: clients of the backends, and each tenant's view of each, made when first asked for. */
export class QueryState {
  readonly #logger: Logger;
  readonly #limits: QueryLimits | undefined;
  #state: DesiredState | undefined;
  #views = new Map<string, View | undefined>();
  #upstreams: ReadonlyMap<string, { readonly upstream: Upstream; readonly key: string }> = new Map();
  #failuresOfThePast = 0;

  constructor(logger: Logger, limits: QueryLimits | undefined) {
    this.#logger = logger;
    this.#limits = limits;
  }

  /** From now on. Clients of backends that did not change keep their connections. */
  set(state: DesiredState): void {
    const before = this.#upstreams;
    this.#upstreams = new Map((state.backends ?? []).map((backend) => [backend.name, this.#upstreamFor(backend)]));
    const kept = new Set([...this.#upstreams.values()].map(({ upstream }) => upstream));
    for (const { upstream } of before.values()) if (!kept.has(upstream)) void this.#drop(upstream);
    this.#state = state;
    this.#views = new Map();
  }

  view(tenant: string, backend: string): { readonly view: View; readonly upstream: Upstream } | undefined {
    const state = this.#state;
    const client = this.#upstreams.get(backend);
    if (state === undefined || client === undefined) return undefined;
    const key = JSON.stringify([tenant, backend]);
    if (!this.#views.has(key)) {
      const made = viewOf(state, tenant, backend, this.#limits);
      if (made === undefined) return undefined;
      // Here and not for all at once: a state may have thousands of tenants, of which few ask before the next state.
      for (const fault of queryGrantFaults(state.tenants.find(({ name }) => name === tenant)?.query ?? [])) this.#logger.error({ tenant }, formatFault(fault));
      this.#views.set(key, made);
    }
    const view = this.#views.get(key);
    return view === undefined ? undefined : { view, upstream: client.upstream };
  }

  get replicaFailures(): number {
    return [...this.#upstreams.values()].reduce((sum, { upstream }) => sum + upstream.failures, this.#failuresOfThePast);
  }

  async close(): Promise<void> {
    await Promise.all([...this.#upstreams.values()].map(({ upstream }) => upstream.close()));
    this.#upstreams = new Map();
  }

  #upstreamFor(backend: Backend): { readonly upstream: Upstream; readonly key: string } {
    const key = JSON.stringify(backend);
    const existing = this.#upstreams.get(backend.name);
    return existing?.key === key ? existing : { upstream: new Upstream(backend, this.#logger), key };
  }

  async #drop(upstream: Upstream): Promise<void> {
    this.#failuresOfThePast += upstream.failures;
    await upstream.retire();
  }
}
