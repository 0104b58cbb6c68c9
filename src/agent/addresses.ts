/**
 * Which addresses a gateway's name stands for, each of which gets a tunnel of its own.
 *
 * What DNS says is taken with patience: a resolver may answer with some of the addresses only, and one that fails says nothing. So an
 * address is new at once, and gone when it was missing from several answers in a row.
 */
import { isIP } from 'node:net';

export interface FoundAddress {
  readonly address: string;
  /** 4 or 6. */
  readonly family: number;
}

/** All addresses of a host name, as `dns.promises.lookup` with `all`; rejects where there is none. */
export type Lookup = (host: string) => Promise<readonly FoundAddress[]>;

/** Answers without an address after which it is gone. */
const MISSING_ANSWERS = 3;
/** A name that resolves to more is not a gateway's. */
const MAX_ADDRESSES = 32;

/**
 * The hosts to dial for one answer. A name with one address of each family is one gateway (or load balancer) that is reached in two
 * ways: it is dialled by name, and Node finds out which way works. More than that are gateways, taken in one family.
 */
export function hostsOf(name: string, found: readonly FoundAddress[], avoidFamily?: number): readonly string[] {
  const families = [4, 6].map((family) => found.filter((each) => each.family === family)).filter((each) => each.length > 0);
  if (families.length > 1 && families.every((each) => each.length === 1)) return [name];
  // The resolver's first is what this host prefers (RFC 6724).
  const preferred = families.toSorted(([a], [b]) => found.findIndex((each) => each === a) - found.findIndex((each) => each === b));
  const chosen = preferred.find(([first]) => first?.family !== avoidFamily) ?? preferred[0] ?? [];
  return [...new Set(chosen.map(({ address }) => address))].slice(0, MAX_ADDRESSES);
}

/** Keeps the hosts over several answers. */
export class AddressBook {
  /** Host → answers in a row that did not have it. */
  readonly #missing = new Map<string, number>();

  get hosts(): readonly string[] {
    return [...this.#missing.keys()];
  }

  take(hosts: readonly string[]): void {
    const kinds = new Set(hosts.map((host) => isIP(host)));
    for (const [host, answers] of this.#missing) {
      // another kind of answer (by name, the other family) replaces what was there
      if (!hosts.includes(host) && (answers + 1 >= MISSING_ANSWERS || !kinds.has(isIP(host)))) this.#missing.delete(host);
      else this.#missing.set(host, hosts.includes(host) ? 0 : answers + 1);
    }
    for (const host of hosts) if (this.#missing.has(host) || this.#missing.size < MAX_ADDRESSES) this.#missing.set(host, 0);
  }
}
