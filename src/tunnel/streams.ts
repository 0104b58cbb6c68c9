/**
 * The streams that the hub opens on a tunnel, by their request headers. Control and scrapes differ by `:authority`: no target can
 * be called `.control`, since a target's name starts with a letter or digit (model/names.ts).
 */

export const CONTROL_AUTHORITY = '.control';
export const CONTROL_PATH = '/control';
/** Milliseconds that the hub still waits for the end of the answer. */
export const TIMEOUT_HEADER = 'x-scrapeway-timeout-ms';
/** No header with this prefix passes from a client to a target or from a target to a client. */
export const INTERNAL_PREFIX = 'x-scrapeway-';
