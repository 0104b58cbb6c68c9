import type { ProcessFigures, RoundResult } from './round.js';
import { median } from './statistics.js';
import { figure, markdownTable } from './table.js';

/** Rounds brought down to medians, each figure's on its own, and the medians as tables. Pure. */

export interface Standing {
  readonly name: string;
  readonly what: string;
  /** Why there are no figures, or fewer. */
  readonly note: { readonly kind: 'skipped' | 'failed'; readonly reason: string } | undefined;
  readonly rounds: readonly RoundResult[];
}

/** Undefined: no rounds. */
export function medianRound(rounds: readonly RoundResult[]): RoundResult | undefined {
  const [first] = rounds;
  if (first === undefined) return undefined;
  return {
    scrapesPerSecond: median(rounds.map((round) => round.scrapesPerSecond)),
    p50Ms: median(rounds.map((round) => round.p50Ms)),
    p99Ms: median(rounds.map((round) => round.p99Ms)),
    foreignShare: median(rounds.map((round) => round.foreignShare)),
    processes: first.processes.flatMap(({ role }) => medianProcess(rounds.flatMap((round) => round.processes.filter((process) => process.role === role))) ?? []),
  };
}

function medianProcess(figures: readonly ProcessFigures[]): ProcessFigures | undefined {
  const [first] = figures;
  if (first === undefined) return undefined;
  const names = new Set(figures.flatMap(({ threads }) => threads.map(({ name }) => name)));
  const ofThread = (name: string): number => median(figures.map(({ threads }) => threads.find((thread) => thread.name === name)?.cpuUsPerScrape ?? 0));
  return {
    ...first,
    cpuUsPerScrape: median(figures.map(({ cpuUsPerScrape }) => cpuUsPerScrape)),
    residentMb: median(figures.map(({ residentMb }) => residentMb)),
    threads: [...names].map((name) => ({ name, cpuUsPerScrape: ofThread(name) })).toSorted((a, b) => b.cpuUsPerScrape - a.cpuUsPerScrape),
  };
}

const HEAD = [
  'contestant',
  'scrapes/s',
  'p50 ms',
  'p99 ms',
  'CPU µs/scrape, all servers',
  'of that Envoy',
  'of that the other',
  'RSS MB Envoy',
  'RSS MB the other',
  'CPU µs/scrape, load and agents',
  'CPU % of the machine, anything else',
];

/** A line a contestant. "The other" is the hub, the relay, the gateway or the proxy. */
export function summaryTable(standings: readonly Standing[]): string {
  return markdownTable(HEAD, standings.map(summaryRow));
}

function summaryRow({ name, note, rounds }: Standing): readonly string[] {
  const round = medianRound(rounds);
  if (round === undefined) return [`${name}: ${note?.kind ?? 'no rounds'}`];
  const sum = (wanted: (process: ProcessFigures) => boolean, value: (process: ProcessFigures) => number): string => {
    const chosen = round.processes.filter(wanted);
    return chosen.length === 0 ? '–' : figure(chosen.map(value).reduce((total, each) => total + each, 0));
  };
  return [
    note === undefined ? name : `${name}: ${note.kind}`,
    figure(round.scrapesPerSecond),
    figure(round.p50Ms),
    figure(round.p99Ms),
    sum(isServer, cpu),
    sum(isEnvoy, cpu),
    sum(isOther, cpu),
    sum(isEnvoy, memory),
    sum(isOther, memory),
    sum(isClient, cpu),
    figure(round.foreignShare * 100),
  ];
}

function cpu({ cpuUsPerScrape }: ProcessFigures): number {
  return cpuUsPerScrape;
}

function memory({ residentMb }: ProcessFigures): number {
  return residentMb;
}

function isServer({ side }: ProcessFigures): boolean {
  return side === 'server';
}

function isClient({ side }: ProcessFigures): boolean {
  return side === 'client';
}

function isEnvoy({ role }: ProcessFigures): boolean {
  return role === 'Envoy';
}

function isOther(process: ProcessFigures): boolean {
  return isServer(process) && !isEnvoy(process);
}

/** Threads that use less than this per scrape are not listed, µs. */
const NOTICED_US = 0.5;

/** A line a thread name of each server process; threads of one name are taken together. */
export function threadTable(standings: readonly Standing[]): string {
  const rows = standings.flatMap(({ name, rounds }) =>
    (medianRound(rounds)?.processes ?? []).filter(isServer).flatMap(({ role, threads }) =>
      threads.filter(({ cpuUsPerScrape }) => cpuUsPerScrape >= NOTICED_US).map((thread) => [`${name}: ${role}: ${thread.name}`, figure(thread.cpuUsPerScrape)]),
    ),
  );
  return markdownTable(['thread', 'CPU µs/scrape'], rows);
}
