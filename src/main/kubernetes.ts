import type { GatewayConfig } from '../config/gateway-config.js';
import { claimsOfAgent, claimsOfBackend, claimsOfTenant, compileObjectEntry } from '../config/object-entry.js';
import type { Registry } from 'prom-client';
import type { Fault } from '../lib/result.js';
import type { Logger } from '../lib/logger.js';
import { startKubernetes } from '../k8s/source.js';

/**
 * The cluster in the life of a gateway: whatever the file says, the cluster adds to. Both go through the gateway's one `apply`.
 */
export interface KubernetesLife {
  /** The first version of the file with what the cluster adds to it now. */
  readonly first: GatewayConfig;
  /** From now on changes of the cluster go there, together with the file; the function returned is for new versions of the file. */
  follow(apply: Apply): Apply;
  /** Told at once, and at every change, whether this gateway is the one of its replicas that exports. */
  followLeader(setExporting: (active: boolean) => Promise<void>): void;
  notReady(): readonly string[];
  close(): Promise<void>;
}

type Apply = (config: GatewayConfig) => readonly Fault[];

/**
 * So long a start waits for the cluster. Envoy may still run with the configuration of the gateway before, and tenants that only the
 * cluster knows are better asked to wait than turned away; but the file's own must not wait for a cluster that is away.
 */
const FIRST_LISTS_MS = 10_000;

/** Rejects where the cluster cannot even be tried: no such kubeconfig, not in a pod. */
export async function joinKubernetes(first: GatewayConfig, logger: Logger, registry: Registry): Promise<KubernetesLife> {
  const settings = first.process.kubernetes;
  if (settings === undefined) return { first, follow: (apply) => apply, followLeader: () => {}, notReady: () => [], close: async () => {} };
  let isLeading = false;
  let tellLeader: (active: boolean) => Promise<void> = async () => {};
  const source = startKubernetes({
    settings,
    identity: first.state.gateway.id,
    compileEntry: compileObjectEntry,
    claimsOf: { tenant: claimsOfTenant, agent: claimsOfAgent, backend: claimsOfBackend },
    onLeading: (leading) => {
      isLeading = leading;
      return tellLeader(leading);
    },
    logger: logger.child({ component: 'kubernetes' }),
    registry,
  });
  // The file's own backends are looked for at once.
  source.stateFor(first.state);
  await source.synced(FIRST_LISTS_MS);
  let file = first;
  return {
    first: { ...first, state: source.stateFor(first.state) },
    follow: (apply) => {
      source.follow((state) => apply({ ...file, state }));
      return (next) => {
        const faults = apply({ ...next, state: source.stateFor(next.state) });
        if (faults.length === 0) file = next;
        else source.stateFor(file.state);
        return faults;
      };
    },
    followLeader: (setExporting) => {
      tellLeader = setExporting;
      void setExporting(isLeading);
    },
    notReady: () => source.waitingFor().map((what) => `kubernetes has not listed ${what}`),
    close: () => source.close(),
  };
}
