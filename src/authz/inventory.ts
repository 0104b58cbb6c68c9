import type { ScrapeRights } from '../model/grants.js';
import { targetAddress } from '../model/target.js';
import type { Target } from '../model/target.js';

/**
 * What the agents have registered, seen only through the eyes of a tenant: `view(tenant)` is all that a decision about that
 * tenant can reach, so that no look-up can find what another tenant owns.
 *
 * Nothing is computed before somebody asks: a registration costs O(its targets), a new configuration O(1) here, and a
 * tenant's rule for a target is worked out once and kept until either changes.
 */
export class Inventory {
  private rights: ReadonlyMap<string, ScrapeRights> = new Map();
  private readonly registered = new Map<string, AgentEntries>();
  private readonly views = new Map<string, TenantView>();

  /** A new configuration: every right is worked out anew. */
  setRights(rights: ReadonlyMap<string, ScrapeRights>): void {
    this.rights = rights;
    this.views.clear();
  }

  /** Replaces what the agent offers; undefined: it has never registered, as far as we know. */
  register(agent: string, targets: readonly Target[] | undefined): void {
    const before = this.registered.get(agent);
    const after = targets && new Map(targets.map((target) => [target.name, entryOf(agent, target)]));
    if (after === undefined) this.registered.delete(agent);
    else this.registered.set(agent, after);
    for (const view of this.views.values()) view.replace(agent, before, after);
  }

  /** Undefined for a tenant that the configuration does not have. */
  view(tenant: string): TenantView | undefined {
    const made = this.views.get(tenant);
    if (made !== undefined) return made;
    const rights = this.rights.get(tenant);
    if (rights === undefined) return undefined;
    const view = new TenantView(rights, this.registered);
    this.views.set(tenant, view);
    return view;
  }
}

/** A registered target, with what a decision needs of it worked out. */
export interface Entry {
  readonly agent: string;
  readonly target: Target;
  /** Lower-case `host:port`, as the proxy door looks it up. */
  readonly address: string;
  /** The registered metrics path, and its default query ('' without one). */
  readonly path: string;
  readonly defaultQuery: string;
}

type AgentEntries = ReadonlyMap<string, Entry>;

function entryOf(agent: string, target: Target): Entry {
  const [path = '', ...query] = target.path.split('?');
  return { agent, target, address: targetAddress(target).toLowerCase(), path, defaultQuery: query.join('?') };
}

export type Finding =
  | { readonly kind: 'granted'; readonly entry: Entry; readonly rule: string }
  /** An agent that serves this tenant, and may well offer this, has not registered since the gateway started. */
  | { readonly kind: 'unknown_yet' }
  /** Several targets of this tenant have the address. */
  | { readonly kind: 'ambiguous' }
  /** Granted, and taken away by this rule. */
  | { readonly kind: 'denied'; readonly rule: string }
  /** Does not exist, or is not this tenant's: nobody can tell which, from here on. */
  | { readonly kind: 'none' };

const NONE: Finding = { kind: 'none' };

export class TenantView {
  private readonly rules = new WeakMap<Entry, { readonly rule: string | undefined }>();
  /** The targets of all agents that serve this tenant, by address. Made when first asked for. */
  private byAddress: Map<string, Set<Entry>> | undefined = undefined;

  constructor(
    private readonly rights: ScrapeRights,
    private readonly registered: ReadonlyMap<string, AgentEntries>,
  ) {}

  find(agent: string, targetName: string): Finding {
    if (!this.rights.agents.has(agent)) return NONE;
    const entries = this.registered.get(agent);
    if (entries === undefined) return this.rights.couldReach(agent, targetName) ? { kind: 'unknown_yet' } : NONE;
    const entry = entries.get(targetName);
    return entry === undefined ? NONE : (this.granted(entry) ?? this.denied(entry) ?? NONE);
  }

  /** `address`: lower-case `host:port`. */
  findByAddress(address: string): Finding {
    this.byAddress ??= this.indexByAddress();
    const granted = [...(this.byAddress.get(address) ?? [])].flatMap((entry) => this.granted(entry) ?? []);
    if (granted.length > 1) return { kind: 'ambiguous' };
    return granted[0] ?? (this.everyAgentIsKnown() ? NONE : { kind: 'unknown_yet' });
  }

  /** Keeps the index in step with a registration. */
  replace(agent: string, before: AgentEntries | undefined, after: AgentEntries | undefined): void {
    if (this.byAddress === undefined || !this.rights.agents.has(agent)) return;
    for (const entry of before?.values() ?? []) {
      const sharing = this.byAddress.get(entry.address);
      sharing?.delete(entry);
      if (sharing?.size === 0) this.byAddress.delete(entry.address);
    }
    addAll(this.byAddress, after);
  }

  private granted(entry: Entry): Extract<Finding, { kind: 'granted' }> | undefined {
    let known = this.rules.get(entry);
    if (known === undefined) this.rules.set(entry, (known = { rule: this.rights.ruleFor(entry.agent, entry.target) }));
    return known.rule === undefined ? undefined : { kind: 'granted', entry, rule: known.rule };
  }

  /** Answered like `none`; the audit line says more. */
  private denied({ agent, target }: Entry): Finding | undefined {
    const rule = this.rights.denyFor(agent, target);
    return rule === undefined ? undefined : { kind: 'denied', rule };
  }

  private everyAgentIsKnown(): boolean {
    for (const agent of this.rights.agents) if (!this.registered.has(agent) && this.rights.couldReach(agent)) return false;
    return true;
  }

  private indexByAddress(): Map<string, Set<Entry>> {
    const index = new Map<string, Set<Entry>>();
    for (const agent of this.rights.agents) addAll(index, this.registered.get(agent));
    return index;
  }
}

function addAll(index: Map<string, Set<Entry>>, entries: AgentEntries | undefined): void {
  for (const entry of entries?.values() ?? []) index.set(entry.address, (index.get(entry.address) ?? new Set()).add(entry));
}
