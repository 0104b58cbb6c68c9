/**
 * The code of a system error (`ENOENT`, `ECONNREFUSED`), without `instanceof`: errors cross realms, in tests for one.
 */
export function errnoOf(error: unknown): string | undefined {
  return typeof error === 'object' && error !== null && 'code' in error && typeof error.code === 'string' ? error.code : undefined;
}
