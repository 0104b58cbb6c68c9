import type { GatewayLimits, Site } from '../model/desired-state.js';
import { assertNever } from '../lib/result.js';
import { MAX_BYTES_HEADER, MAX_SCRAPES_HEADER, UNTIL_HEADER } from '../model/stamps.js';
import type { LimitsOf, TargetLimits } from '../model/target-limits.js';
import type { Reason } from '../model/reasons.js';
import { readAuthority, readScrapePath, withDefaults } from './asked.js';
import type { Asked } from './asked.js';
import { credentialHeader } from './identity.js';
import type { Caller } from './identity.js';
import type { Entry, Finding, Inventory, TenantView } from './inventory.js';
import type { Audit, Decision, Question } from './question.js';

export interface Tables {
  readonly inventory: Inventory;
  readonly limits: GatewayLimits;
  /** What templates allow at a target. */
  readonly limitsOf: LimitsOf;
  /** Tenants with a query door. */
  readonly queriers: ReadonlySet<string>;
  /** Tenants with a push door. */
  readonly pushers: ReadonlySet<string>;
}

/**
 * The decision. Everything that a request can be allowed or refused for is on this page, in the order in which it is asked;
 * who the caller is was settled before (`identity.ts`), and which targets a tenant may scrape is `model/grants.ts`.
 *
 * A pure function of question, caller and tables. What does not exist and what is not the tenant's end in the same branch.
 */
export function decide(question: Question, caller: Caller, tables: Tables): Decision {
  const { door } = question;
  if (isMalformed(question)) return refuse('malformed_request', { door });
  if (door === 'join') return decideJoin(question);
  if (caller.kind === 'stranger') return refuse(caller.reason, { door, rule: caller.rule });
  if (caller.kind === 'agent') return decideTunnel(question, caller.agent, tables.inventory.siteOf(caller.agent));

  const view = tables.inventory.view(caller.tenant);
  if (view === undefined) return refuse('bad_credentials', { door }); // the tenant went while its password was checked
  switch (door) {
    case 'sd':
      return decideDiscovery(question, caller);
    case 'query':
      return decideService(question, caller, { tenants: tables.queriers, methods: ['GET', 'POST', 'DELETE'] });
    case 'push':
      return decideService(question, caller, { tenants: tables.pushers, methods: ['POST', 'PUT', 'DELETE'] });
    case 'path':
    case 'proxy':
    case 'connect':
      return decideScrape(question, caller, view, tables);
    case 'none':
    case 'agent':
    case 'renew':
      return refuse('door_forbidden', whoAsks(question, caller));
    default:
      return assertNever(door, 'door');
  }
}

/** Two Host headers reach us joined by a comma (facts/envoy.md §1). A scrape's path goes into a header: visible ASCII only. */
function isMalformed({ door, host, path }: Question): boolean {
  return !AUTHORITY.test(host) || (door !== 'connect' && !PATH.test(path));
}

const AUTHORITY = /^[!-+\--~]{1,512}$/;
/** Envoy's own bound of a header's value is 16,384. */
const PATH = /^\/[!-~]{0,16000}$/;

// ------------------------------------------------------------------------------------------------------------------ tunnel

function decideTunnel({ door, method, path, upgrade }: Question, agent: string, site: Site | undefined): Decision {
  const handshake = door === 'agent' && method === 'GET' && path === '/tunnel' && upgrade?.toLowerCase() === 'scrapeway-tunnel';
  const renewal = door === 'renew' && method === 'POST' && path === '/agents/renew';
  if (!handshake && !renewal) return refuse('door_forbidden', { door, agent });
  // Envoy picks the data thread by x-scrapeway-agent: all tunnels of a site meet its scrapes in one (ADR 31). A certificate is a member's own.
  const stamp = site === undefined || renewal ? { 'x-scrapeway-agent': agent } : { 'x-scrapeway-agent': site.name, 'x-scrapeway-member': agent };
  return { allow: true, stamp, remove: OF_TUNNELS, audit: { door, agent, rule: `agents/${agent}` } };
}

