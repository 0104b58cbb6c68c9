import type { Result } from '../lib/result.js';
import type { Rule } from '../promql/enforce/policy.js';
import type { ExportGround } from './object-export.js';

/** One grant of a tenant's terms, compiled. */
export interface Ceiling {
  readonly tenant: string;
  readonly backends: readonly string[] | undefined;
  readonly rules: Result<readonly Rule[], string>;
  readonly ground: ExportGround | undefined;
}
