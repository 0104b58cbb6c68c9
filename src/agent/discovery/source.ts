/**
 * What finds targets. A source says what it has found, or that it failed; what it said last that was good stays in force.
 */
import type { Labels } from '../../relabel/relabel.js';

export interface SourceEvents {
  /** The whole list; replaces the one before. */
  readonly onTargets: (sets: readonly Labels[]) => void;
  /** After each look: what was wrong, for a person; empty = all was well. */
  readonly onLook: (faults: readonly string[]) => void;
}

export interface Source {
  stop(): void;
}
