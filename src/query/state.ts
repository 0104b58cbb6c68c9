import { formatFault } from '../lib/result.js';
import type { Logger } from '../lib/logger.js';
import type { Backend, DesiredState, QueryLimits, Tenant } from '../model/desired-state.js';
import { isDryRun } from './dry-run.js';
import { queryGrantFaults, viewOf } from './grants.js';
import type { View } from './grants.js';
import { KnownQueries } from './known-queries.js';
import { Upstream } from './upstream.js';
import type { WayToBackend } from './upstream.js';
import type { Member } from './gather.js';

export interface Found {
  readonly view: View;
  /** The only one, where it is no group. */
  readonly upstream: Upstream;
  readonly members: readonly Member[];
}

/** A view, and what it was made of: values that stay the same as long as nothing in them changes. */
interface Made {
  readonly view: View;
  readonly sources: readonly unknown[];
}

/** All that `viewOf` looks at. */
function sourcesOf({ backends = [], backendGroups = [] }: DesiredState, { query = [], limits, queryDryRunUntilMs }: Tenant, backend: string): readonly unknown[] {
  const group = backendGroups.find(({ name }) => name === backend);
  const members = new Set([backend, ...(group?.members ?? [])]);
  // Where a backend's endpoints are is not in a view.
  const terms = backends.filter(({ name }) => members.has(name)).flatMap(({ name, timeoutMs, union, api }) => [name, timeoutMs, union, api]);
  return [...query, limits.query, queryDryRunUntilMs, JSON.stringify(group), ...terms];
}

/** What is in force now: clients of the backends, and each tenant's view of each, made when first asked for. */
export class QueryState {
  readonly #logger: Logger;
  readonly #limits: QueryLimits | undefined;
  readonly #wayTo: WayToBackend;
  #state: DesiredState | undefined;
  #views = new Map<string, Made>();
  /** Of the state before: what did not change is not made again, or keeps what it knows. */
  #viewsBefore: ReadonlyMap<string, Made> = new Map();
  #upstreams: ReadonlyMap<string, { readonly upstream: Upstream; readonly key: string }> = new Map();
  readonly #known = new KnownQueries();
  #announced: ReadonlyMap<string, number> = new Map();
  #failuresOfThePast = 0;
  /** Clients that are not used any more, and have not come to their end. */
  readonly #leaving = new Set<Promise<void>>();

  constructor(logger: Logger, limits: QueryLimits | undefined, wayTo: WayToBackend) {
    this.#logger = logger;
    this.#limits = limits;
    this.#wayTo = wayTo;
  }

  /** From now on. Clients of backends that did not change keep their connections. */
  set(state: DesiredState): void {
    const before = this.#upstreams;
    this.#upstreams = new Map((state.backends ?? []).map((backend) => [backend.name, this.#upstreamFor(backend)]));
    const kept = new Set([...this.#upstreams.values()].map(({ upstream }) => upstream));
    for (const { upstream } of before.values()) if (!kept.has(upstream)) this.#drop(upstream);
    this.#state = state;
    this.#announceDryRuns(Date.now());
    this.#viewsBefore = this.#views;
    this.#views = new Map();
  }

  /** A backend's own client, or those of a group's members. */
  view(tenant: string, backend: string): Found | undefined {
    const state = this.#state;
    if (state === undefined) return undefined;
    const key = JSON.stringify([tenant, backend]);
    // Here and not for all at once: a state may have thousands of tenants, of which few ask before the next state.
    const made = this.#views.get(key) ?? this.#make(state, tenant, backend);
    if (made === undefined) return undefined;
    this.#views.set(key, made);
    const { view } = made;
    const names = view.group?.members ?? [backend];
    const members = names.flatMap((name) => {
      const client = this.#upstreams.get(name);
      return client === undefined ? [] : [{ name, upstream: client.upstream }];
    });
    const [first] = members;
    // A group without one of its members would be silently incomplete.
    return first === undefined || members.length < names.length ? undefined : { view, upstream: first.upstream, members };
  }

  #make(state: DesiredState, tenantName: string, backend: string): Made | undefined {
    const tenant = state.tenants.find(({ name }) => name === tenantName);
    const before = this.#viewsBefore.get(JSON.stringify([tenantName, backend]));
    const sources = tenant === undefined ? [] : sourcesOf(state, tenant, backend);
    if (before !== undefined && before.sources.length === sources.length && before.sources.every((source, index) => source === sources[index])) return before;
    const view = viewOf(state, tenantName, backend, this.#limits);
    if (view === undefined) return undefined;
    for (const fault of queryGrantFaults(tenant?.query ?? [])) this.#logger.error({ tenant: tenantName }, formatFault(fault));
    return { sources, view: { ...view, known: before?.view.known !== undefined && sameRules(before.view, view) ? before.view.known : this.#known.memory() } };
  }

  /** Tenants whose rules do not hold now. */
  dryRuns(nowMs: number): readonly Tenant[] {
    return (this.#state?.tenants ?? []).filter(({ query, queryDryRunUntilMs }) => query !== undefined && isDryRun({ dryRunUntilMs: queryDryRunUntilMs }, nowMs));
  }

  /** Resolves when nothing is asked any more of backends as they were before. */
  async settled(): Promise<void> {
    await Promise.all(this.#leaving);
  }

  get backendFailures(): number {
    return [...this.#upstreams.values()].reduce((sum, { upstream }) => sum + upstream.failures, this.#failuresOfThePast);
  }

  async close(): Promise<void> {
    await Promise.all([...this.#upstreams.values()].map(({ upstream }) => upstream.close()));
    this.#upstreams = new Map();
  }

  /** Each once, and again where its end has changed. */
  #announceDryRuns(nowMs: number): void {
    const running = new Map(this.dryRuns(nowMs).map(({ name, queryDryRunUntilMs = 0 }) => [name, queryDryRunUntilMs]));
    for (const [tenant, untilMs] of running) {
      if (this.#announced.get(tenant) !== untilMs) this.#logger.warn({ tenant, until: new Date(untilMs).toISOString() }, "DRY RUN: this tenant's queries see all series, its rules do not hold");
    }
    this.#announced = running;
  }

  #upstreamFor(backend: Backend): { readonly upstream: Upstream; readonly key: string } {
    const key = JSON.stringify(backend);
    const existing = this.#upstreams.get(backend.name);
    return existing?.key === key ? existing : { upstream: new Upstream(backend, this.#logger, this.#wayTo), key };
  }

  #drop(upstream: Upstream): void {
    const retired: Promise<void> = upstream.retire().finally(() => {
      this.#failuresOfThePast += upstream.failures;
      this.#leaving.delete(retired);
    });
    this.#leaving.add(retired);
  }
}

/** Equal in all that decides what becomes of a query's text. */
function sameRules(one: View, other: View): boolean {
  const rules = ({ policy, limits }: View): string => JSON.stringify([policy.rules.map((rule) => rule.map(({ matcher }) => matcher)), limits]);
  return rules(one) === rules(other);
}
