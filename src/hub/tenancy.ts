import { credentialId, frontProxyId } from '../model/credential-id.js';
import type { DesiredState, TenantLimits } from '../model/desired-state.js';
import type { Reason } from '../model/reasons.js';

/**
 * What the hub knows of tenants: how much each may have in flight, and whether a scrape that ext_authz let through a while ago
 * would still be known. ext_authz decides about requests; this is for what is under way.
 */

/** Who is behind a scrape or a tunnel, as stamped. */
export interface Party {
  /** Undefined: an agent's tunnel. */
  readonly tenant: string | undefined;
  /** Ids (model/credential-id.ts), parted by spaces. */
  readonly credentials: string;
  /** Of the client's certificate; undefined without one. */
  readonly serial: string | undefined;
  /** All that the certificate says, as Envoy writes it (`x-forwarded-client-cert`). */
  readonly certificate?: string | undefined;
}

/** Kinds of credentials that the configuration lists one by one; of tokens, the rule by which their claims name the tenant. */
const LISTED = /^(?:certificate|basic|bearer|jwt|service-account|front-proxy):/;

/** A scrape, as far as it is counted. */
export interface Admission {
  readonly party: { readonly tenant: string };
  readonly agent: string;
  readonly target: string;
  /** Of the tenant at the target; Infinity without a bound. */
  readonly maxScrapes: number;
}

/** What a scrape is counted under; names have no slash in them. */
function countersOf({ party: { tenant }, agent, target, maxScrapes }: Admission): readonly string[] {
  return maxScrapes === Infinity ? [tenant] : [tenant, `${tenant}/${agent}/${target}`];
}

export class Tenancy {
  #limits: ReadonlyMap<string, TenantLimits> = new Map();
  #credentials: ReadonlySet<string> = new Set();
  #serials: ReadonlySet<string> = new Set();
  /** Names, as Envoy writes them. */
  #names: ReadonlySet<string> = new Set();
  readonly #inFlight = new Map<string, number>();

  setState({ tenants, gateway, frontProxies = [] }: DesiredState): void {
    this.#limits = new Map(tenants.map(({ name, limits }) => [name, limits]));
    const revoked = new Set(gateway.revoked?.sans.map(({ type, value }) => `${type}:${value}`));
    const isRevoked = (san: { readonly type: string; readonly value: string }): boolean => revoked.has(`${san.type}:${san.value}`);
    const known = tenants.flatMap(({ credentials }) => credentials.filter((credential) => credential.kind !== 'certificate' || !isRevoked(credential.san)));
    this.#credentials = new Set([...known.map(credentialId), ...frontProxies.filter(({ san }) => !isRevoked(san)).map(frontProxyId)]);
    this.#serials = new Set(gateway.revoked?.serials);
    this.#names = new Set(gateway.revoked?.sans.map(({ type, value }) => nameIn(type.toUpperCase(), value)));
  }

  /** Counts a scrape in; a reason where the tenant may have no more, or none at this target. `leave` must follow where there is none. */
  enter(scrape: Admission): Reason | undefined {
    const { party, maxScrapes } = scrape;
    const bounds = [this.#limits.get(party.tenant)?.maxConcurrentScrapes ?? Infinity, maxScrapes];
    const counters = countersOf(scrape);
    if (counters.some((counter, index) => (this.#inFlight.get(counter) ?? 0) >= (bounds[index] ?? Infinity))) return 'tenant_busy';
    for (const counter of counters) this.#inFlight.set(counter, (this.#inFlight.get(counter) ?? 0) + 1);
    return undefined;
  }

  leave(scrape: Admission): void {
    for (const counter of countersOf(scrape)) {
      const count = this.#inFlight.get(counter) ?? 0;
      if (count > 1) this.#inFlight.set(counter, count - 1);
      else this.#inFlight.delete(counter);
    }
  }

  /** Of one answer. */
  maxBodyBytes(tenant: string): number {
    return this.#limits.get(tenant)?.maxBodyBytes ?? Infinity;
  }

  /** Whether what was let through is revoked now. */
  isRevoked({ tenant, credentials, serial, certificate }: Party): boolean {
    if (serial !== undefined && this.#serials.has(serial)) return true;
    if (certificate !== undefined && this.#names.size > 0 && this.#isNamed(certificate)) return true;
    if (tenant === undefined) return false;
    return !this.#limits.has(tenant) || credentials.split(' ').some((id) => LISTED.test(id) && !this.#credentials.has(id));
  }

  /** Names that Envoy writes may have separators in them (authz/client-certificate.ts): here that can only cut too much. */
  #isNamed(certificate: string): boolean {
    return certificate.split(/[;,]/).some((pair) => {
      const at = pair.indexOf('=');
      return this.#names.has(nameIn(pair.slice(0, at), pair.slice(at + 1)));
    });
  }
}

/** DNS names are compared without case (RFC 5280 §7.2). */
function nameIn(key: string, value: string): string {
  return `${key}=${key === 'DNS' ? value.toLowerCase() : value}`;
}

/** A serial number as `Revoked.serials` has it. */
export function normalSerial(serial: string | undefined): string | undefined {
  return serial?.toLowerCase().replace(/^0+/, '');
}
