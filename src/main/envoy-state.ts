/**
 * What Envoy is told of a state. Two things change at their own pace: who may come in, and which servers backends have, in a cluster by the
 * second; each is published alone where the other has not changed.
 *
 * A cluster that the new state has no more stays until the query door has let go of it: make before break, where who must not break is not a
 * route of Envoy's but our own thread.
 */
import { isDeepStrictEqual } from 'node:util';
import { ok } from '../lib/result.js';
import type { Result } from '../lib/result.js';
import { accessOf } from '../model/access.js';
import type { Access } from '../model/access.js';
import { backendClusters } from '../model/backend-cluster.js';
import type { BackendCluster } from '../model/backend-cluster.js';
import type { Backend, DesiredState } from '../model/desired-state.js';
import type { ControlPlane } from '../xds/control-plane.js';
import type { Topology } from '../xds/resources/index.js';

export interface EnvoyStateOptions {
  readonly controlPlane: Pick<ControlPlane, 'publish' | 'publishBackends'>;
  readonly topology: () => Topology;
}

export interface EnvoyState {
  /** Where it is not valid, all stays as it is. Else, what of it is new to those who go by it. */
  publish(state: DesiredState): Result<{ readonly access: Access | undefined }>;
  /** The last state once more, in another topology. */
  republish(): void;
  /** `letGo`: nobody asks any more of what the last state has not. */
  release(letGo: Promise<void>): Promise<void>;
}

export function createEnvoyState({ controlPlane, topology }: EnvoyStateOptions): EnvoyState {
  let wanted: DesiredState | undefined;
  let access: Access | undefined;
  /** Those that Envoy has: the wanted, and the leaving. */
  let backends: readonly Backend[] = [];

  const publishBackends = (next: readonly Backend[]): Result<unknown> => {
    const isSame = isDeepStrictEqual(backendClusters(backends), backendClusters(next));
    return isSame ? ok(undefined) : controlPlane.publishBackends(next);
  };

  return {
    publish: (state) => {
      const next = accessOf(state);
      const isNew = !isDeepStrictEqual(access, next);
      const withLeaving = [...(state.backends ?? []), ...leaving(backends, state.backends ?? [])];
      const published = isNew ? controlPlane.publish({ ...state, backends: withLeaving }, topology()) : publishBackends(withLeaving);
      if (!published.ok) return published;
      wanted = state;
      access = next;
      backends = withLeaving;
      return ok({ access: isNew ? next : undefined });
    },
    republish: () => {
      if (wanted !== undefined) controlPlane.publish({ ...wanted, backends }, topology());
    },
    release: async (letGo) => {
      const released = wanted;
      await letGo;
      // A later state waits for its own.
      if (released === undefined || released !== wanted) return;
      const kept = released.backends ?? [];
      if (publishBackends(kept).ok) backends = kept;
    },
  };
}

/** As they were, where their cluster is not wanted any more. */
function leaving(before: readonly Backend[], wanted: readonly Backend[]): readonly Backend[] {
  const clusters = new Set(backendClusters(wanted).map(nameOf));
  return before.filter((backend) => backendClusters([backend]).some((cluster) => !clusters.has(nameOf(cluster))));
}

function nameOf({ cluster }: BackendCluster): string {
  return cluster;
}