/** Nobody is known here: the one path, and the two methods that it has. The join service judges the token. */
function decideJoin({ door, method, path }: Question): Decision {
  if (path !== '/agents/join') return refuse('door_forbidden', { door });
  if (method !== 'GET' && method !== 'POST') return refuse('method_forbidden', { door });
  return { allow: true, stamp: { 'x-scrapeway-join': 'token' }, remove: INTERNAL_AND_OURS, audit: { door, rule: 'join' } };
}

type Tenant = Extract<Caller, { kind: 'tenant' }>;

/** The part of the audit line that says who asked, and how that is known. */
function whoAsks({ door }: Question, { tenant, credentials }: Tenant): Audit {
  return { door, tenant, auth: credentials.map(({ method }) => method).join('+'), credential: credentialIds(credentials) };
}

/** Ids have no space in them. */
function credentialIds(credentials: Tenant['credentials']): string {
  return credentials.map(({ id }) => id).join(' ');
}

// --------------------------------------------------------------------------------------------------------------- discovery

function decideDiscovery(question: Question, caller: Tenant): Decision {
  const who = whoAsks(question, caller);
  if (!isRead(question)) return refuse('method_forbidden', who);
  return { allow: true, stamp: stampOf(caller), remove: removed(question), audit: { ...who, rule: `tenants/${caller.tenant}` } };
}

interface Service {
  /** Who may use it at all. */
  readonly tenants: ReadonlySet<string>;
  readonly methods: readonly string[];
}

/** Which series a tenant sees or writes is the service's part (src/query, src/push); here only whether it may ask at all. */
function decideService(question: Question, caller: Tenant, { tenants, methods }: Service): Decision {
  const who = whoAsks(question, caller);
  // A credential for certain targets is for scraping these, and for nothing else.
  if (!tenants.has(caller.tenant) || caller.credentials.some(({ covers }) => covers !== undefined)) return refuse('door_forbidden', who);
  if (!methods.includes(question.method)) return refuse('method_forbidden', who);
  return { allow: true, stamp: stampOf(caller), remove: removed(question).filter((name) => name !== CERTIFICATE), audit: { ...who, rule: `tenants/${caller.tenant}/${question.door}` } };
}

function stampOf({ tenant, credentials }: Tenant): Readonly<Record<string, string>> {
  const untilMs = Math.min(...credentials.map(({ tokenEndMs = Infinity }) => tokenEndMs));
  return { 'x-scrapeway-tenant': tenant, 'x-scrapeway-credential': credentialIds(credentials), ...(untilMs < Infinity && { [UNTIL_HEADER]: String(untilMs) }) };
}

// ------------------------------------------------------------------------------------------------------------------ scrape

function decideScrape(question: Question, caller: Tenant, view: TenantView, { limits, limitsOf }: Tables): Decision {
  const { door } = question;
  const who = whoAsks(question, caller);
  if (door === 'connect' ? question.method !== 'CONNECT' : !isRead(question)) return refuse('method_forbidden', who);
  const longestMs = deadlineMs(question.scrapeTimeout, limits);
  if (longestMs === undefined) return refuse('malformed_request', who);

  const place = door === 'path' ? readScrapePath(question.path) : { asked: readAuthority(question.host) };
  if (place === undefined) return refuse('door_forbidden', who);
  const audit: Audit = { ...who, ...(place.asked?.by === 'name' && { agent: place.asked.agent, target: place.asked.target }) };

  const finding = find(view, place.asked);
  switch (finding.kind) {
    case 'none':
      return refuse('target_forbidden', audit);
    case 'denied':
      return refuse('target_forbidden', { ...audit, rule: finding.rule });
    case 'ambiguous':
      return refuse('target_forbidden', { ...audit, rule: 'ambiguous address' });
    case 'unknown_yet':
      return refuse('agent_away', audit);
    case 'granted': {
      const { entry, rule } = finding;
      const { agent, target } = entry;
      const narrow = caller.credentials.find(({ covers }) => covers?.(agent, target) === false);
      if (narrow !== undefined) return refuse('target_forbidden', { ...audit, agent, target: target.name, rule: `scope of ${narrow.id}` });
      const bounds = limitsOf(agent, target);
      const timeoutMs = Math.min(longestMs, bounds?.maxScrapeTimeoutMs ?? longestMs);
      return {
        allow: true,
        stamp: {
          ...stampOf(caller),
          ...(bounds && stampOfLimits(bounds)),
          'x-scrapeway-agent': agent,
          ...memberStamp(finding),
          'x-scrapeway-target': target.name,
          ...('suffix' in place && { 'x-scrapeway-path': pathOnTarget(entry, place.suffix, place.query) }),
          'x-scrapeway-timeout-ms': String(timeoutMs),
          // for CONNECT the time to be established is the hub's to keep: Envoy's clock would run from the client's half-close on (ADR 12)
          ...(door !== 'connect' && { 'x-envoy-upstream-rq-timeout-ms': String(timeoutMs) }),
        },
        remove: removed(question).filter((name) => name !== CERTIFICATE),
        audit: { ...who, agent, target: target.name, rule, template: bounds?.rateOf },
      };
    }
  }
}

