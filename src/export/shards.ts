import type { ExportQueue } from '../model/desired-state.js';

/**
 * How many requests may be under way at once: as many as it takes to be done with what waits in a few seconds. A receiver that does not
 * answer well gets the least, whatever waits.
 */

const DONE_WITHIN_S = 5;

export interface Load {
  readonly waitingBatches: number;
  /** Mean time of one. */
  readonly secondsPerBatch: number;
  readonly isFailing: boolean;
}

export function desiredShards({ waitingBatches, secondsPerBatch, isFailing }: Load, { minShards, maxShards }: Pick<ExportQueue, 'minShards' | 'maxShards'>): number {
  if (isFailing) return minShards;
  return Math.max(minShards, Math.min(maxShards, Math.ceil((waitingBatches * secondsPerBatch) / DONE_WITHIN_S)));
}

interface Group {
  readonly group: number;
  readonly groups: number;
}

/** Whether two batches may have a series in common; numbers of groups are powers of two. */
export function mayShareSeries(a: Group, b: Group): boolean {
  const groups = Math.min(a.groups, b.groups);
  return a.group % groups === b.group % groups;
}
