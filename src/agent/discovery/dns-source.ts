/**
 * Targets from DNS, as Prometheus's dns_sd: each record of each name is one. A name that does not resolve, for whatever reason, keeps
 * its last good records: a resolver that is being restarted says "no such name" as well, and a target that vanishes alerts nobody.
 */
import { Resolver } from 'node:dns/promises';
import type { Clock } from '../../lib/clock.js';
import { errnoOf } from '../../lib/errno.js';
import type { DiscoverySource, DnsRecordType } from '../../model/agent-settings.js';
import { assertNever } from '../../lib/result.js';
import type { Labels } from '../../relabel/relabel.js';
import type { Source, SourceEvents } from './source.js';

export interface DnsSourceOptions extends SourceEvents, Omit<DiscoverySource & { kind: 'dns' }, 'kind'> {
  readonly maxTargets: number;
  readonly clock: Clock;
}

const TIMEOUT_MS = 2000;
const TRIES = 2;

/** Asks at once, and then again and again. */
export function startDnsSource({ names, recordType, port, servers, refreshMs, maxTargets, clock, onTargets, onLook }: DnsSourceOptions): Source {
  const resolver = new Resolver({ timeout: TIMEOUT_MS, tries: TRIES });
  if (servers.length > 0) resolver.setServers(servers);
  const known = new Map<string, readonly Labels[]>();
  let stopped = false;
  let cancel: () => void = () => undefined;

  async function look(): Promise<void> {
    const faults = (await Promise.all(names.map(async (name) => lookUp(name)))).flat();
    if (stopped) return;
    const all = names.flatMap((name) => known.get(name) ?? []);
    const tooMany = all.length > maxTargets ? [`the names have ${all.length} records together, more than maxTargets (${maxTargets})`] : [];
    if (tooMany.length === 0) onTargets(all);
    onLook([...faults, ...tooMany]);
  }
  async function lookUp(name: string): Promise<readonly string[]> {
    try {
      const sets = await resolve(resolver, name, recordType, port);
      known.set(name, sets);
      return [];
    } catch (error) {
      return [`${name} does not resolve (${errnoOf(error) ?? 'unknown error'})`];
    }
  }
  const lookAndWait = (): void => {
    void look().finally(() => {
      if (!stopped) cancel = clock.after(refreshMs, lookAndWait);
    });
  };
  lookAndWait();
  return {
    stop: () => {
      stopped = true;
      cancel();
      resolver.cancel();
    },
  };
}

async function resolve(resolver: Resolver, name: string, type: DnsRecordType, port: number): Promise<readonly Labels[]> {
  const set = (host: string, hostPort: number, more: Readonly<Record<string, string>> = {}): Labels =>
    new Map(Object.entries({ __address__: `${host.includes(':') ? `[${host}]` : host}:${hostPort}`, __meta_dns_name: name, ...more }));
  switch (type) {
    case 'SRV':
      return (await resolver.resolveSrv(name)).map((record) =>
        set(withoutDot(record.name), record.port, { __meta_dns_srv_record_target: rooted(record.name), __meta_dns_srv_record_port: String(record.port) }),
      );
    case 'A':
      return (await resolver.resolve4(name)).map((address) => set(address, port));
    case 'AAAA':
      return (await resolver.resolve6(name)).map((address) => set(address, port));
    case 'MX':
      return (await resolver.resolveMx(name)).map(({ exchange }) => set(withoutDot(exchange), port, { __meta_dns_mx_record_target: rooted(exchange) }));
    case 'NS':
      return (await resolver.resolveNs(name)).map((host) => set(withoutDot(host), port, { __meta_dns_ns_record_target: rooted(host) }));
    default:
      return assertNever(type, 'DNS record type');
  }
}

function withoutDot(host: string): string {
  return host.replace(/\.$/, '');
}

/** Prometheus shows the name as it stands in the record, with its dot at the end. */
function rooted(host: string): string {
  return `${withoutDot(host)}.`;
}
