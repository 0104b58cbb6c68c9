import type { ScrapeRights } from '../model/grants.js';
import type { Site } from '../model/desired-state.js';
import { siteOffer } from '../model/sites.js';
import type { Member } from '../model/sites.js';
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
  private sites: ReadonlyMap<string, Site> = new Map();
  private readonly targets = new Map<string, readonly Target[]>();
  /** By what a request can name: an agent, or a site. */
  private readonly offers = new Map<string, Offer>();
  private readonly views = new Map<string, TenantView>();

  /** A new configuration: every right is worked out anew. `sites`: by member. */
  setRights(rights: ReadonlyMap<string, ScrapeRights>, sites: ReadonlyMap<string, Site> = new Map()): void {
    this.rights = rights;
    this.views.clear();
    if (JSON.stringify([...sites]) === JSON.stringify([...this.sites])) return;
    this.sites = sites;
    this.offers.clear();
    for (const agent of this.targets.keys()) this.renew(agent);
  }

  /** The site that an agent belongs to; undefined: it stands for itself. */
  siteOf(agent: string): Site | undefined {
    return this.sites.get(agent);
  }

  /** Replaces what the agent offers; undefined: it has never registered, as far as we know. */
  register(agent: string, targets: readonly Target[] | undefined): void {
    if (targets === undefined) this.targets.delete(agent);
    else this.targets.set(agent, targets);
    this.renew(agent);
  }

  private renew(agent: string): void {
    const site = this.sites.get(agent);
    const name = site?.name ?? agent;
    const before = this.offers.get(name);
    const after = site === undefined ? this.offerOf(agent) : this.offerOfSite(site);
    if (after === undefined) this.offers.delete(name);
    else this.offers.set(name, after);
    for (const view of this.views.values()) view.replace(name, before, after);
  }

  private offerOf(agent: string): Offer | undefined {
    const targets = this.targets.get(agent);
    return targets && { entries: new Map(targets.map((target) => [target.name, entryOf(agent, target)])), complete: true };
  }

  private offerOfSite(site: Site): Offer | undefined {
    const known = site.agents.filter((agent) => this.targets.has(agent));
    if (known.length === 0) return undefined;
    const entries = [...siteOffer(site, this.targets)].map(([name, { target, members }]) => [name, { ...entryOf(site.name, target), site: { members, hedge: site.hedge } }] as const);
    return { entries: new Map(entries), complete: known.length === site.agents.length };
  }

  /** Undefined for a tenant that the configuration does not have. */
  view(tenant: string): TenantView | undefined {
    const made = this.views.get(tenant);
    if (made !== undefined) return made;
    const rights = this.rights.get(tenant);
    if (rights === undefined) return undefined;
    const view = new TenantView(rights, this.offers);
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
  /** Where `agent` is a site: who can answer, in order, and when a second one is asked. */
  readonly site?: { readonly members: readonly Member[]; readonly hedge: Site['hedge'] };
}

type Entries = ReadonlyMap<string, Entry>;

interface Offer {
  readonly entries: Entries;
  /** Every member of the site has registered: what is not here does not exist. */
  readonly complete: boolean;
}

function entryOf(agent: string, target: Target): Entry {
  const [path = '', ...query] = target.path.split('?');
  return { agent, target, address: targetAddress(target).toLowerCase(), path, defaultQuery: query.join('?') };
}

export type Finding =
  /** `members`: of a site, those whose own registration is granted as well. */
  | { readonly kind: 'granted'; readonly entry: Entry; readonly rule: string; readonly members: readonly string[] | undefined }
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
  private readonly rules = new WeakMap<Entry, { readonly rule: string | undefined; readonly members: readonly string[] | undefined }>();
  /** The targets of all agents that serve this tenant, by address. Made when first asked for. */
  private byAddress: Map<string, Set<Entry>> | undefined = undefined;

  constructor(
    private readonly rights: ScrapeRights,
    private readonly offers: ReadonlyMap<string, Offer>,
  ) {}

  find(agent: string, targetName: string): Finding {
    if (!this.rights.agents.has(agent)) return NONE;
    const offer = this.offers.get(agent);
    const entry = offer?.entries.get(targetName);
    if (entry === undefined) return offer?.complete !== true && this.rights.couldReach(agent, targetName) ? { kind: 'unknown_yet' } : NONE;
    return this.granted(entry) ?? this.denied(entry) ?? NONE;
  }

  /** `address`: lower-case `host:port`. */
  findByAddress(address: string): Finding {
    this.byAddress ??= this.indexByAddress();
    const granted = [...(this.byAddress.get(address) ?? [])].flatMap((entry) => this.granted(entry) ?? []);
    if (granted.length > 1) return { kind: 'ambiguous' };
    return granted[0] ?? (this.everyAgentIsKnown() ? NONE : { kind: 'unknown_yet' });
  }

  /** Keeps the index in step with a registration. */
  replace(agent: string, before: Offer | undefined, after: Offer | undefined): void {
    if (this.byAddress === undefined || !this.rights.agents.has(agent)) return;
    for (const entry of before?.entries.values() ?? []) {
      const sharing = this.byAddress.get(entry.address);
      sharing?.delete(entry);
      if (sharing?.size === 0) this.byAddress.delete(entry.address);
    }
    addAll(this.byAddress, after?.entries);
  }

  private granted(entry: Entry): Extract<Finding, { kind: 'granted' }> | undefined {
    let known = this.rules.get(entry);
    if (known === undefined) this.rules.set(entry, (known = { rule: this.rights.ruleFor(entry.agent, entry.target), members: this.grantedMembers(entry) }));
    return known.rule === undefined ? undefined : { kind: 'granted', entry, rule: known.rule, members: known.members };
  }

  /** A member's labels may differ: nobody gets by failover what they would not get from the member itself. */
  private grantedMembers({ agent, site }: Entry): readonly string[] | undefined {
    return site?.members.filter((member) => this.rights.ruleFor(agent, member.target) !== undefined).map((member) => member.agent);
  }

  /** Answered like `none`; the audit line says more. */
  private denied({ agent, target }: Entry): Finding | undefined {
    const rule = this.rights.denyFor(agent, target);
    return rule === undefined ? undefined : { kind: 'denied', rule };
  }

  private everyAgentIsKnown(): boolean {
    for (const agent of this.rights.agents) if (this.offers.get(agent)?.complete !== true && this.rights.couldReach(agent)) return false;
    return true;
  }

  private indexByAddress(): Map<string, Set<Entry>> {
    const index = new Map<string, Set<Entry>>();
    for (const agent of this.rights.agents) addAll(index, this.offers.get(agent)?.entries);
    return index;
  }
}

function addAll(index: Map<string, Set<Entry>>, entries: Entries | undefined): void {
  for (const entry of entries?.values() ?? []) index.set(entry.address, (index.get(entry.address) ?? new Set()).add(entry));
}
