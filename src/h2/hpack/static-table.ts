/**
 * The static table of RFC 7541 Appendix A, as two arrays so that a look-up allocates nothing. Index 0 is unused: indices on
 * the wire start at 1.
 */
// prettier-ignore
const ENTRIES: readonly (readonly [name: string, value: string])[] = [
  [':authority', ''], [':method', 'GET'], [':method', 'POST'], [':path', '/'], [':path', '/index.html'], [':scheme', 'http'],
  [':scheme', 'https'], [':status', '200'], [':status', '204'], [':status', '206'], [':status', '304'], [':status', '400'],
  [':status', '404'], [':status', '500'], ['accept-charset', ''], ['accept-encoding', 'gzip, deflate'], ['accept-language', ''],
  ['accept-ranges', ''], ['accept', ''], ['access-control-allow-origin', ''], ['age', ''], ['allow', ''], ['authorization', ''],
  ['cache-control', ''], ['content-disposition', ''], ['content-encoding', ''], ['content-language', ''], ['content-length', ''],
  ['content-location', ''], ['content-range', ''], ['content-type', ''], ['cookie', ''], ['date', ''], ['etag', ''],
  ['expect', ''], ['expires', ''], ['from', ''], ['host', ''], ['if-match', ''], ['if-modified-since', ''],
  ['if-none-match', ''], ['if-range', ''], ['if-unmodified-since', ''], ['last-modified', ''], ['link', ''], ['location', ''],
  ['max-forwards', ''], ['proxy-authenticate', ''], ['proxy-authorization', ''], ['range', ''], ['referer', ''], ['refresh', ''],
  ['retry-after', ''], ['server', ''], ['set-cookie', ''], ['strict-transport-security', ''], ['transfer-encoding', ''],
  ['user-agent', ''], ['vary', ''], ['via', ''], ['www-authenticate', ''],
];

export const STATIC_NAMES: readonly string[] = ['', ...ENTRIES.map(([name]) => name)];
export const STATIC_VALUES: readonly string[] = ['', ...ENTRIES.map(([, value]) => value)];
/** Dynamic entries are numbered from here on. */
export const FIRST_DYNAMIC_INDEX = STATIC_NAMES.length;

/** First index that carries a name. */
export const STATIC_INDEX_OF_NAME: ReadonlyMap<string, number> = new Map(ENTRIES.map(([name], i) => [name, i + 1] as const).toReversed());
/** Index of a whole field that is worth one byte: those of the table that have a value. Key: name, NUL, value. */
export const STATIC_INDEX_OF_FIELD: ReadonlyMap<string, number> = new Map(
  ENTRIES.map(([name, value], i) => [`${name}\0${value}`, i + 1] as const).filter(([key]) => !key.endsWith('\0')),
);
