import type { ScrapeRights } from '../model/grants.js';
import { PROXY_SUFFIX } from '../model/names.js';
import { targetAddress } from '../model/target.js';
import type { Target } from '../model/target.js';

/**
 * What a tenant may scrape, in the shape that Prometheus takes (facts/prometheus-scrape.md §4). One group for each target,
 * sorted, so that the same targets give the same bytes. A listed target is a scrapable one: the rights are those that ext_authz
 * decides by.
 */
export interface TargetGroup {
  readonly targets: readonly [string];
  readonly labels: Readonly<Record<string, string>>;
}

/**
 * How the listed targets are to be reached: by path on the gateway itself, with the gateway as `proxy_url`, or by CONNECT through it
 * (`proxy_url` and TLS up to the target, so that only https targets are listed).
 */
export const SD_DOORS = ['path', 'proxy', 'connect'] as const;
export type SdDoor = (typeof SD_DOORS)[number];

export interface GroupsOptions {
  readonly rights: ScrapeRights;
  /** What was asked for of it, and what the credential may be used for. */
  readonly isWanted: (agent: string, target: Target) => boolean;
  /** What templates say of how to scrape a target, as labels of Prometheus's own. */
  readonly hints: (agent: string, target: Target) => Readonly<Record<string, string>>;
  /** Agent or site → what it offers, last known. */
  readonly offered: ReadonlyMap<string, readonly Target[]>;
  readonly door: SdDoor;
  /** `host:port` by which this client reaches the gateway; what the path door's targets are. */
  readonly gatewayAddress: string;
}

/** The groups of one tenant. */
export function targetGroups({ rights, isWanted, hints, offered, door, gatewayAddress }: GroupsOptions): TargetGroup[] {
  return [...rights.agents].toSorted().flatMap((agent) =>
    (offered.get(agent) ?? [])
      .filter((target) => rights.ruleFor(agent, target) !== undefined && isWanted(agent, target) && (door !== 'connect' || target.scheme === 'https'))
      .toSorted((a, b) => (a.name < b.name ? -1 : 1))
      .map((target) => ({
        targets: [door === 'path' ? gatewayAddress : `${target.name}.${agent}${PROXY_SUFFIX}:${target.port}`] as const,
        labels: { ...target.labels, ...hints(agent, target), ...steering(door, agent, target), agent, target: target.name, instance: targetAddress(target) },
      })),
  );
}

/** Labels that tell Prometheus how to scrape (facts/prometheus-scrape.md §3); only the gateway sets such. */
function steering(door: SdDoor, agent: string, target: Target): Readonly<Record<string, string>> {
  // By path: the target's own path and default query are put in by ext_authz, so that they can change without a refresh.
  if (door === 'path') return { __scheme__: 'https', __metrics_path__: `/scrape/${agent}/${target.name}` };
  const [path = '/', query = ''] = target.path.split(/\?(.*)/s, 2);
  return { __scheme__: door === 'connect' ? 'https' : 'http', __metrics_path__: decoded(path), ...parameters(query) };
}

/** Prometheus escapes the path again, so it gets the plain one; a path that is no escaped UTF-8 stays as it is. */
function decoded(path: string): string {
  try {
    return decodeURIComponent(path);
  } catch {
    return path;
  }
}

/**
 * Query parameters as `__param_` labels. A label has one value and a legacy name: of a parameter that stands twice the first
 * is taken, one whose name no label can have is left to the path door.
 */
function parameters(query: string): Readonly<Record<string, string>> {
  const labels: Record<string, string> = {};
  for (const [name, value] of new URLSearchParams(query)) {
    if (/^\w+$/.test(name)) labels[`__param_${name}`] ??= value;
  }
  return labels;
}
