/**
 * Syntax that a backend may or may not have: Prometheus's `--enable-feature` flags that the parser heeds. The defaults are
 * those of Prometheus 3.15.
 */
export interface Features {
  /** `promql-experimental-functions`. Default: false. */
  readonly experimentalFunctions: boolean;
  /** Arithmetic in durations, `step()`, `range()`. On by default since 3.15, `promql-duration-expr` before. Default: true. */
  readonly durationExpressions: boolean;
  /** `anchored` and `smoothed`; `promql-extended-range-selectors`. Default: false. */
  readonly extendedRangeSelectors: boolean;
  /** `fill`, `fill_left`, `fill_right`; `promql-binop-fill-modifiers`. Default: false. */
  readonly fillModifiers: boolean;
}

/** Prometheus's `--enable-feature` values, and what each is here. */
const FLAGS: ReadonlyMap<string, keyof Features> = new Map([
  ['promql-experimental-functions', 'experimentalFunctions'],
  ['promql-extended-range-selectors', 'extendedRangeSelectors'],
  ['promql-binop-fill-modifiers', 'fillModifiers'],
]);

/** The defaults, with what these flags switch on. */
export function featuresOf(flags: readonly string[]): Features {
  const on = flags.flatMap((flag) => FLAGS.get(flag) ?? []);
  return { ...DEFAULT_FEATURES, ...Object.fromEntries(on.map((feature) => [feature, true])) };
}

export const DEFAULT_FEATURES: Features = { experimentalFunctions: false, durationExpressions: true, extendedRangeSelectors: false, fillModifiers: false };

export const ALL_FEATURES: Features = { experimentalFunctions: true, durationExpressions: true, extendedRangeSelectors: true, fillModifiers: true };
