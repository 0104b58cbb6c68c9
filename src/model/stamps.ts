/**
 * Headers by which ext_authz tells those behind it what it knows: what templates allow at a target, and when the token ends that was shown (ms
 * since the epoch). Whatever comes from outside under `x-scrapeway-` is removed before anything reads it.
 */
export const MAX_SCRAPES_HEADER = 'x-scrapeway-max-scrapes';
export const MAX_BYTES_HEADER = 'x-scrapeway-max-bytes';
export const UNTIL_HEADER = 'x-scrapeway-until';
