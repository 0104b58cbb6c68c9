import type { SharedCacheOptions } from '../model/shared-cache.js';
import { readCas } from './certificates.js';
import type { Draft } from './draft.js';
import type { GatewayFile, RedisFile } from './gateway-file.js';
import { parseSize } from './units.js';

/** What holds for the query door as a whole. */

export interface QuerySettings {
  /** Undefined = no cache. */
  readonly cacheBytes: number | undefined;
  readonly shared: SharedCacheOptions | undefined;
}

const MAX_TIMEOUT_MS = 1_000;
/** What a gateway with a Redis holds itself, where nothing else is said. */
const NEAR_CACHE_BYTES = 16 * 2 ** 20;

export async function compileQueries(draft: Draft, { cacheSize, redis }: GatewayFile['queries']): Promise<QuerySettings> {
  const shared = redis === undefined ? undefined : await draft.within(['queries', 'redis'], () => compileRedis(draft, redis));
  const cacheBytes = draft.part(['queries', 'cacheSize'], () => (cacheSize === undefined ? undefined : parseSize(cacheSize)));
  return { cacheBytes: cacheBytes ?? (shared === undefined ? undefined : NEAR_CACHE_BYTES), shared };
}

async function compileRedis(draft: Draft, { url, user, passwordFile, caFile, prefix, timeout, maxValueSize }: RedisFile): Promise<SharedCacheOptions | undefined> {
  const place = ['queries', 'redis'];
  const password = passwordFile === undefined ? undefined : await draft.readSecret([...place, 'passwordFile'], passwordFile);
  const caPem = caFile === undefined ? undefined : await readCas(draft, [{ file: caFile, place: [...place, 'caFile'] }]);
  const timeoutMs = draft.durationMs([...place, 'timeout'], timeout, { minMs: 1, maxMs: MAX_TIMEOUT_MS });
  const maxValueBytes = parseSize(maxValueSize);
  if (user !== undefined && passwordFile === undefined) draft.fault([...place, 'user'], 'stands without `passwordFile`; nobody logs in without a password');
  if (caFile !== undefined && !url.startsWith('rediss:')) draft.fault([...place, 'caFile'], 'is for `rediss://`; what is behind this URL has no certificate');
  return timeoutMs === undefined || maxValueBytes === undefined ? undefined : { url, user, password, caPem, prefix, timeoutMs, maxValueBytes };
}
