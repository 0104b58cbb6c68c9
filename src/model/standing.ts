import { credentialId, frontProxyId } from './credential-id.js';
import type { DesiredState } from './desired-state.js';

/**
 * Whether somebody who was let in a while ago would still be known. ext_authz decides about requests; this is for what is under way,
 * in whichever thread that is: it knows what was stamped on the request, and what the configuration says now.
 */

/** Who is behind a request or a tunnel, as stamped. */
export interface Party {
  /** Undefined: an agent's tunnel. */
  readonly tenant: string | undefined;
  /** Ids (credential-id.ts), parted by spaces. */
  readonly credentials: string;
  /** Of the client's certificate; undefined without one. */
  readonly serial: string | undefined;
  /** All that the certificate says, as Envoy writes it (`x-forwarded-client-cert`). */
  readonly certificate?: string | undefined;
  /** When the token that was shown ends, ms since the epoch; undefined: none was, or it does not say. */
  readonly untilMs?: number | undefined;
}

/** Kinds of credentials that the configuration lists one by one; of tokens, the rule by which their claims name the tenant. */
const LISTED = /^(?:certificate|basic|bearer|jwt|service-account|front-proxy):/;

export class Standing {
  #tenants: ReadonlySet<string> = new Set();
  /** By id: when it ends, ms since the epoch. */
  #credentials: ReadonlyMap<string, number> = new Map();
  #serials: ReadonlySet<string> = new Set();
  /** Names, as Envoy writes them. */
  #names: ReadonlySet<string> = new Set();

  setState({ tenants, gateway, frontProxies = [] }: DesiredState): void {
    this.#tenants = new Set(tenants.map(({ name }) => name));
    const revoked = new Set(gateway.revoked?.sans.map(({ type, value }) => `${type}:${value}`));
    const isRevoked = (san: { readonly type: string; readonly value: string }): boolean => revoked.has(`${san.type}:${san.value}`);
    const known = tenants.flatMap(({ credentials }) => credentials.filter((credential) => credential.kind !== 'certificate' || !isRevoked(credential.san)));
    this.#credentials = new Map([
      ...known.map((credential) => [credentialId(credential), credential.expiresMs ?? Infinity] as const),
      ...frontProxies.filter(({ san }) => !isRevoked(san)).map((proxy) => [frontProxyId(proxy), Infinity] as const),
    ]);
    this.#serials = new Set(gateway.revoked?.serials);
    this.#names = new Set(gateway.revoked?.sans.map(({ type, value }) => nameIn(type.toUpperCase(), value)));
  }

  /** Whether what was let through is revoked now. */
  isRevoked({ tenant, credentials, serial, certificate }: Party): boolean {
    if (serial !== undefined && this.#serials.has(serial)) return true;
    if (certificate !== undefined && this.#names.size > 0 && this.#isNamed(certificate)) return true;
    if (tenant === undefined) return false;
    return !this.#tenants.has(tenant) || credentials.split(' ').some((id) => LISTED.test(id) && !this.#credentials.has(id));
  }

  /** Whether its time is over: that of a credential in the configuration, or that which a token says of itself. */
  isOver({ credentials, untilMs = Infinity }: Party, wallMs: number): boolean {
    return untilMs <= wallMs || credentials.split(' ').some((id) => (this.#credentials.get(id) ?? Infinity) <= wallMs);
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

/** What ext_authz stamps as the end of a token; undefined where it stamped none. */
export function readUntil(stamp: string | undefined): number | undefined {
  return stamp === undefined ? undefined : Number(stamp);
}
