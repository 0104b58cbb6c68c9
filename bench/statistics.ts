/** Medians and percentiles. Pure; 0 for no values at all. */

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const upper = Math.floor(sorted.length / 2);
  const lower = sorted.length % 2 === 0 ? upper - 1 : upper;
  return ((sorted[lower] ?? 0) + (sorted[upper] ?? 0)) / 2;
}

/** Nearest rank: the smallest value that `share` (0 < share <= 1) of the values do not exceed. `sorted` ascends. */
export function percentile(sorted: ArrayLike<number>, share: number): number {
  return sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)] ?? 0;
}
