/**
 * `metric_relabel_configs` and `sample_limit`, compiled. What rules make of a series is remembered, as Prometheus does it: scrape
 * after scrape the same series come, and all targets of a job share the memory.
 */
import type { MetricFilter } from '../../model/agent-settings.js';
import { mustCompileRelabel } from '../../relabel/relabel.js';
import type { Labels } from '../../relabel/relabel.js';
import { formatSeries, parseSeries } from './series.js';

/** What becomes of a series: it stays as it is, it goes, or it is written anew. */
export type Verdict = 'keep' | 'drop' | Buffer;

/** The same of a series that is no text: its labels, new ones if it is written anew. */
export type LabelsVerdict = 'keep' | 'drop' | Labels;

export interface CompiledFilter {
  /** Of a series' bytes in Latin-1. */
  readonly judge: (series: string) => Verdict;
  /** Of a series' labels with `__name__`, sorted by name, none empty. */
  readonly judgeLabels: (labels: Labels) => LabelsVerdict;
  /** Infinity = no limit. */
  readonly sampleLimit: number;
  /** The reader takes the classic buckets of native histograms, too. */
  readonly readsClassic: boolean;
}

export type FilterFault = 'target_too_many_samples' | 'target_unfilterable';

/** A body on its way through, in whatever pieces it comes. */
export interface BodyFilter {
  /** What may go on by now; or what is wrong, and then nothing goes on. */
  push(chunk: Buffer): Buffer | FilterFault;
  end(): Buffer | FilterFault;
  readonly droppedSamples: () => number;
}

const MAX_REMEMBERED = 50_000;
/** Longer ones are rare, and remembering them costs more than it saves. */
const MAX_REMEMBERED_CHARS = 2000;

const compiled = new WeakMap<MetricFilter, CompiledFilter>();

/** The same object for the same settings. */
export function compileFilter(filter: MetricFilter): CompiledFilter {
  const before = compiled.get(filter);
  if (before !== undefined) return before;
  const fresh = { ...judges(filter), sampleLimit: filter.sampleLimit ?? Infinity, readsClassic: filter.readsClassic === true };
  compiled.set(filter, fresh);
  return fresh;
}

function judges({ relabelConfigs }: MetricFilter): Pick<CompiledFilter, 'judge' | 'judgeLabels'> {
  if (relabelConfigs.length === 0) return { judge: () => 'keep', judgeLabels: () => 'keep' };
  const relabel = mustCompileRelabel(relabelConfigs);
  const judgeLabels = (before: Labels): LabelsVerdict => {
    const after = relabel(before);
    if (after === undefined) return 'drop';
    return isSame(before, after) ? 'keep' : after;
  };
  const text = remembering<Verdict>();
  const labelled = remembering<LabelsVerdict>();
  return {
    judge: (series) => text(series, () => {
      const before = parseSeries(Buffer.from(series, 'latin1').toString('utf8'));
      const verdict = before === undefined ? 'keep' : judgeLabels(before);
      return typeof verdict === 'string' ? verdict : Buffer.from(formatSeries(verdict));
    }),
    // NUL may stand in a value, so each is told apart by its length
    judgeLabels: (labels) => labelled([...labels].map(([name, value]) => `${name.length}:${name}${value.length}:${value}`).join(''), () => judgeLabels(labels)),
  };
}

function remembering<T>(): (key: string, make: () => T) => T {
  const remembered = new Map<string, T>();
  return (key, make) => {
    const known = remembered.get(key);
    if (known !== undefined) return known;
    const made = make();
    if (remembered.size >= MAX_REMEMBERED) remembered.clear();
    if (key.length <= MAX_REMEMBERED_CHARS) remembered.set(key, made);
    return made;
  };
}

function isSame(a: Labels, b: Labels): boolean {
  return a.size === b.size && [...a].every(([name, value]) => b.get(name) === value);
}
