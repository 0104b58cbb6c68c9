import type { GatewayConfig } from '../config/gateway-config.js';
import { readDoorCas, readDoorCertificate } from '../config/door-secrets.js';
import { compileObjectEntry } from '../config/object-entry.js';
import { join } from 'node:path';
import type { Registry } from 'prom-client';
import { systemClock } from '../lib/clock.js';
import type { Fault } from '../lib/result.js';
import type { Logger } from '../lib/logger.js';
import { openMemory } from '../k8s/memory.js';
import { handOverOf, parseHandOver } from '../model/hand-over.js';
import type { HandOver } from '../model/hand-over.js';
import { stateFile } from '../k8s/state-file.js';
import type { Gateway } from './gateway.js';
import { version } from './version.js';

/**
 * The cluster in the life of a gateway: whatever the file says, the cluster adds to. Both go through the gateway's one `apply`.
 */
export interface KubernetesLife {
  /** The first version of the file with what the cluster adds to it now. */
  readonly first: GatewayConfig;
  /** From now on changes of the cluster go there, together with the file; the function returned is for new versions of the file. */
  follow(apply: Apply): Apply;
  /** From now on the gateway exports while it has the Lease, and owners of objects are told what becomes of their exports. */
  leadExports(gateway: Pick<Gateway, 'setLeading' | 'exportReports'>): void;
  notReady(): readonly string[];
  /** What whoever asks whether we are ready should know as well. */
  notes(): readonly string[];
  close(): Promise<void>;
}

type Apply = (config: GatewayConfig) => readonly Fault[];

/**
 * So long a start waits for the cluster. Envoy may still run with the configuration of the gateway before, and tenants that only the
 * cluster knows are better asked to wait than turned away; but the file's own must not wait for a cluster that is away.
 */
const FIRST_LISTS_MS = 10_000;
/** Who knows what there was need not wait as long. */
const FIRST_LISTS_WITH_MEMORY_MS = 3_000;
/** How late an owner may hear of a change in an export. */
const REPORT_MS = 5_000;
/** How old may be what another gateway goes on from; it goes with the Lease's next renewal. */
const NOTE_MS = 1_000;

/** Rejects where the cluster cannot even be tried: no such kubeconfig, not in a pod. */
export async function joinKubernetes(first: GatewayConfig, logger: Logger, registry: Registry): Promise<KubernetesLife> {
  const settings = first.process.kubernetes;
  if (settings === undefined) return { first, follow: (apply) => apply, leadExports: () => {}, notReady: () => [], notes: () => [], close: async () => {} };
  // Its client is a third of what a gateway would read to start: only where there is a cluster.
  const { startKubernetes } = await import('../k8s/source.js');
  let isLeading = false;
  let reporting: NodeJS.Timeout | undefined;
  let noting: NodeJS.Timeout | undefined;
  let tellLeader: (active: boolean, left: HandOver) => Promise<void> = async () => {};
  /** How far exports have come, here and before. */
  let handOver: HandOver = {};
  const ownLogger = logger.child({ component: 'kubernetes' });
  const { access, namespace, objects, objectNamespaces, metricAccess, rememberForMs } = settings;
  const file = stateFile({ path: join(first.process.runtimeDir, 'kubernetes-state'), version: version(), subject: { access, namespace, objects, objectNamespaces, metricAccess } });
  const memory = await openMemory({ file, rememberForMs, clock: systemClock, wallMs: Date.now, logger: ownLogger });
  const source = startKubernetes({
    settings,
    memory,
    identity: first.state.gateway.id,
    compileEntry: compileObjectEntry,
    readDoor: { certificate: readDoorCertificate, clientCas: readDoorCas },
    onLeading: (leading, left) => {
      isLeading = leading;
      if (leading) handOver = parseHandOver(left);
      return tellLeader(leading, handOver);
    },
    leave: () => JSON.stringify(handOver),
    logger: ownLogger,
    registry,
  });
  // The file's own backends are looked for at once.
  source.stateFor(first.state);
  await source.synced(memory.last === undefined ? FIRST_LISTS_MS : FIRST_LISTS_WITH_MEMORY_MS);
  const remembering = source.remembering();
  if (memory.last !== undefined && remembering.length > 0) ownLogger.warn({ lists: remembering, confirmed: new Date(memory.last.confirmedMs).toISOString() }, 'the API server has not answered; objects are taken as they were before the restart');
  let current = first;
  return {
    first: { ...first, state: source.stateFor(first.state) },
    follow: (apply) => {
      source.follow((state) => apply({ ...current, state }));
      return (next) => {
        const faults = apply({ ...next, state: source.stateFor(next.state) });
        if (faults.length === 0) current = next;
        else source.stateFor(current.state);
        return faults;
      };
    },
    leadExports: (gateway) => {
      tellLeader = gateway.setLeading;
      void gateway.setLeading(isLeading, handOver);
      reporting = setInterval(() => {
        if (isLeading) void gateway.exportReports().then((reports) => source.report(reports));
      }, REPORT_MS);
      const note = async (): Promise<void> => {
        const reports = await gateway.exportReports();
        // none may also mean that nobody answered
        if (isLeading && reports.length > 0) handOver = handOverOf(reports, handOver);
      };
      noting = setInterval(() => {
        if (isLeading) void note();
      }, NOTE_MS);
    },
    notReady: () => [...source.waitingFor().map((what) => `kubernetes has not listed ${what}`), ...source.closedDoors()],
    notes: () => source.remembering().map((what) => `kubernetes has not listed ${what}; until then what it said before the restart holds`),
    close: () => {
      clearInterval(reporting);
      clearInterval(noting);
      return source.close();
    },
  };
}
