/**
 * Headers by which ext_authz tells the hub what templates allow at a target. Whatever comes from outside under `x-scrapeway-` is
 * removed before anything reads it.
 */
export const MAX_SCRAPES_HEADER = 'x-scrapeway-max-scrapes';
export const MAX_BYTES_HEADER = 'x-scrapeway-max-bytes';