/** Of a site: whom the hub may ask, in order, and when it asks a second one. */
function memberStamp({ entry: { site }, members }: Extract<Finding, { kind: 'granted' }>): Readonly<Record<string, string>> {
  if (site === undefined || members === undefined) return {};
  return { 'x-scrapeway-members': members.join(' '), ...(site.hedge !== undefined && { 'x-scrapeway-hedge': String(site.hedge) }) };
}

/** For the hub, which counts scrapes and bytes. */
function stampOfLimits({ maxConcurrentScrapes, maxBodyBytes }: TargetLimits): Readonly<Record<string, string>> {
  return {
    ...(maxConcurrentScrapes !== undefined && { [MAX_SCRAPES_HEADER]: String(maxConcurrentScrapes) }),
    ...(maxBodyBytes !== undefined && { [MAX_BYTES_HEADER]: String(maxBodyBytes) }),
  };
}

function find(view: TenantView, asked: Asked | undefined): Finding {
  switch (asked?.by) {
    case 'name':
      return view.find(asked.agent, asked.target);
    case 'address':
      return view.findByAddress(asked.address);
    case undefined:
      return { kind: 'none' };
  }
}

/** A path in the request is taken as it stands; without one the target's own, with its default query parameters. */
function pathOnTarget({ path, defaultQuery }: Entry, suffix: string | undefined, asked: string | undefined): string {
  const query = suffix === undefined ? withDefaults(asked, defaultQuery) : asked;
  return (suffix ?? path) + (query === undefined ? '' : `?${query}`);
}

// ------------------------------------------------------------------------------------------------------------------ shared

const MIN_DEADLINE_MS = 100;
/** As Go prints it: plain decimal. */
const SECONDS = /^\d{1,9}(?:\.\d{1,9})?$/;

/** What the client waits, cut to the maximum, less the margin in which our answer must reach it. Undefined: not a number. */
function deadlineMs(seconds: string | undefined, limits: GatewayLimits): number | undefined {
  if (seconds !== undefined && !SECONDS.test(seconds)) return undefined;
  const askedMs = seconds === undefined ? limits.defaultScrapeTimeoutMs : Number(seconds) * 1000;
  return Math.max(Math.round(Math.min(askedMs, limits.maxScrapeTimeoutMs) - limits.deadlineMarginMs), MIN_DEADLINE_MS);
}

function isRead({ method }: Question): boolean {
  return method === 'GET' || method === 'HEAD';
}

/** Of scrapes, queries and pushes this ends at who serves them, which cuts by it what a revoked certificate has open; by its serial too. */
const CERTIFICATE = 'x-forwarded-client-cert';
const INTERNAL = ['proxy-authorization', CERTIFICATE, 'x-tenant-namespace', 'x-scrapeway-peer-issuer'];
/** Of a tunnel the hub wants to know who signed its certificate: an agent that was renewed is not a stranger. */
const OF_TUNNELS = INTERNAL.filter((name) => name !== 'x-scrapeway-peer-issuer');
const INTERNAL_AND_OURS = ['authorization', ...INTERNAL];

/** Credentials end here; `authorization` goes on where it is the exporter's. */
function removed({ door }: Question): readonly string[] {
  return credentialHeader(door) === 'authorization' ? INTERNAL_AND_OURS : INTERNAL;
}

function refuse(reason: Reason, audit: Audit): Decision {
  return { allow: false, reason, audit };
}
