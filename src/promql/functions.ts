import type { ValueType } from './ast.js';

/**
 * The functions of Prometheus 3.15 with their signatures. A function that is not here is refused (default deny).
 */

export interface FunctionSignature {
  readonly args: readonly ValueType[];
  /** 0: exactly `args`. n > 0: the last of `args` may be left out, or given up to n times. -1: any number of times, or none. */
  readonly variadic: number;
  readonly returns: ValueType;
  readonly experimental: boolean;
}

interface Row {
  readonly names: string;
  readonly args: readonly ValueType[];
  readonly variadic?: number;
  readonly returns?: ValueType;
  readonly experimental?: boolean;
}

const ROWS: readonly Row[] = [
  { names: 'pi time', args: [], returns: 'scalar' },
  { names: 'scalar', args: ['vector'], returns: 'scalar' },
  { names: 'vector', args: ['scalar'] },
  { names: 'abs ceil exp floor ln log10 log2 sgn sqrt deg rad sort sort_desc timestamp absent', args: ['vector'] },
  { names: 'acos acosh asin asinh atan atanh cos cosh sin sinh tan tanh', args: ['vector'] },
  { names: 'histogram_avg histogram_count histogram_sum histogram_stddev histogram_stdvar', args: ['vector'] },
  { names: 'day_of_month day_of_week day_of_year days_in_month hour minute month year', args: ['vector'], variadic: 1 },
  { names: 'clamp', args: ['vector', 'scalar', 'scalar'] },
  { names: 'clamp_max clamp_min', args: ['vector', 'scalar'] },
  { names: 'round', args: ['vector', 'scalar'], variadic: 1 },
  { names: 'histogram_fraction', args: ['scalar', 'scalar', 'vector'] },
  { names: 'histogram_quantile', args: ['scalar', 'vector'] },
  { names: 'label_replace', args: ['vector', 'string', 'string', 'string', 'string'] },
  { names: 'label_join', args: ['vector', 'string', 'string', 'string'], variadic: -1 },
  { names: 'absent_over_time avg_over_time count_over_time first_over_time last_over_time max_over_time min_over_time', args: ['matrix'] },
  { names: 'present_over_time stddev_over_time stdvar_over_time sum_over_time', args: ['matrix'] },
  { names: 'changes delta deriv idelta increase irate rate resets', args: ['matrix'] },
  { names: 'predict_linear', args: ['matrix', 'scalar'] },
  { names: 'quantile_over_time', args: ['scalar', 'matrix'] },
  { names: 'end range start step', args: [], returns: 'scalar', experimental: true },
  { names: 'max_of min_of', args: ['scalar', 'scalar'], returns: 'scalar', experimental: true },
  { names: 'start_timestamp', args: ['vector'], experimental: true },
  { names: 'info', args: ['vector', 'vector'], variadic: 1, experimental: true },
  { names: 'sort_by_label sort_by_label_desc', args: ['vector', 'string'], variadic: -1, experimental: true },
  { names: 'histogram_quantiles', args: ['vector', 'string', 'scalar', 'scalar'], variadic: 9, experimental: true },
  { names: 'double_exponential_smoothing', args: ['matrix', 'scalar', 'scalar'], experimental: true },
  { names: 'mad_over_time ts_of_first_over_time ts_of_last_over_time ts_of_max_over_time ts_of_min_over_time', args: ['matrix'], experimental: true },
];

export const FUNCTIONS: ReadonlyMap<string, FunctionSignature> = new Map(
  ROWS.flatMap(({ names, args, variadic = 0, returns = 'vector', experimental = false }) =>
    names.split(' ').map((name): [string, FunctionSignature] => [name, { args, variadic, returns, experimental }]),
  ),
);
