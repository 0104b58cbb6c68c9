import { Counter, Gauge } from 'prom-client';
import type { Registry } from 'prom-client';
import type { DoorReport } from './door-secrets.js';

/** What a cluster as a source says of itself; read when somebody asks. */
export interface SourceNumbers {
  readonly objects: () => readonly { readonly kind: string; readonly count: number }[];
  readonly isLeading: () => boolean;
  readonly ageMs: () => number;
  /** Of every Secret of the doors. */
  readonly certificates: () => readonly DoorReport[];
}

export function registerSourceMetrics(registry: Registry, { objects, isLeading, ageMs, certificates }: SourceNumbers): { readonly refused: Counter } {
  const registers = [registry];
  const counted = new Gauge({
    name: 'scrapeway_kubernetes_objects',
    help: 'Objects that are watched, by kind; endpoints: those of discovered backends.',
    labelNames: ['kind'],
    registers,
    collect: () => {
      for (const { kind, count } of objects()) counted.set({ kind }, count);
    },
  });
  const used: Gauge = new Gauge({
    name: 'scrapeway_kubernetes_certificate_ok',
    help: 'Secrets with certificates and CAs of the doors: 1 if what the Secret says is in use, 0 if it is missing or broken.',
    labelNames: ['door', 'part', 'secret'],
    registers,
    collect: () => {
      used.reset();
      for (const { door, part, secrets, problem } of certificates()) used.set({ door, part, secret: secrets.map(({ namespace, name }) => `${namespace}/${name}`).join(',') }, problem === undefined ? 1 : 0);
    },
  });
  const leader: Gauge = new Gauge({ name: 'scrapeway_kubernetes_leader', help: '1 for the gateway that exports, and writes statuses and Events.', registers, collect: () => leader.set(isLeading() ? 1 : 0) });
  const age: Gauge = new Gauge({ name: 'scrapeway_kubernetes_state_age_seconds', help: 'For how long changes in the cluster may have gone unseen; 0 while all watches are open.', registers, collect: () => age.set(ageMs() / 1_000) });
  return { refused: new Counter({ name: 'scrapeway_kubernetes_refused_total', help: 'States made of objects that could not be taken as a whole; the last good one stayed.', registers }) };
}
