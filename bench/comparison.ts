import { median } from './statistics.js';
import { figure, markdownTable } from './table.js';

/**
 * Whether one commit is slower than another, from rounds that were run in turn. A round of the one and the round of the other beside it saw the
 * same machine, so what counts is the ratio within each pair; a bootstrap over the pairs says how sure their median is. Pure.
 */

/** One round of one contestant. */
export interface Sample {
  readonly contestant: string;
  readonly scrapesPerSecond: number;
  readonly p99Ms: number;
  /** µs per scrape by role: Envoy, hub, gateway, … */
  readonly cpuUs: Readonly<Record<string, number>>;
}

export interface Pair {
  readonly base: Sample;
  readonly head: Sample;
}

export interface Verdict {
  readonly contestant: string;
  readonly figure: string;
  readonly base: number;
  readonly head: number;
  /** head / base: median of the pairs', and the interval in which it lies with 95 %. */
  readonly ratio: number;
  readonly low: number;
  readonly high: number;
  /** Worse by more than the threshold, and surely so. */
  readonly regressed: boolean;
}

const RESAMPLES = 4000;
const OUTSIDE = 0.025;
/** Fewer pairs say nothing for sure. */
export const MIN_PAIRS = 5;

/** `threshold`: by which share the CPU per scrape may grow, or p99. Rates are shown and never judged: CPU says the same with less noise. */
export function compare(pairs: readonly Pair[], threshold: number): readonly Verdict[] {
  const contestants = [...new Set(pairs.map(({ head }) => head.contestant))];
  return contestants.flatMap((contestant) => {
    const own = pairs.filter(({ head }) => head.contestant === contestant);
    const roles = [...new Set(own.flatMap(({ head }) => Object.keys(head.cpuUs)))];
    const cpu = roles.map((role) => judge(`CPU µs/scrape ${role}`, own, ({ cpuUs }) => cpuUs[role] ?? 0, threshold));
    return [...cpu, judge('p99 ms', own, ({ p99Ms }) => p99Ms, threshold * P99_SLACK), judge('scrapes/s', own, ({ scrapesPerSecond }) => scrapesPerSecond, Infinity)];
  });
}

/** The tail moves far more from round to round than CPU does. */
const P99_SLACK = 3;

function judge(name: string, pairs: readonly Pair[], valueOf: (sample: Sample) => number, threshold: number): Verdict {
  const usable = pairs.filter(({ base, head }) => valueOf(base) > 0 && valueOf(head) > 0);
  const ratios = usable.map(({ base, head }) => valueOf(head) / valueOf(base));
  const { low, high } = interval(ratios);
  return {
    contestant: pairs[0]?.head.contestant ?? '',
    figure: name,
    base: median(usable.map(({ base }) => valueOf(base))),
    head: median(usable.map(({ head }) => valueOf(head))),
    ratio: median(ratios),
    low,
    high,
    regressed: usable.length >= MIN_PAIRS && low > 1 + threshold,
  };
}

/** Percentile bootstrap of the median. The same ratios give the same interval: the dice are fixed. */
export function interval(ratios: readonly number[]): { readonly low: number; readonly high: number } {
  const dice = createDice();
  const medians = Array.from({ length: RESAMPLES }, () => median(ratios.map(() => ratios[Math.floor(dice() * ratios.length)] ?? 0))).toSorted((a, b) => a - b);
  return { low: medians[Math.floor(RESAMPLES * OUTSIDE)] ?? 0, high: medians[Math.ceil(RESAMPLES * (1 - OUTSIDE)) - 1] ?? 0 };
}

/** Park and Miller's generator: 0 to 1, 1 excluded. */
function createDice(): () => number {
  let seed = 20_251_121;
  return () => {
    seed = (seed * 48_271) % 2_147_483_647;
    return seed / 2_147_483_647;
  };
}

export function verdictTable(verdicts: readonly Verdict[]): string {
  return markdownTable(
    ['contestant: figure', 'base', 'head', 'head / base', '95 % interval', 'verdict'],
    verdicts.map((verdict) => [
      `${verdict.contestant}: ${verdict.figure}`,
      figure(verdict.base),
      figure(verdict.head),
      verdict.ratio.toFixed(3),
      `${verdict.low.toFixed(3)}–${verdict.high.toFixed(3)}`,
      verdict.regressed ? 'REGRESSED' : 'ok',
    ]),
  );
}
