/**
 * The targets of one role in one namespace, or in all. An object's targets are remembered together with every other object that was
 * looked at for them, and made again only when one of these is another: so a change costs what it touches, with no table of who
 * depends on whom.
 */
import { setImmediate as turn } from 'node:timers/promises';
import { FIRST_LIST } from '../../../kube/list-watch.js';
import { assertNever } from '../../../lib/result.js';
import type { KubernetesDiscovery } from '../../../model/agent-settings.js';
import type { Labels } from '../../../relabel/relabel.js';
import { rememberWhile } from '../remember.js';
import type { Cluster, Watched, WatchScope } from './clusters.js';
import { endpointsTargets } from './endpoints.js';
import { endpointSliceTargets } from './endpointslice.js';
import { ingressTargets } from './ingress.js';
import type { KindName, KindObjects } from './kinds.js';
import type { Lookup } from './labels.js';
import { nodeTargets } from './node.js';
import { podTargets } from './pod.js';
import { serviceTargets } from './service.js';

export interface View {
  /** All lists were had. */
  isReady(): boolean;
  /** A list was neither had nor refused yet. */
  isPending(): boolean;
  /** What is wrong with its watches, for a person. */
  faults(): readonly string[];
  targets(): Promise<readonly Labels[]>;
}

type Build<T> = (object: T, lookup: Lookup) => readonly Labels[];
type Others = { readonly [K in KindName]?: Watched<KindObjects[K]> };

/** Objects that are worked through in one go. */
const SLICE = 100;

export function openView({ role, attach, selectors }: Pick<KubernetesDiscovery, 'role' | 'attach' | 'selectors'>, cluster: Cluster, namespace: string | undefined): View {
  const scope = (kind: KindName, where: string | undefined): WatchScope => {
    const selector = selectors.find((each) => each.role === kind);
    return { namespace: where, label: selector?.label ?? '', field: selector?.field ?? '' };
  };
  const here = <K extends KindName>(kind: K): Watched<KindObjects[K]> => cluster.watch(kind, scope(kind, namespace));
  const everywhere = <K extends KindName>(kind: K): Watched<KindObjects[K]> => cluster.watch(kind, scope(kind, undefined));
  const namespaces: Others = attach.namespace ? { namespace: everywhere('namespace') } : {};
  const ofPods = (): Others => ({
    ...namespaces,
    ...(attach.node && { node: everywhere('node') }),
    ...(attach.deployment && { replicaset: here('replicaset') }),
    ...(attach.cronjob && { job: here('job') }),
  });
  const behindService = (): Others => ({ ...ofPods(), service: here('service'), pod: here('pod') });
  switch (role) {
    case 'node':
      return viewOf(everywhere('node'), {}, attach, nodeTargets);
    case 'pod':
      return viewOf(here('pod'), ofPods(), attach, podTargets);
    case 'service':
      return viewOf(here('service'), namespaces, attach, serviceTargets);
    case 'endpoints':
      return viewOf(here('endpoints'), behindService(), attach, endpointsTargets);
    case 'endpointslice':
      return viewOf(here('endpointslice'), behindService(), attach, endpointSliceTargets);
    case 'ingress':
      return viewOf(here('ingress'), namespaces, attach, ingressTargets);
    default:
      return assertNever(role, 'role');
  }
}

function viewOf<T extends object>(primary: Watched<T>, others: Others, attach: Lookup['attach'], build: Build<T>): View {
  const watches: readonly Watched<object>[] = [primary, ...Object.values(others)];
  const lookup: Lookup = { attach, find: (kind, key) => others[kind]?.items().get(key) };
  const targetsOf = remembering(build, lookup);
  return {
    isReady: () => watches.every((watch) => watch.waitingFor() === undefined),
    isPending: () => watches.some((watch) => watch.waitingFor() === FIRST_LIST),
    faults: () => [...new Set(watches.flatMap((watch) => watch.failing() ?? []))],
    targets: async () => {
      const all: Labels[] = [];
      for (const [index, object] of [...primary.items().values()].entries()) {
        // scrapes do not wait for thousands of objects
        if (index % SLICE === SLICE - 1) await turn();
        all.push(...targetsOf(object));
      }
      return all;
    },
  };
}

/** `build`, made again for an object only when something that it looked up is not what it was. */
export function remembering<T extends object>(build: Build<T>, lookup: Lookup): (object: T) => readonly Labels[] {
  return rememberWhile((object: T, note) =>
    build(object, {
      attach: lookup.attach,
      find: (kind, key) => {
        const found = lookup.find(kind, key);
        note(() => lookup.find(kind, key) === found);
        return found;
      },
    }),
  );
}
