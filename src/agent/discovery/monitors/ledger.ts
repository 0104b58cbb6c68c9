/**
 * What is in force of the objects that are there. An object that is refused affects only itself: it is told, once for each state, and what it
 * said before that was good stays for as long as the object is there, since targets that vanish alert nobody.
 */
import type { Logger } from '../../../lib/logger.js';
import type { DiscoveryJob, MonitorKind } from '../../../model/agent-settings.js';
import type { MonitorObject } from '../kubernetes/objects.js';
import type { Translation } from './translate.js';

export interface Found {
  readonly kind: MonitorKind;
  readonly object: MonitorObject;
  readonly translation: Translation;
}

export interface Judged {
  /** Those of older objects first: a name that two want is the older one's. */
  readonly jobs: readonly DiscoveryJob[];
  readonly counts: Readonly<Record<MonitorKind, { readonly accepted: number; readonly refused: number }>>;
  /** Some object waits for what it refers to. */
  readonly isPending: boolean;
}

export interface Ledger {
  /** All objects that there are. */
  judge(found: readonly Found[]): Judged;
}

/** Faults of one object that are told. */
const TOLD_FAULTS = 5;
const MAX_FAULT_CHARS = 300;

interface Kept {
  readonly jobs: readonly DiscoveryJob[];
  /** What was told of it last. */
  readonly told: string;
}

export function createLedger({ name, maxObjects, logger }: { readonly name: string; readonly maxObjects: number; readonly logger: Logger }): Ledger {
  let kept = new Map<string, Kept>();

  const keep = (key: string, { kind, object, translation }: Found): Kept => {
    const before = kept.get(key) ?? { jobs: [], told: '[]' };
    if (translation.kind === 'pending') return before;
    const faults = translation.kind === 'refused' ? translation.faults : [];
    const told = JSON.stringify(faults);
    const where = { monitors: name, kind, object: `${object.namespace}/${object.name}` };
    if (told !== before.told && faults.length > 0) {
      const shown = faults.slice(0, TOLD_FAULTS).map((fault) => fault.slice(0, MAX_FAULT_CHARS));
      logger.error({ ...where, faults: shown }, `a monitor is refused; ${before.jobs.length === 0 ? 'it has no targets' : 'what it said before stays'}`);
    }
    return { told, jobs: translation.kind === 'jobs' ? translation.jobs : before.jobs };
  };

  return {
    judge: (found) => {
      const next = new Map<string, Kept>();
      const counts = { PodMonitor: { accepted: 0, refused: 0 }, ServiceMonitor: { accepted: 0, refused: 0 } };
      let isPending = false;
      for (const each of found.toSorted((a, b) => byAge(a.object, b.object))) {
        const one: Found = next.size < maxObjects ? each : { ...each, translation: { kind: 'refused', faults: [`there are more than ${maxObjects} objects (\`maxObjects\`), and this is none of the oldest`] } };
        next.set(`${one.kind}/${one.object.uid}`, keep(`${one.kind}/${one.object.uid}`, one));
        if (one.translation.kind === 'pending') isPending = true;
        else counts[one.kind][one.translation.kind === 'jobs' ? 'accepted' : 'refused'] += 1;
      }
      kept = next;
      return { jobs: [...next.values()].flatMap(({ jobs }) => jobs), counts, isPending };
    },
  };
}

function byAge(a: MonitorObject, b: MonitorObject): number {
  return compare(a.created, b.created) || compare(a.namespace, b.namespace) || compare(a.name, b.name);
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
