/**
 * The streams that the hub opens on a tunnel, by their request headers. Control differs by `:authority`: no target can be called
 * `.control`, since a target's name starts with a letter or digit (model/names.ts). A stream whose method is CONNECT becomes, once
 * it is answered with 200, a connection to the target of that name (RFC 9113 §8.5, ADR 12); any other is a scrape.
 */

export const CONTROL_AUTHORITY = '.control';
export const CONTROL_PATH = '/control';
/** Milliseconds that the hub still waits for the end of the answer; of CONNECT, for its head. */
export const TIMEOUT_HEADER = 'x-scrapeway-timeout-ms';
/** No header with this prefix passes from a client to a target or from a target to a client. */
export const INTERNAL_PREFIX = 'x-scrapeway-';

/**
 * A CONNECT on which nothing moved for this long is ended, ms, by hub and agent alike. Prometheus keeps an idle connection for 5
 * minutes and Envoy's route a quiet CONNECT for 6 (it names the reason in the audit line); these come after both.
 */
export const CONNECT_IDLE_MS = 390_000;
/** When either end is stopping, a CONNECT that was quiet for this long is between two scrapes, and may be ended, ms. */
export const CONNECT_QUIET_MS = 1000;
