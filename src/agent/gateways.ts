/**
 * All gateways of an agent: what is configured → addresses (addresses.ts) → links (endpoint.ts). The one thing that is known here only
 * is which gateway each tunnel leads to; whatever way leads to one twice, one tunnel is kept.
 */
import { isIP } from 'node:net';
import type { GatewayAddress } from '../model/agent-settings.js';
import { AddressBook } from './addresses.js';
import type { Lookup } from './addresses.js';
import { startEndpoint } from './endpoint.js';
import type { Endpoint, EndpointOptions } from './endpoint.js';
import type { Link } from './link.js';
import type { AgentMetrics } from './metrics.js';
import { startResolver, systemLookup } from './resolver.js';

export interface GatewaysOptions extends Omit<EndpointOptions, 'gateway' | 'expect' | 'knownBut' | 'onUp' | 'onChange' | 'onFailure' | 'seeksUntold'> {
  readonly gateways: readonly GatewayAddress[];
  readonly metrics: AgentMetrics;
  /** Default: the system's resolver. */
  readonly lookup?: Lookup | undefined;
}

export interface Gateways {
  /** Tunnels over which the targets are registered. */
  readonly connected: () => number;
  register(): void;
  drain(): Promise<void>;
}

/** Starts dialling at once. */
export function startGateways(options: GatewaysOptions): Gateways {
  const entries: Entry[] = [];
  const links = (): Link[] => entries.flatMap((entry) => entry.links());
  const shared: Shared = {
    options,
    knownBut: (link) => links().flatMap((each) => (each === link ? [] : (each.gatewayId() ?? []))),
    isAlone: () => entries.length === 1,
    // the one that came last is the one that the gateway has kept
    onUp: (link, id) => {
      for (const entry of entries) entry.retire((each) => each !== link && each.gatewayId() === id);
    },
    onChange: () => {
      for (const entry of entries) entry.review();
    },
  };
  for (const gateway of options.gateways) entries.push(startEntry(gateway, shared));
  return {
    connected: () => links().filter((link) => link.isUp()).length,
    register: () => {
      for (const link of links()) link.register();
    },
    drain: async () => {
      await Promise.all(entries.map((entry) => entry.drain()));
    },
  };
}

interface Shared extends Pick<EndpointOptions, 'knownBut' | 'onUp' | 'onChange'> {
  readonly options: GatewaysOptions;
  readonly isAlone: () => boolean;
}

interface Entry {
  links(): Link[];
  review(): void;
  retire(isObsolete: (link: Link) => boolean): void;
  drain(): Promise<void>;
}

/** One configured gateway: an address, or a name that is resolved again and again. */
function startEntry(gateway: GatewayAddress, shared: Shared): Entry {
  const { options } = shared;
  const { clock, metrics } = options;
  const label = { gateway: `${gateway.host}:${gateway.port}` };
  const book = new AddressBook();
  const endpoints = new Map<string, Endpoint>();
  const leaving = new Set<Promise<void>>();
  let drained = false;
  const links = (): Link[] => [...endpoints.values()].flatMap((endpoint) => [...endpoint.links()]);
  const count = (): void => {
    metrics.tunnelUp.set(label, links().filter((link) => link.gatewayId() !== undefined).length);
    const widths = links().map((link) => link.width());
    metrics.tunnelLanes.set(label, widths.reduce((sum, { lanes }) => sum + lanes, 0));
    const roundTrips = widths.flatMap(({ roundTripMs }) => roundTripMs ?? []);
    if (roundTrips.length > 0) metrics.roundTrip.set(label, Math.max(...roundTrips) / 1000);
    metrics.gatewaysMissing.set(label, [...endpoints.values()].reduce((sum, endpoint) => sum + endpoint.missing(), 0));
  };
  const add = (host: string): Endpoint =>
    startEndpoint({
      ...options,
      ...shared,
      gateway: { ...gateway, host },
      // several addresses are several gateways; behind one there may be more
      expect: () => (book.hosts.length > 1 ? 1 : gateway.expect),
      seeksUntold: () => shared.isAlone() && book.hosts.length === 1,
      onFailure: (cause) => {
        metrics.tunnelFailures.inc({ ...label, cause });
        resolver?.soon();
      },
    });
  const take = (hosts: readonly string[]): void => {
    if (drained) return;
    book.take(hosts);
    for (const [host, endpoint] of endpoints) {
      if (book.hosts.includes(host)) continue;
      endpoints.delete(host);
      const done: Promise<void> = endpoint.drain().finally(() => leaving.delete(done));
      leaving.add(done);
    }
    for (const host of book.hosts) if (!endpoints.has(host)) endpoints.set(host, add(host));
    for (const endpoint of endpoints.values()) endpoint.review();
    count();
  };
  // A proxy resolves names itself, and may be the only one that can.
  const isFixed = isIP(gateway.host) !== 0 || gateway.proxy !== undefined;
  const anyUp = (): boolean => links().some((link) => link.gatewayId() !== undefined);
  const resolver = isFixed ? undefined : startResolver({ name: gateway.host, lookup: options.lookup ?? systemLookup, clock, take, anyUp, logger: options.logger });
  if (isFixed) take([gateway.host]);
  return {
    links,
    review: () => {
      for (const endpoint of endpoints.values()) endpoint.review();
      count();
    },
    retire: (isObsolete) => {
      for (const endpoint of endpoints.values()) endpoint.retire(isObsolete);
    },
    drain: async () => {
      drained = true;
      resolver?.stop();
      await Promise.all([...[...endpoints.values()].map((endpoint) => endpoint.drain()), ...leaving]);
      count();
    },
  };
}
