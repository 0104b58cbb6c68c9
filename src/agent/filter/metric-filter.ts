/**
 * `metric_relabel_configs` and `sample_limit`, compiled. What rules make of a series is remembered, as Prometheus does it: scrape
 * after scrape the same series come, and all targets of a job share the memory.
 */
import type { MetricFilter } from '../../model/agent-settings.js';
import { mustCompileRelabel } from '../../relabel/relabel.js';
import { formatSeries, parseSeries } from './series.js';

/** What becomes of a series: it stays as it is, it goes, or it is written anew. */
export type Verdict = 'keep' | 'drop' | Buffer;

export interface CompiledFilter {
  /** Of a series' bytes in Latin-1. */
  readonly judge: (series: string) => Verdict;
  /** Infinity = no limit. */
  readonly sampleLimit: number;
}

const MAX_REMEMBERED = 50_000;
/** Longer ones are rare, and remembering them costs more than it saves. */
const MAX_REMEMBERED_CHARS = 2000;

const compiled = new WeakMap<MetricFilter, CompiledFilter>();

/** The same object for the same settings. */
export function compileFilter(filter: MetricFilter): CompiledFilter {
  const before = compiled.get(filter);
  if (before !== undefined) return before;
  const fresh = { judge: rememberingJudge(filter), sampleLimit: filter.sampleLimit ?? Infinity };
  compiled.set(filter, fresh);
  return fresh;
}

function rememberingJudge({ relabelConfigs }: MetricFilter): CompiledFilter['judge'] {
  if (relabelConfigs.length === 0) return () => 'keep';
  const relabel = mustCompileRelabel(relabelConfigs);
  const remembered = new Map<string, Verdict>();
  const judge = (series: string): Verdict => {
    const before = parseSeries(Buffer.from(series, 'latin1').toString('utf8'));
    if (before === undefined) return 'keep';
    const after = relabel(before);
    if (after === undefined) return 'drop';
    return isSame(before, after) ? 'keep' : Buffer.from(formatSeries(after));
  };
  return (series) => {
    const known = remembered.get(series);
    if (known !== undefined) return known;
    const verdict = judge(series);
    if (remembered.size >= MAX_REMEMBERED) remembered.clear();
    if (series.length <= MAX_REMEMBERED_CHARS) remembered.set(series, verdict);
    return verdict;
  };
}

function isSame(a: ReadonlyMap<string, string>, b: ReadonlyMap<string, string>): boolean {
  return a.size === b.size && [...a].every(([name, value]) => b.get(name) === value);
}
